#include "results/compare/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/error.h"
#include "results/grid.h"
#include "results/run_series.h"
#include "results/stats/interval.h"
#include "results/stats/permutation.h"

namespace pionbench::compare {
namespace {

using Point = std::map<std::string, std::string>;

// What makes times, and the last digits of everything, comparable.
constexpr std::array kHardware = {"cpu", "device", "gpu", "torch", "threads", "compiler"};

Point point_of(const CellEvidence& cell) {
  Point point = cell.cell.point;
  point["arm"] = cell.cell.arm;
  return point;
}

/// Coordinates that are constant on either side and differ between them: what the comparison is about.
std::set<std::string> compared_coordinates(const Side& a, const Side& b) {
  std::map<std::string, std::set<std::string>> values_a, values_b;
  for (const auto* cell : a.cells)
    for (const auto& [key, value] : point_of(*cell)) values_a[key].insert(value);
  for (const auto* cell : b.cells)
    for (const auto& [key, value] : point_of(*cell)) values_b[key].insert(value);
  std::set<std::string> out;
  for (const auto& [key, values] : values_a)
    if (values.size() == 1 && values_b[key].size() == 1 && values != values_b[key]) out.insert(key);
  return out;
}

std::string stratum_text(const Point& point) {
  std::string text;
  for (const auto& [key, value] : point) text += (text.empty() ? "" : ", ") + key + " " + value;
  return text.empty() ? "all runs" : text;
}

/// Stratum -> seed -> the run's metrics.
using Runs = std::map<std::string, std::map<std::string, std::map<std::string, double>>>;

Runs runs_of(const Side& side, const std::set<std::string>& compared) {
  Runs out;
  for (const auto* cell : side.cells) {
    Point point = point_of(*cell);
    const std::string seed = point.contains("seed") ? point["seed"] : "";
    point.erase("seed");
    for (const auto& key : compared) point.erase(key);
    auto& stratum = out[stratum_text(point)];
    if (stratum.contains(seed))
      throw UserError(side.label + " picks several runs for " + stratum_text(point) +
                      (seed.empty() ? "" : ", seed " + seed) + "; narrow it, e.g. 'arm=... & lr=...'");
    stratum[seed] = run_summary(*side.evidence->store, *cell->run);
  }
  return out;
}

/// One metric of the strata that both sides have it in.
struct Values {
  stats::Strata a, b, differences;
  bool is_paired = true;
};

Values values_of(const Runs& a, const Runs& b, const std::string& metric) {
  Values out;
  for (const auto& [stratum, seeds_a] : a) {
    const auto found = b.find(stratum);
    if (found == b.end()) continue;
    std::vector<double> values_a, values_b, differences;
    std::size_t pairs = 0;
    for (const auto& [seed, metrics] : seeds_a)
      if (const auto it = metrics.find(metric); it != metrics.end()) values_a.push_back(it->second);
    for (const auto& [seed, metrics] : found->second) {
      const auto it = metrics.find(metric);
      if (it == metrics.end()) continue;
      values_b.push_back(it->second);
      const auto twin = seeds_a.find(seed);
      if (twin == seeds_a.end() || !twin->second.contains(metric)) continue;
      ++pairs;
      differences.push_back(it->second - twin->second.at(metric));
    }
    if (values_a.empty() || values_b.empty()) continue;
    out.is_paired = out.is_paired && pairs == values_a.size() && pairs == values_b.size();
    out.a.push_back(std::move(values_a));
    out.b.push_back(std::move(values_b));
    out.differences.push_back(std::move(differences));
  }
  return out;
}

int count(const stats::Strata& strata) {
  std::size_t n = 0;
  for (const auto& stratum : strata) n += stratum.size();
  return static_cast<int>(n);
}

Row judge(const std::string& metric, const Values& values, const std::string& key, const Options& options) {
  Row row{.metric = metric, .kind = metric_kind(metric, options.kinds)};
  row.is_paired = values.is_paired;
  row.strata = static_cast<int>(values.a.size());
  row.runs_a = count(values.a);
  row.runs_b = count(values.b);
  row.mean_a = stats::stratified_mean(values.a);
  row.mean_b = stats::stratified_mean(values.b);
  row.margin = row.kind.is_relative ? row.kind.floor * std::abs(row.mean_a) : row.kind.floor;
  const stats::Random random(key + metric);
  row.effect =
      row.is_paired ? stats::paired_difference(values.differences) : stats::pooled_difference(values.b, values.a);
  const auto test = row.is_paired ? stats::paired_permutation_test(values.differences, random)
                                  : stats::permutation_test(values.b, values.a, random);
  row.interval = stats::t_interval(row.effect);
  row.p = test.p;
  row.least_p = test.least_p;
  row.detectable = stats::minimum_detectable_effect(row.effect, options.alpha);
  if (row.margin > 0) row.equivalence_p = stats::equivalence_test(row.effect, row.margin);

  // Counters that stand at 0 on both sides have a margin of 0, within which no test finds anything.
  const bool is_identical = row.effect.value == 0 && row.effect.sd == 0 && std::min(row.runs_a, row.runs_b) > 1;
  if (row.equivalence_p <= options.alpha || is_identical) {
    row.word = Word::kSame;
  } else if (row.p <= options.alpha) {
    row.word = row.kind.better == Better::kNeither            ? Word::kDifferent
               : direction_of(row.effect.value, row.kind) > 0 ? Word::kWorse
                                                              : Word::kBetter;
  } else {
    // Enough to find an effect of the size seen, or of the margin where that is more.
    const double effect = std::max(std::abs(row.effect.value), row.margin);
    const int now = std::min(row.runs_a, row.runs_b) / row.strata;
    if (effect > 0 && row.effect.df > 0)
      row.more =
          std::max(1, stats::runs_needed(effect, row.effect.sd, {row.strata, row.is_paired}, options.alpha) - now);
    else
      row.more = std::max(1, 3 - now);  // a spread must be seen before anything can be said
  }
  return row;
}

std::string word_text(const Row& row) {
  if (row.word == Word::kSame) return row.margin > 0 ? "SAME within " + significant(row.margin, 2) : "SAME";
  if (row.word == Word::kUnknown) return "UNKNOWN: need " + std::to_string(row.more) + " more";
  return to_string(row.word);
}

std::string joined(const std::set<std::string>& values) {
  return values.empty() ? "unknown" : join(std::vector<std::string>(values.begin(), values.end()), " and ");
}

/// Distinct hyperparameters among the finished cells that stand beside the side's own: the same arm, whatever the rate.
std::size_t configurations_tried(const Side& side) {
  std::set<std::string> arms, tried;
  for (const auto* cell : side.cells) arms.insert(cell->cell.arm);
  for (const auto& cell : side.evidence->cells)
    if (cell.is_finished() && arms.contains(cell.cell.arm)) {
      const Json config = side.evidence->store->config_of_cell(cell.cell.cell);
      if (config.is_object()) tried.insert(config.value("hyper", Json::object()).dump());
    }
  // Arms that one side lumps together count once each.
  return arms.empty() ? 0 : tried.size() / arms.size();
}

void require_no_shared_run(const Side& a, const Side& b) {
  for (const auto* cell : a.cells)
    if (std::find(b.cells.begin(), b.cells.end(), cell) != b.cells.end())
      throw UserError(a.label + " and " + b.label + " share run " + cell->run->run + "; narrow one of them");
}

}  // namespace

const char* to_string(Word word) {
  switch (word) {
    case Word::kBetter:
      return "BETTER";
    case Word::kWorse:
      return "WORSE";
    case Word::kDifferent:
      return "DIFFERENT";
    case Word::kSame:
      return "SAME";
    case Word::kUnknown:
      return "UNKNOWN";
  }
  return "";
}

std::vector<std::string> Objections::all() const {
  auto out = hardware;
  out.insert(out.end(), tuning.begin(), tuning.end());
  return out;
}

Side pick(const Evidence& evidence, const std::string& label, const Picks& picks) {
  Side side{label, &evidence, {}};
  for (const auto& cell : evidence.cells)
    if (cell.is_finished() && picks(evidence, cell)) side.cells.push_back(&cell);
  return side;
}

Objections objections(const Side& a, const Side& b) {
  require_no_shared_run(a, b);
  Objections out;
  const auto facts = [](const Side& side) {
    std::map<std::string, std::set<std::string>> found;
    for (const auto* cell : side.cells) {
      const auto environment = side.evidence->store->environment(cell->run->run);
      for (const char* name : kHardware)
        if (const auto it = environment.find(name); it != environment.end()) found[name].insert(it->second);
    }
    return found;
  };
  auto of_a = facts(a), of_b = facts(b);
  for (const char* name : kHardware)
    if (of_a[name] != of_b[name])
      out.hardware.push_back(std::string(name) + ": " + a.label + " on " + joined(of_a[name]) + ", " + b.label +
                             " on " + joined(of_b[name]));
  const std::size_t tried_a = configurations_tried(a), tried_b = configurations_tried(b);
  if (tried_a != tried_b)
    out.tuning.push_back("tuning: " + a.label + " is one of " + counted(tried_a, "configuration") + " tried, " +
                         b.label + " one of " + std::to_string(tried_b));
  return out;
}

Comparison run(const Side& a, const Side& b, const Options& options) {
  require_no_shared_run(a, b);
  const auto compared = compared_coordinates(a, b);
  const Runs runs_a = runs_of(a, compared), runs_b = runs_of(b, compared);
  Comparison out;
  std::set<std::string> metrics;
  std::size_t shared = 0;
  const auto note_missing = [&](const Runs& runs, const Runs& others, const std::string& label) {
    for (const auto& [stratum, seeds] : runs)
      if (!others.contains(stratum)) out.notes.push_back("only " + label + " has runs of: " + stratum);
  };
  note_missing(runs_a, runs_b, a.label);
  note_missing(runs_b, runs_a, b.label);
  for (const auto& [stratum, seeds] : runs_a) {
    if (!runs_b.contains(stratum)) continue;
    ++shared;
    for (const auto& [seed, values] : seeds)
      for (const auto& [metric, value] : values)
        if (options.metrics.empty() || std::any_of(options.metrics.begin(), options.metrics.end(),
                                                   [&](const auto& pattern) { return fits(pattern, metric); }))
          metrics.insert(metric);
  }
  if (shared == 0)
    throw UserError(a.label + " and " + b.label + " have no setting in common" +
                    (out.notes.empty() ? "" : ": " + join(out.notes, "; ")));
  const std::string key = "compare " + a.evidence->digest + b.evidence->digest + a.label + "|" + b.label;
  for (const auto& metric : metrics) {
    const auto values = values_of(runs_a, runs_b, metric);
    if (!values.a.empty()) out.rows.push_back(judge(metric, values, key, options));
  }
  if (out.rows.empty())
    throw UserError("no metric " + (options.metrics.empty() ? "" : "like " + join(options.metrics, ", ") + " ") +
                    "that both " + a.label + " and " + b.label + " have");
  return out;
}

Json to_json(const Comparison& comparison) {
  Json rows = Json::array();
  for (const auto& r : comparison.rows) {
    rows.push_back({{"metric", r.metric},
                    {"verdict", to_string(r.word)},
                    {"a", r.mean_a},
                    {"b", r.mean_b},
                    {"effect", r.effect.value},
                    {"interval", r.interval ? Json{r.interval->low, r.interval->high} : Json()},
                    {"p", r.p},
                    {"least_p", r.least_p},
                    {"equivalence_p", r.equivalence_p},
                    {"margin", r.margin},
                    {"mde", r.detectable ? Json(*r.detectable) : Json()},
                    {"n_a", r.runs_a},
                    {"n_b", r.runs_b},
                    {"strata", r.strata},
                    {"paired", r.is_paired},
                    {"more", r.more}});
  }
  return {{"rows", rows}, {"notes", comparison.notes}};
}

std::string to_plain(const Comparison& comparison, const Side& a, const Side& b) {
  Grid grid{{"Metric", a.label, b.label, "Difference [95 %]", "p", "n", "MDE", "Verdict"}, {}};
  const auto number = [](double x) { return significant(x, 3); };
  bool any_approximate = false;
  for (const auto& r : comparison.rows) {
    std::string effect = (r.effect.value > 0 ? "+" : "") + number(r.effect.value);
    if (r.interval) effect += " [" + number(r.interval->low) + ", " + number(r.interval->high) + "]";
    const bool is_approximate = std::min(r.runs_a, r.runs_b) / r.strata < kFewSeeds;
    any_approximate = any_approximate || is_approximate;
    if (is_approximate && r.interval) effect += " ≈";
    const std::string n =
        r.is_paired ? std::to_string(r.runs_a) + " pairs" : std::to_string(r.runs_a) + " + " + std::to_string(r.runs_b);
    grid.rows.push_back({r.metric, number(r.mean_a), number(r.mean_b), effect, number(r.p), n,
                         r.detectable ? number(*r.detectable) : "–", word_text(r)});
  }
  std::string out = b.label + " against " + a.label + "\n\n" + pionbench::to_plain(grid) + "\n";
  for (const auto& note : comparison.notes) out += "note: " + note + "\n";
  if (any_approximate)
    out += "≈ fewer than " + std::to_string(kFewSeeds) +
           " seeds: the interval is approximate; the permutation test decides.\n";
  out += "n counts runs over " + counted(static_cast<std::size_t>(comparison.rows.front().strata), "setting") +
         "; MDE: the least effect found with 80 % power.\n";
  return out;
}

}  // namespace pionbench::compare
