#pragma once
/// What the embedded problem generators (arith.h, algebra.h) share: sizes, splits by content, the four styles of
/// demonstration of which one earns a reward.

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "experiments/rlvr/data/problem.h"

namespace pionbench::rlvr {

struct SplitSizes {
  std::int64_t train = 0;
  std::int64_t validation = 0;
  std::int64_t test = 0;
};

struct GeneratedData {
  std::vector<Problem> train, validation, test;
  std::vector<Demonstration> demonstrations;  ///< one per training problem, same order
};

/// Integers and slips from one engine, the same on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// 0 .. n − 1. The bias of the remainder is below 1e-17 for the n used here.
  std::size_t below(std::size_t n) { return engine_() % n; }
  int between(int low, int high) { return low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1))); }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  /// `value`, with probability 0.6 off by 1, 2 or 10 in either direction.
  int slipped(int value);

 private:
  std::mt19937_64 engine_;
};

/// Numbers are single tokens, so every value that a text mentions lies in 0 .. kLargestNumber.
constexpr int kLargestNumber = 59;
inline bool in_range(int value) {
  return value >= 0 && value <= kLargestNumber;
}

/// Odds of the styles; what is left of 1 is sloppy.
struct StyleOdds {
  double clean, unmarked, lazy;
};
constexpr StyleOdds kTidyOdds{0.60, 0.10, 0.10}, kMessyOdds{0.10, 0.65, 0.15};

/// A problem with its demonstration drawn only when it is needed (the random stream must not depend on the splits
/// that are full).
struct Draw {
  Problem problem;
  std::function<Demonstration(Random&)> demonstrate;
};

/// Draws until every split has its size. No question appears twice, and a question's split is content_split's.
/// UserError when the generator seems to have no more new questions.
GeneratedData fill_splits(Random& random, const SplitSizes& sizes, const std::function<Draw(Random&)>& draw);

}  // namespace pionbench::rlvr
