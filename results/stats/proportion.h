#pragma once
/// Success rates: of episodes, of problems. Counts, not floating rates, come in.
///
/// These treat trials as independent. Episodes are nested in training seeds: over several seeds use nested_bootstrap
/// (bootstrap.h) or a test over seeds, and these for one policy.

#include <cstdint>

#include "results/stats/difference.h"

namespace pionbench::stats {

struct Count {
  std::int64_t successes = 0;
  std::int64_t trials = 0;  ///< > 0
  double rate() const { return static_cast<double>(successes) / static_cast<double>(trials); }
};

/// Wilson score interval: {p : |p̂ − p| ≤ z √(p(1−p)/n)}. Never leaves [0, 1]. 50 trials at 0.7 give ±0.13.
Bounds wilson_interval(const Count& count, double level = 0.95);

/// Newcombe's interval of p_a − p_b from the two Wilson intervals (1998, method 10).
Bounds newcombe_interval(const Count& a, const Count& b, double level = 0.95);

/// Exact McNemar test for two policies on the same trials: two-sided binomial test at ½ of the trials on which exactly
/// one of them succeeded. 1 where there is none.
double mcnemar_test(std::int64_t only_a, std::int64_t only_b);

/// Trials per arm with which a two-sided z-test at `alpha` finds p against p + difference (unpooled variance at p for
/// both arms) with probability `power`: 3 points at 0.7 take 3 663.
std::int64_t trials_needed(double p, double difference, double alpha = 0.05, double power = 0.8);

}  // namespace pionbench::stats
