#include "results/stats/aggregate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "results/stats/interval.h"

namespace pionbench::stats {
namespace {

void require_values(std::size_t n) {
  if (n == 0) throw std::logic_error("a statistic of nothing");
}

}  // namespace

double quantile_of_sorted(std::span<const double> sorted, double q) {
  require_values(sorted.size());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

double quantile(std::vector<double> sample, double q) {
  std::sort(sample.begin(), sample.end());
  return quantile_of_sorted(sample, q);
}

double median(std::vector<double> sample) {
  require_values(sample.size());
  const auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
  std::nth_element(sample.begin(), middle, sample.end());
  if (sample.size() % 2) return *middle;
  return (*std::max_element(sample.begin(), middle) + *middle) / 2;
}

double median_absolute_deviation(const std::vector<double>& sample) {
  const double center = median(sample);
  std::vector<double> distances;
  distances.reserve(sample.size());
  for (const double x : sample) distances.push_back(std::abs(x - center));
  return median(std::move(distances));
}

double interquartile_mean(std::vector<double> sample) {
  require_values(sample.size());
  const std::size_t cut = sample.size() / 4;
  std::sort(sample.begin(), sample.end());
  return mean(std::span<const double>(sample).subspan(cut, sample.size() - 2 * cut));
}

double optimality_gap(std::span<const double> sample, double target) {
  require_values(sample.size());
  double gap = 0;
  for (const double x : sample) gap += std::max(0.0, target - x);
  return gap / static_cast<double>(sample.size());
}

double stratified_mean(const Strata& strata) {
  require_values(strata.size());
  double sum = 0;
  for (const auto& stratum : strata) sum += mean(stratum);
  return sum / static_cast<double>(strata.size());
}

double stratified_iqm(const Strata& strata) {
  std::vector<double> all;
  for (const auto& stratum : strata) all.insert(all.end(), stratum.begin(), stratum.end());
  return interquartile_mean(std::move(all));
}

double probability_of_improvement(std::span<const double> a, std::span<const double> b) {
  require_values(std::min(a.size(), b.size()));
  double wins = 0;
  for (const double x : a)
    for (const double y : b) wins += x > y ? 1.0 : x == y ? 0.5 : 0.0;
  return wins / static_cast<double>(a.size() * b.size());
}

double probability_of_improvement(const Strata& a, const Strata& b) {
  require_values(a.size());
  if (a.size() != b.size()) throw std::logic_error("two sets of strata of unequal number");
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += probability_of_improvement(a[i], b[i]);
  return sum / static_cast<double>(a.size());
}

double expected_best_of(std::vector<double> scores, int k) {
  require_values(scores.size());
  if (k < 1) throw std::logic_error("the best of no trials");
  std::sort(scores.begin(), scores.end());
  const auto n = static_cast<double>(scores.size());
  double sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    sum += scores[i] * (std::pow(static_cast<double>(i + 1) / n, k) - std::pow(static_cast<double>(i) / n, k));
  return sum;
}

}  // namespace pionbench::stats
