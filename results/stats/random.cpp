#include "results/stats/random.h"

#include <boost/math/special_functions/erf.hpp>
#include <string>

#include "common/hash.h"

namespace pionbench::stats {
namespace {

std::uint64_t key_of(std::string_view what) {
  return std::stoull(sha256(what).substr(0, 16), nullptr, 16);
}

struct Product {
  std::uint32_t high, low;
};

Product product(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t wide = static_cast<std::uint64_t>(a) * b;
  return {static_cast<std::uint32_t>(wide >> 32), static_cast<std::uint32_t>(wide)};
}

}  // namespace

PhiloxBlock philox4x32(PhiloxBlock c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const auto first = product(0xD2511F53u, c[0]), second = product(0xCD9E8D57u, c[2]);
    c = {second.high ^ c[1] ^ key[0], second.low, first.high ^ c[3] ^ key[1], first.low};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return c;
}

Random::Random(std::string_view what) : Random(key_of(what)) {}

Random::Random(std::uint64_t key, std::uint64_t stream)
    : key_{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}, stream_(stream) {}

std::uint32_t Random::word() {
  if (used_ == 4) {
    words_ = philox4x32({static_cast<std::uint32_t>(block_), static_cast<std::uint32_t>(block_ >> 32),
                         static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                        key_);
    ++block_;
    used_ = 0;
  }
  return words_[used_++];
}

std::uint32_t Random::below(std::uint32_t n) {
  std::uint64_t wide = static_cast<std::uint64_t>(word()) * n;
  if (static_cast<std::uint32_t>(wide) < n) {
    const std::uint32_t least = (0u - n) % n;
    while (static_cast<std::uint32_t>(wide) < least) wide = static_cast<std::uint64_t>(word()) * n;
  }
  return static_cast<std::uint32_t>(wide >> 32);
}

double Random::normal() {
  // The middle of each of the 2^53 steps: never 0 or 1.
  const double u = (static_cast<double>(word64() >> 11) + 0.5) * 0x1p-53;
  return -1.4142135623730951 * boost::math::erfc_inv(2 * u);
}

}  // namespace pionbench::stats
