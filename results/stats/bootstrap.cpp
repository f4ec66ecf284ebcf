#include "results/stats/bootstrap.h"

#include <algorithm>
#include <stdexcept>

#include "results/stats/interval.h"

namespace pionbench::stats {
namespace {

void resample(const std::vector<double>& from, std::vector<double>& into, Random& random) {
  const auto n = static_cast<std::uint32_t>(from.size());
  into.resize(n);
  for (auto& x : into) x = from[random.below(n)];
}

void resample(const Strata& from, Strata& into, Random& random) {
  into.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) resample(from[i], into[i], random);
}

void require_values(const Strata& strata) {
  if (strata.empty()) throw std::logic_error("a bootstrap of nothing");
  for (const auto& stratum : strata)
    if (stratum.empty()) throw std::logic_error("a bootstrap of a stratum without values");
}

/// `draw()` gives one replicate.
template <typename Draw>
Interval percentile_interval(double estimate, const Draw& draw, const BootstrapOptions& options) {
  std::vector<double> replicates(static_cast<std::size_t>(options.resamples));
  for (auto& replicate : replicates) replicate = draw();
  std::sort(replicates.begin(), replicates.end());
  const double tail = (1 - options.level) / 2;
  return {estimate, quantile_of_sorted(replicates, tail), quantile_of_sorted(replicates, 1 - tail)};
}

}  // namespace

Interval bootstrap(const Strata& strata, const std::function<double(const Strata&)>& statistic, Random random,
                   const BootstrapOptions& options) {
  require_values(strata);
  Strata drawn;
  return percentile_interval(
      statistic(strata),
      [&] {
        resample(strata, drawn, random);
        return statistic(drawn);
      },
      options);
}

Interval bootstrap(const Strata& a, const Strata& b,
                   const std::function<double(const Strata&, const Strata&)>& statistic, Random random,
                   const BootstrapOptions& options) {
  require_values(a);
  require_values(b);
  Strata drawn_a, drawn_b;
  return percentile_interval(
      statistic(a, b),
      [&] {
        resample(a, drawn_a, random);
        resample(b, drawn_b, random);
        return statistic(drawn_a, drawn_b);
      },
      options);
}

Interval nested_bootstrap(const Strata& seeds, Random random, const BootstrapOptions& options) {
  require_values(seeds);
  const auto n = static_cast<std::uint32_t>(seeds.size());
  std::vector<double> episodes;
  return percentile_interval(
      stratified_mean(seeds),
      [&] {
        double sum = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
          resample(seeds[random.below(n)], episodes, random);
          sum += mean(episodes);
        }
        return sum / n;
      },
      options);
}

Interval bootstrap_median_ratio(std::span<const double> a, std::span<const double> b, Random random,
                                const BootstrapOptions& options) {
  return bootstrap(
      Strata{{a.begin(), a.end()}}, Strata{{b.begin(), b.end()}},
      [](const Strata& x, const Strata& y) { return median(y[0]) / median(x[0]); }, random, options);
}

}  // namespace pionbench::stats
