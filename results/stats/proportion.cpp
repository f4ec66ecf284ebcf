#include "results/stats/proportion.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <stdexcept>

namespace pionbench::stats {
namespace {

double z_quantile(double upper_tail) {
  return boost::math::quantile(boost::math::complement(boost::math::normal(), upper_tail));
}

}  // namespace

Bounds wilson_interval(const Count& count, double level) {
  if (count.trials <= 0 || count.successes < 0 || count.successes > count.trials)
    throw std::logic_error("an interval of an impossible count");
  const double z = z_quantile((1 - level) / 2), n = static_cast<double>(count.trials), p = count.rate();
  const double center = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  // At 0 and at n successes the bound is 0 and 1; rounding would leave a trace beside it.
  return {count.successes == 0 ? 0.0 : center - half, count.successes == count.trials ? 1.0 : center + half};
}

Bounds newcombe_interval(const Count& a, const Count& b, double level) {
  const Bounds in_a = wilson_interval(a, level), in_b = wilson_interval(b, level);
  const double difference = a.rate() - b.rate();
  return {difference - std::hypot(a.rate() - in_a.low, in_b.high - b.rate()),
          difference + std::hypot(in_a.high - a.rate(), b.rate() - in_b.low)};
}

double mcnemar_test(std::int64_t only_a, std::int64_t only_b) {
  const std::int64_t n = only_a + only_b;
  if (n == 0) return 1;
  const boost::math::binomial flips(static_cast<double>(n), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(flips, static_cast<double>(std::min(only_a, only_b))));
}

std::int64_t trials_needed(double p, double difference, double alpha, double power) {
  if (difference == 0) throw std::logic_error("no number of trials finds a difference of 0");
  const double z = (z_quantile(alpha / 2) + z_quantile(1 - power)) / difference;
  return static_cast<std::int64_t>(std::ceil(2 * p * (1 - p) * z * z));
}

}  // namespace pionbench::stats
