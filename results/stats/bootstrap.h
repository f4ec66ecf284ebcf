#pragma once
/// Percentile bootstrap intervals, resampled within strata.
///
/// They are for display. At 3 to 5 seeds they are too narrow: a nominal 95 % covers 82 to 91 % (docs/statistics.md has
/// the table), so a decision is taken by a permutation test (permutation.h) and an interval of few seeds is printed
/// with the pooled-t one beside it (difference.h).

#include <functional>
#include <span>
#include <vector>

#include "results/stats/aggregate.h"
#include "results/stats/random.h"

namespace pionbench::stats {

struct Interval {
  double estimate = 0;  ///< of the sample itself
  double low = 0, high = 0;
};

struct BootstrapOptions {
  int resamples = 10'000;
  double level = 0.95;
};

/// Runs are drawn with replacement within each stratum. Cost: `resamples` calls of `statistic`.
Interval bootstrap(const Strata& strata, const std::function<double(const Strata&)>& statistic, Random random,
                   const BootstrapOptions& options = {});

/// Of a statistic of two groups, e.g. the difference of stratified means; both are resampled independently.
Interval bootstrap(const Strata& a, const Strata& b,
                   const std::function<double(const Strata&, const Strata&)>& statistic, Random random,
                   const BootstrapOptions& options = {});

/// Episodes nested in seeds: seeds are drawn first, then as many episodes within each seed drawn. `seeds` holds the
/// episodes' outcomes; the statistic is the mean over seeds of the seeds' means.
Interval nested_bootstrap(const Strata& seeds, Random random, const BootstrapOptions& options = {});

/// median(b) / median(a), the samples resampled independently: the effect size of a timing comparison.
Interval bootstrap_median_ratio(std::span<const double> a, std::span<const double> b, Random random,
                                const BootstrapOptions& options = {});

}  // namespace pionbench::stats
