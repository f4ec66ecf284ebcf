#include "results/stats/survival.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

namespace pionbench::stats {
namespace {

struct Risk {
  int at_risk = 0;
  int reached = 0;
};

Risk risk_at(std::span<const TimeToTarget> runs, double time) {
  Risk out;
  for (const auto& run : runs) {
    out.at_risk += run.time >= time;
    out.reached += run.is_reached && run.time == time;
  }
  return out;
}

std::set<double> event_times(std::span<const TimeToTarget> runs) {
  std::set<double> times;
  for (const auto& run : runs)
    if (run.is_reached) times.insert(run.time);
  return times;
}

}  // namespace

std::vector<SurvivalStep> kaplan_meier(std::span<const TimeToTarget> runs) {
  std::vector<SurvivalStep> curve;
  double not_reached = 1, greenwood = 0;
  for (const double time : event_times(runs)) {
    const Risk risk = risk_at(runs, time);
    const double n = risk.at_risk, d = risk.reached;
    not_reached *= 1 - d / n;
    if (n > d) greenwood += d / (n * (n - d));
    curve.push_back({time, not_reached, not_reached * std::sqrt(greenwood), risk.at_risk, risk.reached});
  }
  return curve;
}

std::optional<double> median_time(std::span<const SurvivalStep> curve) {
  for (const auto& step : curve)
    if (step.not_reached <= 0.5 + 1e-12) return step.time;
  return std::nullopt;
}

double restricted_mean_time(std::span<const SurvivalStep> curve, double horizon) {
  double area = 0, from = 0, height = 1;
  for (const auto& step : curve) {
    if (step.time >= horizon) break;
    area += height * (step.time - from);
    from = step.time;
    height = step.not_reached;
  }
  return area + height * (horizon - from);
}

double log_rank_test(std::span<const TimeToTarget> a, std::span<const TimeToTarget> b) {
  auto times = event_times(a);
  times.merge(event_times(b));
  double observed = 0, expected = 0, variance = 0;
  for (const double time : times) {
    const Risk in_a = risk_at(a, time), in_b = risk_at(b, time);
    const double n = in_a.at_risk + in_b.at_risk, d = in_a.reached + in_b.reached;
    observed += in_a.reached;
    expected += d * in_a.at_risk / n;
    if (n > 1) variance += d * (in_a.at_risk / n) * (in_b.at_risk / n) * (n - d) / (n - 1);
  }
  if (variance <= 0) return 1;
  const double statistic = (observed - expected) * (observed - expected) / variance;
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(1), statistic));
}

std::vector<double> performance_scores(const std::vector<std::vector<double>>& times, double tau_max) {
  if (times.empty() || times[0].empty()) throw std::logic_error("a performance profile of nothing");
  std::vector<double> scores(times.size(), 0.0);
  const std::size_t workloads = times[0].size();
  for (std::size_t w = 0; w < workloads; ++w) {
    double best = std::numeric_limits<double>::infinity();
    for (const auto& arm : times) best = std::min(best, arm.at(w));
    for (std::size_t arm = 0; arm < times.size(); ++arm) {
      const double ratio = times[arm][w] / best;  // NaN where nobody came: compares as false
      if (ratio <= tau_max) scores[arm] += (tau_max - ratio) / (tau_max - 1) / static_cast<double>(workloads);
    }
  }
  return scores;
}

}  // namespace pionbench::stats
