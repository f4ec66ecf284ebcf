#include "results/stats/difference.h"

#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "results/stats/interval.h"

namespace pionbench::stats {
namespace {

using boost::math::complement;
using boost::math::students_t;

constexpr int kMostRuns = 100'000;

double squares_around_mean(std::span<const double> sample) {
  const double center = mean(sample);
  double sum = 0;
  for (const double x : sample) sum += (x - center) * (x - center);
  return sum;
}

void set_error(Estimate& out, double squares, double inverse_sizes, std::size_t strata) {
  if (out.df <= 0) return;
  out.sd = std::sqrt(squares / out.df);
  out.standard_error = out.sd * std::sqrt(inverse_sizes) / static_cast<double>(strata);
}

double t_quantile(double df, double upper_tail) {
  return boost::math::quantile(complement(students_t(df), upper_tail));
}

/// P(T > t) for Student's t.
double upper_tail(double df, double t) {
  if (std::isinf(t)) return t > 0 ? 0 : 1;
  return boost::math::cdf(complement(students_t(df), t));
}

/// log C(2n, n)-free: whether n runs per arm and stratum can reach alpha by permutation.
bool permutation_can_reach(int n, const Design& design, double alpha) {
  const double log_arrangements =
      design.is_paired ? n * std::log(2.0) : std::lgamma(2.0 * n + 1) - 2 * std::lgamma(n + 1.0);
  return std::log(2.0) - design.strata * log_arrangements <= std::log(alpha) + 1e-12;
}

}  // namespace

Estimate pooled_mean(const Strata& strata) {
  Estimate out{.value = stratified_mean(strata)};
  double squares = 0, inverse_sizes = 0;
  for (const auto& stratum : strata) {
    squares += squares_around_mean(stratum);
    inverse_sizes += 1 / static_cast<double>(stratum.size());
    out.df += static_cast<double>(stratum.size() - 1);
  }
  set_error(out, squares, inverse_sizes, strata.size());
  return out;
}

Estimate pooled_difference(const Strata& a, const Strata& b) {
  if (a.size() != b.size()) throw std::logic_error("a difference of unequal strata");
  const Estimate mean_a = pooled_mean(a), mean_b = pooled_mean(b);
  Estimate out{.value = mean_a.value - mean_b.value, .df = mean_a.df + mean_b.df};
  double squares = 0, inverse_sizes = 0;
  for (const auto* arm : {&a, &b})
    for (const auto& stratum : *arm) {
      squares += squares_around_mean(stratum);
      inverse_sizes += 1 / static_cast<double>(stratum.size());
    }
  set_error(out, squares, inverse_sizes, a.size());
  return out;
}

Estimate paired_difference(const Strata& differences) {
  return pooled_mean(differences);
}

std::optional<Bounds> t_interval(const Estimate& estimate, double level) {
  if (estimate.df <= 0) return std::nullopt;
  const double half = t_quantile(estimate.df, (1 - level) / 2) * estimate.standard_error;
  return Bounds{estimate.value - half, estimate.value + half};
}

double t_test(const Estimate& estimate) {
  if (estimate.df <= 0) return 1;
  if (estimate.standard_error == 0) return estimate.value == 0 ? 1 : 0;
  return 2 * upper_tail(estimate.df, std::abs(estimate.value) / estimate.standard_error);
}

std::optional<Bounds> prediction_interval(std::span<const double> sample, int future, double level) {
  const auto sd = sample_sd(sample);
  if (!sd) return std::nullopt;
  const auto n = static_cast<double>(sample.size());
  const double half = t_quantile(n - 1, (1 - level) / 2) * *sd * std::sqrt(1 / n + 1.0 / future);
  return Bounds{mean(sample) - half, mean(sample) + half};
}

double equivalence_test(const Estimate& estimate, double margin) {
  if (!(margin > 0)) throw std::logic_error("an equivalence margin must be above 0");
  if (estimate.df <= 0) return 1;
  const double room = margin - std::abs(estimate.value);
  if (estimate.standard_error == 0) return room > 0 ? 0 : 1;
  return upper_tail(estimate.df, room / estimate.standard_error);
}

double power_of_t_test(double effect, double standard_error, double df, double alpha) {
  if (df <= 0) return 0;
  if (standard_error <= 0) return effect == 0 ? alpha : 1;
  const double critical = t_quantile(df, alpha / 2), noncentrality = std::abs(effect) / standard_error;
  if (noncentrality > critical + 40) return 1;  // Boost's series fails to converge far out
  const boost::math::non_central_t t(df, noncentrality);
  return boost::math::cdf(complement(t, critical)) + boost::math::cdf(t, -critical);
}

std::optional<double> minimum_detectable_effect(const Estimate& estimate, double alpha, double power) {
  if (estimate.df <= 0) return std::nullopt;
  if (estimate.standard_error == 0) return 0.0;
  // In units of the standard error.
  const auto shortfall = [&](double x) { return power_of_t_test(x, 1, estimate.df, alpha) - power; };
  double high = 1;
  while (shortfall(high) < 0) high *= 2;
  std::uintmax_t most = 100;
  const auto root =
      boost::math::tools::toms748_solve(shortfall, 0.0, high, boost::math::tools::eps_tolerance<double>(40), most);
  return (root.first + root.second) / 2 * estimate.standard_error;
}

int runs_needed(double effect, double sd, const Design& design, double alpha, double power) {
  const auto is_enough = [&](int n) {
    if (n < 2 || !permutation_can_reach(n, design, alpha)) return false;
    const double per_stratum = (design.is_paired ? 1.0 : 2.0) / n;
    const double df = design.strata * (n - 1.0) * (design.is_paired ? 1 : 2);
    return power_of_t_test(effect, sd * std::sqrt(per_stratum / design.strata), df, alpha) >= power;
  };
  int high = 2;
  while (high < kMostRuns && !is_enough(high)) high *= 2;
  int low = high / 2;
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    (is_enough(middle) ? high : low) = middle;
  }
  return std::min(high, kMostRuns);
}

}  // namespace pionbench::stats
