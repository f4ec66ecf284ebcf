#pragma once
/// Student-t inference over strata: intervals, equivalence, prediction, power. An `Estimate` is all that these need, so
/// one set of functions serves means, differences of independent arms and differences paired by seed.

#include <optional>
#include <span>

#include "results/stats/aggregate.h"

namespace pionbench::stats {

/// A value with its standard error; `df` degrees of freedom stand behind the latter.
struct Estimate {
  double value = 0;
  double standard_error = 0;
  double df = 0;  ///< 0: the spread is unknown (one run per stratum)
  double sd = 0;  ///< of one run, or of one pair where paired
};

/// Mean over T strata of the strata's means, with one variance for all:
///   s² = Σ_t Σ_i (x_ti − x̄_t)² / df,  df = Σ_t (n_t − 1),  SE = s/T · √Σ_t 1/n_t
Estimate pooled_mean(const Strata& strata);
/// a − b for independent runs: mean over strata of x̄_a − x̄_b, one variance for both arms and all strata,
/// df = Σ_t (n_a + n_b − 2).
Estimate pooled_difference(const Strata& a, const Strata& b);
/// a − b for runs paired by seed, from their differences: pooled_mean of them.
Estimate paired_difference(const Strata& differences);

struct Bounds {
  double low, high;
};
/// value ∓ t(1 − (1−level)/2, df)·SE; nothing where df is 0.
std::optional<Bounds> t_interval(const Estimate& estimate, double level = 0.95);
/// Two-sided p of value = 0; 1 where df is 0; 0 where SE is 0 and the value is not.
double t_test(const Estimate& estimate);

/// Where the mean of `future` further runs of one stratum will lie: mean ∓ t·s·√(1/n + 1/future). Nothing below two
/// values. A published number outside it was not produced by what we ran.
std::optional<Bounds> prediction_interval(std::span<const double> sample, int future, double level = 0.95);

/// TOST: the p of "|value| ≥ margin", the larger of its two one-sided tests. Below alpha, the arms are the same within
/// the margin. margin > 0; 1 where df is 0.
double equivalence_test(const Estimate& estimate, double margin);

/// Chance that a two-sided t-test at `alpha` finds a true effect of this size (noncentral t).
double power_of_t_test(double effect, double standard_error, double df, double alpha = 0.05);
/// The least true effect that is found with probability `power`; nothing where df is 0.
std::optional<double> minimum_detectable_effect(const Estimate& estimate, double alpha = 0.05, double power = 0.8);

/// How the runs of a comparison are laid out.
struct Design {
  int strata = 1;
  bool is_paired = true;
};
/// Least runs per arm and stratum for which (1) a t-test at `alpha` finds `effect` with probability `power` when runs
/// (pairs, where paired) scatter by `sd`, and (2) the permutation test can reach `alpha` at all. At most 100 000.
int runs_needed(double effect, double sd, const Design& design, double alpha = 0.05, double power = 0.8);

}  // namespace pionbench::stats
