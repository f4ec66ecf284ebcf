#include "results/stats/interval.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace pionbench {

double mean(std::span<const double> sample) {
  if (sample.empty()) throw std::logic_error("the mean of nothing");
  return std::accumulate(sample.begin(), sample.end(), 0.0) / static_cast<double>(sample.size());
}

std::optional<double> sample_sd(std::span<const double> sample) {
  if (sample.size() < 2) return std::nullopt;
  const double center = mean(sample);
  double squares = 0;
  for (const double x : sample) squares += (x - center) * (x - center);
  return std::sqrt(squares / static_cast<double>(sample.size() - 1));
}

MeanInterval mean_interval(std::span<const double> sample, double level) {
  MeanInterval out{.mean = mean(sample), .n = static_cast<int>(sample.size()), .sd = sample_sd(sample)};
  out.is_approximate = out.n < kFewSeeds;
  if (!out.sd) return out;
  const boost::math::students_t distribution(out.n - 1);
  const double t = boost::math::quantile(boost::math::complement(distribution, (1 - level) / 2));
  const double half = t * *out.sd / std::sqrt(out.n);
  out.low = out.mean - half;
  out.high = out.mean + half;
  return out;
}

}  // namespace pionbench
