#pragma once
/// Permutation tests: what decides whether two arms differ. Exact at any sample size, whatever the distribution.
///
/// p = (arrangements at least as extreme) / (all arrangements) when all can be looked at, else (1 + k) / (1 + P) from
/// P random ones (Phipson and Smyth 2010). Two-sided: |T*| ≥ |T|, with a relative tolerance of 1e-9 so that sums of the
/// same numbers in another order count as equal.

#include <cstdint>
#include <span>
#include <vector>

#include "results/stats/aggregate.h"
#include "results/stats/random.h"

namespace pionbench::stats {

struct PermutationTest {
  double effect = 0;  ///< the statistic of the data as they are
  double p = 1;       ///< two-sided
  /// The least p that any data of these sizes can give. Where it exceeds alpha the answer is "unknown", never "no
  /// difference": 3 against 3 seeds have 0.1, 3 pairs have 0.25.
  double least_p = 1;
  bool is_exact = false;
  std::int64_t arrangements = 0;  ///< looked at
};

struct PermutationOptions {
  std::int64_t exact_up_to = 100'000;  ///< arrangements
  std::int64_t random_arrangements = 99'999;
};

/// Independent runs: labels are permuted within each stratum. T = mean over strata of mean(a) − mean(b).
/// a and b must have equally many strata, none empty.
PermutationTest permutation_test(const Strata& a, const Strata& b, Random random,
                                 const PermutationOptions& options = {});

/// Runs paired by seed: signs of the differences a − b are flipped. T = mean over strata of the mean difference.
PermutationTest paired_permutation_test(const Strata& differences, Random random,
                                        const PermutationOptions& options = {});

}  // namespace pionbench::stats
