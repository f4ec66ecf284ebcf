#pragma once
/// One number for many: over seeds, tasks and repetitions. Empty samples are std::logic_error unless said otherwise.

#include <span>
#include <vector>

namespace pionbench::stats {

/// One task, suite or setting: values of its seeds. Strata weigh the same whatever their sizes.
using Strata = std::vector<std::vector<double>>;

/// Quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, NumPy's default); 0 ≤ q ≤ 1.
double quantile(std::vector<double> sample, double q);
/// The same of a sample in ascending order, without a copy.
double quantile_of_sorted(std::span<const double> sorted, double q);
double median(std::vector<double> sample);
/// Median absolute deviation from the median; times 1.4826 it estimates a normal's standard deviation.
double median_absolute_deviation(const std::vector<double>& sample);
inline constexpr double kMadToSd = 1.4826022185056018;

/// Interquartile mean: ⌊n/4⌋ values dropped at either end (SciPy's trim_mean(x, 0.25)).
double interquartile_mean(std::vector<double> sample);
/// Mean shortfall below `target`; what exceeds it counts as reaching it.
double optimality_gap(std::span<const double> sample, double target);

/// Mean over strata of the strata's means.
double stratified_mean(const Strata& strata);
/// Interquartile mean over all runs of all strata together (rliable's aggregate).
double stratified_iqm(const Strata& strata);

/// P(a > b) + ½ P(a = b) for random members of two samples.
double probability_of_improvement(std::span<const double> a, std::span<const double> b);
/// Mean over strata; a and b must have equally many.
double probability_of_improvement(const Strata& a, const Strata& b);

/// Expected best validation score after trying k of the N tuning trials at random with replacement, higher is better:
///   E_k = Σ_i x_(i) [(i/N)^k − ((i−1)/N)^k]
double expected_best_of(std::vector<double> scores, int k);

}  // namespace pionbench::stats
