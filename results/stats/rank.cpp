#include "results/stats/rank.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace pionbench::stats {
namespace {

constexpr std::size_t kExactUpTo = 2500;

/// P(U ≤ u) under the null without ties. The distribution of U for (m, n) mixes those of (m − 1, n), shifted by n, and
/// (m, n − 1): the largest of all values is in the first sample with probability m/(m + n). Positive terms only.
double exact_lower_tail(std::size_t m, std::size_t n, std::size_t u) {
  std::vector<std::vector<double>> row(n + 1, {1.0});  // of the m so far, by n: m = 0 has U = 0
  for (std::size_t i = 1; i <= m; ++i) {
    std::vector<std::vector<double>> next(n + 1);
    next[0] = {1.0};
    for (std::size_t j = 1; j <= n; ++j) {
      const double first = static_cast<double>(i) / static_cast<double>(i + j);
      std::vector<double> p(i * j + 1, 0.0);
      for (std::size_t k = 0; k < row[j].size(); ++k) p[k + j] += first * row[j][k];
      for (std::size_t k = 0; k < next[j - 1].size(); ++k) p[k] += (1 - first) * next[j - 1][k];
      next[j] = std::move(p);
    }
    row = std::move(next);
  }
  double sum = 0;
  for (std::size_t k = 0; k <= std::min(u, m * n); ++k) sum += row[n][k];
  return sum;
}

double log_binomial(std::size_t n, std::size_t k) {
  return std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
         std::lgamma(static_cast<double>(n - k) + 1);
}

}  // namespace

RankTest mann_whitney(std::span<const double> a, std::span<const double> b) {
  const std::size_t m = a.size(), n = b.size();
  if (m == 0 || n == 0) throw std::logic_error("a rank test of nothing");
  std::size_t wins = 0, ties = 0;
  for (const double x : a)
    for (const double y : b) {
      wins += x > y;
      ties += x == y;
    }
  // U and its mirror image have the same tail: work below the middle.
  std::size_t u = std::min(wins, m * n - wins - ties);
  u = std::min(u + ties, m * n / 2);

  RankTest out{.least_p = std::min(1.0, 2 * std::exp(-log_binomial(m + n, m)))};
  out.is_exact = m * n <= kExactUpTo;
  if (out.is_exact) {
    out.p = std::min(1.0, 2 * exact_lower_tail(m, n, u));
  } else {
    const double middle = static_cast<double>(m * n) / 2;
    const double sd = std::sqrt(static_cast<double>(m * n * (m + n + 1)) / 12);
    const double z = (static_cast<double>(u) + 0.5 - middle) / sd;
    out.p = std::min(1.0, 2 * boost::math::cdf(boost::math::normal(), z));
  }
  return out;
}

}  // namespace pionbench::stats
