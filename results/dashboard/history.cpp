#include "results/dashboard/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "results/gate/gate.h"
#include "results/grid.h"
#include "results/stats/aggregate.h"

namespace pionbench::dashboard {
namespace {

struct Recorded {
  int sitting;
  const BenchmarkSeries* series;
};

using Key = std::pair<std::string, std::string>;  // fingerprint, series

std::map<Key, std::vector<Recorded>> index_of(const std::vector<Sitting>& sittings) {
  std::map<Key, std::vector<Recorded>> out;
  for (std::size_t i = 0; i < sittings.size(); ++i)
    for (const auto& series : sittings[i].series)
      if (!series.samples.empty())
        out[{sittings[i].fingerprint, series.name}].push_back({static_cast<int>(i), &series});
  return out;
}

/// Machine -> its last two sittings that have anything.
std::map<std::string, std::vector<const Sitting*>> last_two(const std::vector<Sitting>& sittings) {
  std::map<std::string, std::vector<const Sitting*>> out;
  for (const auto& sitting : sittings) {
    auto& last = out[sitting.fingerprint];
    if (last.size() == 2) last.erase(last.begin());
    last.push_back(&sitting);
  }
  return out;
}

bool has(const Sitting& sitting, const std::string& series) {
  return std::ranges::any_of(sitting.series, [&](const auto& s) { return s.name == series; });
}

HistoryPoint point_of(const Recorded& recorded) {
  const auto& samples = recorded.series->samples;
  const auto [low, high] = std::ranges::minmax(samples);
  return {recorded.sitting, stats::median(samples), low, high, recorded.series->standing, recorded.series->verdict};
}

void set_band(HistoryPoint& point, const std::vector<double>& past, const gate::Screen& screen, const MetricKind& kind,
              const gate::Options& options) {
  if (static_cast<int>(past.size()) < options.least_history) return;
  const auto n = std::min(past.size(), static_cast<std::size_t>(options.window));
  const double typical = stats::median({past.end() - static_cast<std::ptrdiff_t>(n), past.end()});
  const double width = kind.is_relative ? screen.threshold * std::abs(typical) : screen.threshold;
  point.band_low = typical - width;
  point.band_high = typical + width;
}

Standing standing_of(const HistoryPoint& newest, const gate::Screen& screen, const gate::Options& options) {
  const auto is = [&](gate::Verdict verdict) { return newest.verdict == gate::to_string(verdict); };
  if (is(gate::Verdict::kImproved)) return Standing::kImproved;
  if (newest.state == "accepted") return Standing::kAccepted;
  if (is(gate::Verdict::kRegressed)) return Standing::kRegressed;
  // "changed" without a verdict: written before verdicts were kept.
  if (is(gate::Verdict::kUnknown) || newest.state == "changed") return Standing::kUnknown;
  if (is(gate::Verdict::kPass)) return Standing::kPass;
  if (screen.history < options.least_history) return Standing::kNew;
  return screen.is_suspect ? Standing::kSuspect : Standing::kPass;
}

SeriesHistory history_of(const Key& key, const std::vector<Recorded>& recorded, const HistoryOptions& options) {
  const gate::Options rules;
  SeriesHistory out{.name = key.second, .unit = recorded.back().series->unit, .fingerprint = key.first};
  out.kind = metric_kind(out.name, options.kinds);
  std::vector<double> past;
  gate::Screen screen;
  for (const auto& one : recorded) {
    HistoryPoint point = point_of(one);
    screen = gate::screen(past, point.value, out.kind, rules);
    set_band(point, past, screen, out.kind, rules);
    // An accepted change begins a new history; a changed one is no part of any.
    if (point.state == "accepted") past.clear();
    if (point.state != "changed") past.push_back(point.value);
    out.points.push_back(std::move(point));
  }
  const auto& newest = out.points.back();
  out.standing = standing_of(newest, screen, rules);
  out.change = screen.change;
  out.direction = screen.history > 0 ? direction_of(screen.change, out.kind) : 0;
  out.why = !recorded.back().series->why.empty() ? recorded.back().series->why
            : out.standing == Standing::kNew
                ? "only " + counted(static_cast<std::size_t>(screen.history), "sitting") + " before it; judged from " +
                      std::to_string(rules.least_history) + " on"
                : screen.why;
  if (out.points.size() > options.most_points)
    out.points.erase(out.points.begin(), out.points.end() - static_cast<std::ptrdiff_t>(options.most_points));
  return out;
}

double in_floors(const SeriesHistory& s) {
  return s.kind.floor > 0 ? std::abs(s.change) / s.kind.floor : std::abs(s.change);
}

}  // namespace

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::kRegressed:
      return "REGRESSED";
    case Standing::kUnknown:
      return "UNKNOWN";
    case Standing::kMissing:
      return "MISSING";
    case Standing::kSuspect:
      return "SUSPECT";
    case Standing::kImproved:
      return "IMPROVED";
    case Standing::kAccepted:
      return "ACCEPTED";
    case Standing::kNew:
      return "NEW";
    case Standing::kPass:
      return "PASS";
  }
  return "";
}

std::vector<SeriesHistory> histories(const std::vector<Sitting>& sittings, const HistoryOptions& options) {
  const auto machines = last_two(sittings);
  std::vector<SeriesHistory> out;
  for (const auto& [key, recorded] : index_of(sittings)) {
    auto history = history_of(key, recorded, options);
    const auto& last = machines.at(key.first);
    // As the gate sees it: what is gone from one sitting to the next. Older losses were seen when they happened.
    if (last.size() == 2 && has(*last[0], key.second) && !has(*last[1], key.second)) {
      history.standing = Standing::kMissing;
      history.direction = 0;
      history.why = "in the machine's last sitting but one, not in its last";
    }
    out.push_back(std::move(history));
  }
  const auto urgency = [](const SeriesHistory& s) {
    // Of one standing, what is for the worse comes first.
    return std::tuple(s.standing, -s.direction, -in_floors(s));
  };
  std::ranges::stable_sort(out, [&](const auto& a, const auto& b) { return urgency(a) < urgency(b); });
  return out;
}

bool needs_a_look(Standing standing) {
  return standing <= Standing::kSuspect;
}

}  // namespace pionbench::dashboard
