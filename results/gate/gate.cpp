#include "results/gate/gate.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "core/error.h"
#include "results/grid.h"
#include "results/stats/aggregate.h"
#include "results/stats/bootstrap.h"
#include "results/stats/interval.h"
#include "results/stats/multiple.h"
#include "results/stats/proportion.h"
#include "results/stats/rank.h"

namespace pionbench::gate {
namespace {

// Bounds of the magnitudes, in floors (rustc-perf's scale).
constexpr std::array kMagnitudes = {1.0, 1.5, 3.0, 6.0, 12.0};

// Bootstrap replicates: the interval is for judging ±floor, not for print.
constexpr int kResamples = 2000;

// Of each side at each look of a replay: what `gate` measures by default.
constexpr int kReplayedSamples = 9;

const BenchmarkSeries* find(const Sitting& sitting, const std::string& series) {
  for (const auto& s : sitting.series)
    if (s.name == series) return &s;
  return nullptr;
}

struct Point {
  const Sitting* sitting;
  const BenchmarkSeries* series;
};

/// Series -> its points that count as history, oldest first; an accepted change begins a new one.
std::map<std::string, std::vector<Point>> index_of(const std::vector<Sitting>& sittings) {
  std::map<std::string, std::vector<Point>> out;
  for (const auto& sitting : sittings)
    for (const auto& series : sitting.series) {
      if (series.standing == "changed" || series.samples.empty()) continue;
      auto& points = out[series.name];
      if (series.standing == "accepted") points.clear();
      points.push_back({&sitting, &series});
    }
  return out;
}

std::vector<double> medians_of(const std::vector<Point>& points) {
  std::vector<double> out;
  for (const auto& point : points) out.push_back(stats::median(point.series->samples));
  return out;
}

int magnitude_of(double change, const MetricKind& kind) {
  const double floors = kind.floor > 0 ? std::abs(change) / kind.floor : std::numeric_limits<double>::infinity();
  return static_cast<int>(
      std::count_if(kMagnitudes.begin(), kMagnitudes.end(), [&](double bound) { return floors >= bound; }));
}

bool is_advisory(const std::string& series, const Options& options) {
  return std::any_of(options.advise.begin(), options.advise.end(), [&](const auto& p) { return fits(p, series); });
}

/// Suspects that another look can still decide.
bool is_open(const SeriesResult& s) {
  return s.screen.is_suspect && s.verdict == Verdict::kUnknown;
}

void append(std::vector<double>& to, const std::vector<double>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

/// Decides all open suspects on what was measured so far.
void look(std::vector<SeriesResult>& all, const Sitting& head, const Options& options) {
  std::vector<SeriesResult*> open;
  std::vector<double> p;
  for (auto& s : all) {
    if (!is_open(s) || s.samples.head.empty() || s.samples.baseline.empty()) continue;
    const stats::Random random("gate " + head.sitting + " " + s.name + " " + std::to_string(s.looks));
    s.decision = decide(s.samples, s.kind, options.alpha / options.looks, random);
    open.push_back(&s);
    p.push_back(s.decision->p);
  }
  // Series decided at an earlier look belong to the family, too.
  for (const auto& s : all)
    if (s.screen.is_suspect && s.decision && !is_open(s)) p.push_back(s.decision->p);
  const auto adjusted = stats::benjamini_hochberg(p);
  for (std::size_t i = 0; i < open.size(); ++i) {
    auto& decision = *open[i]->decision;
    decision.adjusted_p = adjusted[i];
    const bool is_change = decision.verdict == Verdict::kRegressed || decision.verdict == Verdict::kImproved;
    if (is_change && decision.adjusted_p > options.false_discovery) decision.verdict = Verdict::kUnknown;
    open[i]->verdict = decision.verdict;
  }
}

int severity(const SeriesResult& s) {
  constexpr std::array kOrder = {Verdict::kRegressed, Verdict::kUnknown, Verdict::kImproved, Verdict::kNew,
                                 Verdict::kPass};
  const auto place = std::find(kOrder.begin(), kOrder.end(), s.verdict) - kOrder.begin();
  return static_cast<int>(2 * place) + (s.is_blocking ? 0 : 1);
}

double shown_change(const SeriesResult& s) {
  return s.decision ? s.decision->change : s.screen.change;
}

/// Stage 2 with both sides drawn from one sitting at each look: true for a finding, which is false.
bool would_confirm(const std::vector<const std::vector<double>*>& sittings, const MetricKind& kind,
                   const Options& options, stats::Random random) {
  Samples same;
  for (int i = 0; i < options.looks; ++i) {
    const auto& pool = *sittings[random.below(static_cast<std::uint32_t>(sittings.size()))];
    for (int k = 0; k < kReplayedSamples; ++k)
      for (auto* side : {&same.head, &same.baseline})
        side->push_back(pool[random.below(static_cast<std::uint32_t>(pool.size()))]);
    const auto verdict = decide(same, kind, options.alpha / options.looks, random).verdict;
    if (verdict != Verdict::kUnknown) return verdict != Verdict::kPass;
  }
  return false;
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "PASS";
    case Verdict::kImproved:
      return "IMPROVED";
    case Verdict::kNew:
      return "NEW";
    case Verdict::kUnknown:
      return "UNKNOWN";
    case Verdict::kRegressed:
      return "REGRESSED";
  }
  return "";
}

std::vector<double> history_of(const std::vector<Sitting>& sittings, const std::string& series) {
  const auto index = index_of(sittings);
  const auto points = index.find(series);
  return points == index.end() ? std::vector<double>() : medians_of(points->second);
}

Screen screen(const std::vector<double>& history, double head, const MetricKind& kind, const Options& options) {
  const std::size_t n = std::min(history.size(), static_cast<std::size_t>(options.window));
  const std::vector<double> recent(history.end() - static_cast<std::ptrdiff_t>(n), history.end());
  Screen out{.history = static_cast<int>(n)};
  if (n == 0) {
    out.is_suspect = true;
    out.why = "no history";
    return out;
  }
  const double typical = stats::median(recent);
  out.change = change_of(typical, head, kind);
  // The spread in the terms of the change.
  const auto in_terms = [&](double width) {
    return kind.is_relative ? (typical == 0 ? 0.0 : width / std::abs(typical)) : width;
  };
  const double by_mad = options.mad_factor * stats::kMadToSd * in_terms(stats::median_absolute_deviation(recent));
  out.threshold = std::max(kind.floor, by_mad);
  out.is_suspect = std::abs(out.change) > out.threshold;
  if (static_cast<int>(n) >= options.t_from) {
    const boost::math::students_t t(static_cast<double>(n - 1));
    const double width =
        boost::math::quantile(t, options.t_quantile) * *sample_sd(recent) * std::sqrt(1 + 1 / static_cast<double>(n));
    // A constant history has no spread to speak of: there the floor alone decides.
    const double off = std::abs(change_of(mean(recent), head, kind));
    if (width > 0 && off > in_terms(width)) {
      out.threshold = std::min(out.threshold, in_terms(width));
      out.is_suspect = true;
    }
  }
  if (static_cast<int>(n) < options.least_history) out.is_suspect = true;
  out.why = change_text(out.change, kind) + " against the median of " + counted(n, "sitting") + ", threshold " +
            change_text(out.threshold, kind);
  if (static_cast<int>(n) < options.least_history) out.why += "; too few to judge by";
  return out;
}

Decision decide(const Samples& samples, const MetricKind& kind, double alpha, stats::Random random) {
  const auto test = stats::mann_whitney(samples.baseline, samples.head);
  Decision out{.p = test.p, .least_p = test.least_p, .has_enough = test.least_p <= alpha};
  const auto change = [&](const stats::Strata& base, const stats::Strata& head) {
    return change_of(stats::median(base[0]), stats::median(head[0]), kind);
  };
  const auto interval = stats::bootstrap({samples.baseline}, {samples.head}, change, random, {.resamples = kResamples});
  out.change = interval.estimate;
  out.low = interval.low;
  out.high = interval.high;
  const bool matters = std::abs(out.change) >= kind.floor && out.change != 0;
  if (out.p <= alpha && matters) {
    out.verdict = direction_of(out.change, kind) > 0 ? Verdict::kRegressed : Verdict::kImproved;
  } else if (samples.head == samples.baseline) {
    out.verdict = Verdict::kPass;  // the very same numbers, in order: deterministic, and unchanged
  } else if (out.has_enough && std::max(std::abs(out.low), std::abs(out.high)) <= kind.floor) {
    out.verdict = Verdict::kPass;
  } else if (out.has_enough) {
    // For the worse only: an improvement that cannot be told from none is no reason to hold a change back.
    const double worst = kind.better == Better::kHigher  ? -out.low
                         : kind.better == Better::kLower ? out.high
                                                         : std::max(std::abs(out.low), std::abs(out.high));
    out.verdict = worst <= kind.floor ? Verdict::kPass : Verdict::kUnknown;
  }
  return out;
}

Result run(const std::vector<Sitting>& history, const Sitting& head, const Remeasure& remeasure,
           const Options& options) {
  Result result;
  auto index = index_of(history);
  for (const auto& measured : head.series) {
    SeriesResult s{.name = measured.name, .unit = measured.unit};
    s.kind = metric_kind(measured.name, options.kinds);
    s.is_blocking = !is_advisory(measured.name, options);
    s.head = stats::median(measured.samples);
    const auto past = medians_of(index[measured.name]);
    if (!past.empty()) {
      const auto n = std::min(past.size(), static_cast<std::size_t>(options.window));
      s.typical = stats::median({past.end() - static_cast<std::ptrdiff_t>(n), past.end()});
    }
    s.screen = screen(past, s.head, s.kind, options);
    s.verdict = s.screen.is_suspect ? Verdict::kUnknown : Verdict::kPass;
    result.series.push_back(std::move(s));
  }
  // What was measured before and is gone now: a gate that loses a series silently guards nothing. Before: in the last
  // sitting that has anything of this one, since a folder may keep those of several programs; in the last where none
  // has.
  auto before = std::find_if(history.rbegin(), history.rend(), [&](const Sitting& past) {
    return std::ranges::any_of(past.series, [&](const auto& series) { return find(head, series.name) != nullptr; });
  });
  if (before == history.rend()) before = history.rbegin();
  if (before != history.rend())
    for (const auto& series : before->series)
      if (series.standing != "changed" && !find(head, series.name)) {
        SeriesResult s{.name = series.name, .unit = series.unit, .kind = metric_kind(series.name, options.kinds)};
        s.verdict = Verdict::kUnknown;
        s.is_blocking = !is_advisory(series.name, options);
        s.head = std::numeric_limits<double>::quiet_NaN();
        s.screen.why = "in the last sitting, not measured now";
        result.series.push_back(std::move(s));
      }

  for (int i = 0; remeasure && i < options.looks; ++i) {
    std::vector<std::string> open;
    for (const auto& s : result.series)
      if (is_open(s)) open.push_back(s.name);
    if (open.empty()) break;
    const auto more = remeasure(open);
    if (more.empty()) break;
    for (auto& s : result.series) {
      const auto it = more.find(s.name);
      if (it == more.end()) continue;
      append(s.samples.head, it->second.head);
      append(s.samples.baseline, it->second.baseline);
      ++s.looks;
    }
    look(result.series, head, options);
  }
  for (auto& s : result.series) {
    if (is_open(s) && s.screen.history == 0 && s.samples.baseline.empty()) s.verdict = Verdict::kNew;
    if (s.verdict == Verdict::kRegressed || s.verdict == Verdict::kImproved)
      s.magnitude = magnitude_of(s.decision->change, s.kind);
    if (s.is_blocking) result.verdict = std::max(result.verdict, s.verdict);
  }
  std::stable_sort(result.series.begin(), result.series.end(), [](const SeriesResult& a, const SeriesResult& b) {
    const double change_a = std::abs(shown_change(a)), change_b = std::abs(shown_change(b));
    return std::tuple(severity(a), -change_a, a.name) < std::tuple(severity(b), -change_b, b.name);
  });
  result.false_alarms = replay(history, options);
  return result;
}

FalseAlarms replay(const std::vector<Sitting>& history, const Options& options) {
  FalseAlarms out;
  for (const auto& [name, points] : index_of(history)) {
    const MetricKind kind = metric_kind(name, options.kinds);
    const auto medians = medians_of(points);
    std::vector<const std::vector<double>*> samples;
    for (std::size_t i = 0; i < points.size(); ++i) {
      samples.push_back(&points[i].series->samples);
      if (static_cast<int>(i) < options.least_history) continue;
      ++out.screened;
      const std::size_t from = i - std::min(i, static_cast<std::size_t>(options.window));
      const std::vector<double> before(medians.begin() + static_cast<std::ptrdiff_t>(from),
                                       medians.begin() + static_cast<std::ptrdiff_t>(i));
      if (!screen(before, medians[i], kind, options).is_suspect) continue;
      ++out.suspects;
      out.confirmed +=
          would_confirm(samples, kind, options, stats::Random("replay " + points[i].sitting->sitting + name));
    }
  }
  // One-sided 95 %: the upper end of a two-sided 90 % interval.
  if (out.screened > 0) out.upper = stats::wilson_interval({out.confirmed, out.screened}, 0.90).high;
  return out;
}

int exit_code(Verdict verdict) {
  if (verdict == Verdict::kRegressed) return kFailed;
  return verdict == Verdict::kUnknown ? kUndecided : kDone;
}

}  // namespace pionbench::gate
