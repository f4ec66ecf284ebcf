/// The fuzz targets on seeded mutations of well-formed inputs: quick, the same everywhere, and under ci/sanitize with
/// the address and undefined-behaviour sanitizers. ci/fuzz searches further.

#include <gtest/gtest.h>

#include <random>

#include "tests/fuzz/targets.h"

namespace pionbench::fuzz {
namespace {

std::string mutated(const Target& target, std::mt19937_64& random) {
  const auto any = [&](const std::vector<std::string>& from) -> const std::string& {
    return from[random() % from.size()];
  };
  std::string text = any(target.seeds);
  for (std::size_t n = 1 + random() % 6; n > 0; --n) {
    const std::size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 7) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        break;
      case 2:
        text.erase(at, random() % 9);
        break;
      case 3:
        text.insert(at, any(target.dictionary));
        break;
      case 4: {
        const std::string piece = text.substr(at, random() % 40);
        text.insert(text.empty() ? 0 : random() % text.size(), piece);
        break;
      }
      case 5:
        text.resize(at);
        break;
      default: {
        const std::string& other = any(target.seeds);
        text = text.substr(0, at) + other.substr(random() % (other.size() + 1));
      }
    }
  }
  return text;
}

class Fuzz : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::Range<std::size_t>(0, targets().size()),
                         [](const auto& info) { return targets()[info.param].name; });

TEST_P(Fuzz, NoInputDoesMoreThanThrowAUserError) {
  const auto& target = targets()[GetParam()];
  for (const auto& seed : target.seeds) target.run(seed);
  std::mt19937_64 random(GetParam() + 1);
  for (int i = 0; i < 20000; ++i) {
    const auto input = mutated(target, random);
    EXPECT_NO_THROW(target.run(input)) << testing::PrintToString(input);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace pionbench::fuzz
