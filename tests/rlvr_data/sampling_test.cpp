#include "experiments/rlvr/data/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

namespace pionbench::rlvr {
namespace {

using testing::ElementsAre;

TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {  // Random123, kat_vectors, philox4x32 10
  EXPECT_THAT(philox({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  constexpr std::uint32_t kOnes = 0xffffffffu;
  EXPECT_THAT(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
              ElementsAre(0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u));
}

TEST(Uniform, DependsOnEachOfItsNumbersAndIsUniform) {
  EXPECT_NE(uniform(1, 2, 3), uniform(2, 2, 3));
  EXPECT_NE(uniform(1, 2, 3), uniform(1, 3, 3));
  EXPECT_NE(uniform(1, 2, 3), uniform(1, 2, 4));
  EXPECT_NE(uniform(1, 1ull << 40, 3), uniform(1, 0, 3));
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = uniform(5, static_cast<std::uint64_t>(i % 317), static_cast<std::uint64_t>(i));
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u, squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 4 * std::sqrt(4.0 / 45 / kDraws));
}

/// The definition, sorting everything: the oracle.
std::vector<std::pair<float, std::int64_t>> kept_by_definition(const std::vector<float>& p, const Truncation& t) {
  std::vector<std::int64_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](std::int64_t i) { return p[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return at(a) > at(b); });
  if (t.top_k > 0 && static_cast<std::size_t>(t.top_k) < order.size()) order.resize(static_cast<std::size_t>(t.top_k));
  const auto sum = [&] {
    double out = 0;
    for (const auto i : order) out += at(i);
    return out;
  };
  if (t.top_p < 1) {
    const double total = sum();
    double reached = 0;
    std::size_t n = 0;
    while (n < order.size()) {
      reached += at(order[n++]);
      if (reached >= t.top_p * total) break;
    }
    order.resize(n);
  }
  while (order.size() > 1 && at(order.back()) < t.min_p * static_cast<double>(at(order.front()))) order.pop_back();
  std::vector<std::pair<float, std::int64_t>> out;
  for (const auto i : order) out.emplace_back(static_cast<float>(at(i) / sum()), i);
  return out;
}

TEST(Truncation, KeepsWhatItsDefinitionKeeps) {
  std::mt19937_64 random(4);
  std::uniform_real_distribution<float> unit(0, 1);
  for (int trial = 0; trial < 3000; ++trial) {
    std::vector<float> p(1 + random() % 400);
    for (auto& x : p) x = trial % 3 ? std::pow(unit(random), 8.0f) : std::round(unit(random) * 8) / 8;  // with ties
    p[random() % p.size()] = 1;
    const float total = std::accumulate(p.begin(), p.end(), 0.0f);
    for (auto& x : p) x /= total;
    Truncation t;
    if (random() % 2) t.top_k = static_cast<std::int64_t>(random() % 50);
    if (random() % 2) t.top_p = unit(random);
    if (random() % 2) t.min_p = 0.3 * unit(random);
    const auto ours = kept_tokens(p, t), expected = kept_by_definition(p, t);
    ASSERT_EQ(ours.size(), expected.size()) << t.top_k << " " << t.top_p << " " << t.min_p;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].second, expected[i].second);
      EXPECT_NEAR(ours[i].first, expected[i].first, 1e-6);
    }
  }
}

TEST(Draw, FollowsTheProbabilitiesThatAreLeft) {
  const std::vector<float> p = {0.1f, 0.0f, 0.4f, 0.2f, 0.3f};
  const auto frequencies = [&](const Truncation& t) {
    std::vector<double> out(p.size());
    constexpr int kDraws = 50000;
    for (int i = 0; i < kDraws; ++i) out[static_cast<std::size_t>(draw(p, t, (i + 0.5) / kDraws))] += 1.0 / kDraws;
    return out;
  };
  using testing::DoubleNear;
  const auto near = [](double x) { return DoubleNear(x, 1e-4); };
  EXPECT_THAT(frequencies({}), ElementsAre(near(.1), near(0), near(.4), near(.2), near(.3)));
  EXPECT_THAT(frequencies({.top_k = 2}), ElementsAre(near(0), near(0), near(4. / 7), near(0), near(3. / 7)));
  EXPECT_THAT(frequencies({.top_p = 0.8}), ElementsAre(near(0), near(0), near(4. / 9), near(2. / 9), near(3. / 9)));
  EXPECT_THAT(frequencies({.min_p = 0.6}), ElementsAre(near(0), near(0), near(4. / 7), near(0), near(3. / 7)));
}

TEST(Draw, SurvivesDegenerateProbabilities) {
  const float nan = std::nanf("");
  EXPECT_EQ(draw(std::vector<float>{0, 1, 0}, {}, 0.999999999), 1);
  EXPECT_EQ(draw(std::vector<float>{0, 0}, {}, 0.5), 0);
  EXPECT_EQ(draw(std::vector<float>{nan, nan}, {}, 0.5), 0);
  EXPECT_EQ(draw(std::vector<float>{nan, 1}, {.top_p = 0.5}, 0.5), 1);
  EXPECT_EQ(draw(std::vector<float>{0.5f, 0.5f}, {.top_k = 1}, 0.9), 0);  // a tie goes to the lower id
}

}  // namespace
}  // namespace pionbench::rlvr
