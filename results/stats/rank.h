#pragma once
/// Mann-Whitney's rank test for repetitions of a measurement: no assumption on the shape of the noise.

#include <span>

namespace pionbench::stats {

struct RankTest {
  double p = 1;        ///< two-sided
  double least_p = 1;  ///< 2 / C(m + n, m): what these sizes can reach; n = m: 3 0.10, 4 0.029, 5 0.0079, 9 4e-5
  bool is_exact = true;
};

/// Ties are resolved towards "no difference": of the values of U that the ties allow, the one nearest to mn/2 counts.
/// So p is never too small, and repeated or rounded values never make a finding. Exact up to mn = 2 500, beyond that
/// the normal approximation with continuity correction (its least_p is the exact one).
/// Cost of the exact test: O(m n · mn).
RankTest mann_whitney(std::span<const double> a, std::span<const double> b);

}  // namespace pionbench::stats
