#pragma once
/// Random numbers that are a function of (key, counter): the same question of the same data gets the same interval and
/// the same p, on every machine, in any order of evaluation and however many threads ask.
///
///   Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key, ten rounds.
/// Source  Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

#include <array>
#include <cstdint>
#include <string_view>

namespace pionbench::stats {

using PhiloxBlock = std::array<std::uint32_t, 4>;

PhiloxBlock philox4x32(PhiloxBlock counter, std::array<std::uint32_t, 2> key);

/// A stream of numbers; copies continue independently from the same place. Period 2^128 words.
class Random {
 public:
  /// The key: SHA-256 of `what` (the store's digest and the question, say), cut to 64 bits.
  explicit Random(std::string_view what);
  explicit Random(std::uint64_t key, std::uint64_t stream = 0);

  std::uint32_t word();
  std::uint64_t word64() { return static_cast<std::uint64_t>(word()) << 32 | word(); }
  /// Uniform on {0, ..., n − 1}, without modulo bias (Lemire 2019); n > 0.
  std::uint32_t below(std::uint32_t n);
  /// Uniform on [0, 1), 53 bits.
  double uniform() { return static_cast<double>(word64() >> 11) * 0x1p-53; }
  /// Standard normal: the inverse of its distribution function at a uniform number.
  double normal();

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;
  PhiloxBlock words_{};
  unsigned used_ = 4;
};

}  // namespace pionbench::stats
