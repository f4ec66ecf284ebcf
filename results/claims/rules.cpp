#include "results/claims/rules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "results/grid.h"
#include "results/stats/interval.h"
#include "results/stats/multiple.h"
#include "results/stats/permutation.h"

namespace pionbench::claims {
namespace {

bool equals(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  return a == b;
}

std::string stratum_of(const CellEvidence& cell, const std::vector<std::string>& folded) {
  std::string text;
  for (const auto& [key, value] : cell.cell.point)
    if (key != "seed" && std::find(folded.begin(), folded.end(), key) == folded.end())
      text += (text.empty() ? "" : ", ") + key + " " + value;
  return text;
}

/// Two groups laid side by side.
struct Pairing {
  std::vector<std::string> strata;
  stats::Strata a, b, differences;
  bool is_paired = true;
  std::size_t left_out = 0;  ///< strata of one group alone

  int n() const {
    std::size_t of_a = 0, of_b = 0;
    for (const auto& stratum : a) of_a += stratum.size();
    for (const auto& stratum : b) of_b += stratum.size();
    return static_cast<int>(std::min(of_a, of_b));
  }
  stats::Estimate effect() const {
    return is_paired ? stats::paired_difference(differences) : stats::pooled_difference(a, b);
  }
  stats::PermutationTest test(const std::string& key) const {
    const stats::Random random(key);
    return is_paired ? stats::paired_permutation_test(differences, random) : stats::permutation_test(a, b, random);
  }
};

Pairing lay_side_by_side(const Group& a, const Group& b) {
  Pairing out;
  for (const auto& [stratum, seeds_a] : a.values) {
    const auto found = b.values.find(stratum);
    if (found == b.values.end() || seeds_a.empty() || found->second.empty()) {
      ++out.left_out;
      continue;
    }
    std::vector<double> values_a, values_b, differences;
    for (const auto& [seed, value] : seeds_a) {
      values_a.push_back(value);
      if (const auto twin = found->second.find(seed); twin != found->second.end())
        differences.push_back(value - twin->second);
    }
    for (const auto& [seed, value] : found->second) values_b.push_back(value);
    out.is_paired = out.is_paired && differences.size() == values_a.size() && differences.size() == values_b.size();
    out.strata.push_back(stratum);
    out.a.push_back(std::move(values_a));
    out.b.push_back(std::move(values_b));
    out.differences.push_back(std::move(differences));
  }
  for (const auto& [stratum, seeds] : b.values) out.left_out += !a.values.contains(stratum);
  return out;
}

void add_sources(Finding& finding, const Group& group) {
  for (const auto& run : group.runs)
    if (std::find(finding.runs.begin(), finding.runs.end(), run) == finding.runs.end()) finding.runs.push_back(run);
  if (!group.evidence) return;
  finding.experiment = group.evidence->experiment.name;
  finding.scale = group.evidence->experiment.scale;
}

/// NOT RUN with its reason when a group has nothing to judge.
std::optional<Finding> missing(const Group& group) {
  if (!group.values.empty()) return std::nullopt;
  const std::string where = group.evidence ? " in " + group.evidence->experiment.name : "";
  Finding finding =
      not_run(group.planned ? "no finished run of " + group.label + where : "no arm like " + group.label + where);
  add_sources(finding, group);
  return finding;
}

struct Contrast {
  Pairing pairing;
  stats::Estimate effect;
  stats::PermutationTest test;
  Finding finding;  ///< all but verdict and why
};

Contrast contrast(const Group& a, const Group& b) {
  Contrast out{.pairing = lay_side_by_side(a, b)};
  add_sources(out.finding, a);
  add_sources(out.finding, b);
  if (out.pairing.a.empty()) return out;
  out.effect = out.pairing.effect();
  out.test = out.pairing.test("claim " + a.evidence->digest + a.label + "|" + b.label);
  out.finding.n = out.pairing.n();
  out.finding.interval = stats::t_interval(out.effect);
  out.finding.detectable = stats::minimum_detectable_effect(out.effect, kAlpha);
  out.finding.ours = a.label + " − " + b.label + ": " + effect_text(out.effect.value, out.finding.interval);
  out.finding.why = "permutation p " + significant(out.test.p, 2) + (out.pairing.is_paired ? ", paired by seed" : "");
  if (out.test.least_p > kAlpha) out.finding.why += "; so few runs cannot reach " + significant(kAlpha, 1);
  if (out.pairing.left_out)
    out.finding.why += "; " + counted(out.pairing.left_out, "setting") + " left out, only one side ran";
  return out;
}

/// A stratum in which the mean difference is below 0 beyond chance.
std::optional<std::string> contradicting_stratum(const Contrast& c) {
  if (c.effect.df <= 0) return std::nullopt;
  const auto& p = c.pairing;
  std::vector<double> ps;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < p.a.size(); ++i) {
    stats::Estimate own{.value = mean(p.a[i]) - mean(p.b[i]), .df = c.effect.df, .sd = c.effect.sd};
    const double size_a = static_cast<double>(p.a[i].size()), size_b = static_cast<double>(p.b[i].size());
    own.standard_error = c.effect.sd * std::sqrt(p.is_paired ? 1 / size_a : 1 / size_a + 1 / size_b);
    // One-sided: only a deficit contradicts.
    const double two_sided = stats::t_test(own);
    ps.push_back(own.value < 0 ? two_sided / 2 : 1 - two_sided / 2);
    names.push_back(p.strata[i]);
  }
  const auto adjusted = stats::benjamini_hochberg(ps);
  const auto least = std::min_element(adjusted.begin(), adjusted.end());
  if (*least > kAlpha) return std::nullopt;
  return names[static_cast<std::size_t>(least - adjusted.begin())];
}

double least_stratum_mean(const Contrast& c) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < c.pairing.a.size(); ++i)
    least = std::min(least, mean(c.pairing.a[i]) - mean(c.pairing.b[i]));
  return least;
}

}  // namespace

Arm by_name(const std::string& arm) {
  return {arm, [arm](const CellEvidence& cell, const Json&) { return cell.cell.arm == arm; }};
}

Arm by_config(const std::string& label, const std::string& optimizer, const Json& hyper) {
  return {label, [optimizer, hyper](const CellEvidence&, const Json& config) {
            if (!config.is_object() || config.value("optimizer", "") != optimizer) return false;
            const Json own = config.value("hyper", Json::object());
            for (const auto& [key, value] : hyper.items())
              if (!own.contains(key) || !equals(own[key], value)) return false;
            return true;
          }};
}

Measure final_value(const std::string& metric) {
  return [metric](const Evidence& evidence, const CellEvidence& cell) -> std::optional<double> {
    if (cell.is_diverged()) return 0;
    const auto points = evidence.store->series(cell.run->run, metric);
    return points.empty() ? std::nullopt : std::optional(points.back().value);
  };
}

Measure first_value(const std::string& metric) {
  return value_at(metric, 0);
}

Measure value_at(const std::string& metric, std::int64_t step) {
  return [metric, step](const Evidence& evidence, const CellEvidence& cell) -> std::optional<double> {
    for (const auto& point : evidence.store->series(cell.run->run, metric))
      if (point.step == step) return point.value;
    return cell.is_diverged() ? std::optional(0.0) : std::nullopt;
  };
}

Measure steps_to(const std::string& metric, const Measure& target) {
  return [metric, target](const Evidence& evidence, const CellEvidence& cell) -> std::optional<double> {
    const auto goal = target(evidence, cell);
    const auto points = evidence.store->series(cell.run->run, metric);
    if (!goal || points.empty()) return std::nullopt;
    for (const auto& point : points)
      if (point.value >= *goal) return static_cast<double>(point.step);
    return static_cast<double>(std::max(points.back().step, cell.run->steps)) + 1;
  };
}

int Group::size() const {
  std::size_t n = 0;
  for (const auto& [stratum, seeds] : values) n += seeds.size();
  return static_cast<int>(n);
}

Group collect(const Evidence& evidence, const Arm& arm, const Measure& measure,
              const std::vector<std::string>& folded) {
  Group out{.label = arm.label, .evidence = &evidence};
  for (const auto& cell : evidence.cells) {
    if (!arm.keeps(cell, evidence.store->config_of_cell(cell.cell.cell))) continue;
    ++out.planned;
    if (!cell.is_finished()) continue;
    const auto value = measure(evidence, cell);
    if (!value) continue;
    const std::string seed = cell.coordinate("seed");
    auto& seeds = out.values[stratum_of(cell, folded)];
    if (!seeds.emplace(seed, *value).second)
      throw UserError("several runs of " + arm.label + " in " + evidence.experiment.name +
                      " for one seed of one setting");
    out.runs.push_back(cell.run->run);
  }
  return out;
}

Finding superior(const Group& a, const Group& b, double margin, Where where) {
  for (const auto* group : {&a, &b})
    if (auto finding = missing(*group)) return *finding;
  auto c = contrast(a, b);
  if (c.pairing.a.empty()) {
    c.finding.why = a.label + " and " + b.label + " have no setting in common";
    return c.finding;
  }
  const auto upper = stats::t_interval(c.effect, 1 - 2 * kAlpha);
  const auto contradiction = where == Where::kEverywhere ? contradicting_stratum(c) : std::nullopt;
  auto& finding = c.finding;
  if (c.test.p <= kAlpha && c.effect.value < 0) {
    finding.verdict = Verdict::kDiffers;
  } else if (contradiction) {
    finding.verdict = Verdict::kDiffers;
    finding.why += "; the other way round at " + *contradiction;
  } else if (upper && upper->high < margin) {
    finding.verdict = Verdict::kDiffers;
    finding.why += "; a lead of " + significant(margin, 2) + " is ruled out";
  } else if (c.test.p <= kAlpha && (where == Where::kOverall || least_stratum_mean(c) > 0)) {
    finding.verdict = Verdict::kReproduced;
  } else {
    finding.verdict = Verdict::kUnderpowered;
    if (where == Where::kEverywhere && c.test.p <= kAlpha) finding.why += "; ahead overall, not in every setting";
  }
  return finding;
}

Finding not_inferior(const Group& a, const Group& b, double margin, Where where) {
  for (const auto* group : {&a, &b})
    if (auto finding = missing(*group)) return *finding;
  auto c = contrast(a, b);
  if (c.pairing.a.empty()) {
    c.finding.why = a.label + " and " + b.label + " have no setting in common";
    return c.finding;
  }
  const auto lower = stats::t_interval(c.effect, 1 - 2 * kAlpha);
  const auto contradiction = where == Where::kEverywhere ? contradicting_stratum(c) : std::nullopt;
  const bool is_shown = (c.test.p <= kAlpha && c.effect.value > 0) || (lower && lower->low > -margin);
  auto& finding = c.finding;
  if (c.test.p <= kAlpha && c.effect.value < 0 && !(lower && lower->low > -margin)) {
    finding.verdict = Verdict::kDiffers;
  } else if (contradiction) {
    finding.verdict = Verdict::kDiffers;
    finding.why += "; the other way round at " + *contradiction;
  } else if (is_shown && (where == Where::kOverall || least_stratum_mean(c) > -margin)) {
    finding.verdict = Verdict::kReproduced;
  } else {
    finding.verdict = Verdict::kUnderpowered;
  }
  return finding;
}

Finding below(const Group& group, double bound) {
  if (auto finding = missing(group)) return *finding;
  Finding finding;
  add_sources(finding, group);
  stats::Strata strata;
  for (const auto& [stratum, seeds] : group.values) {
    auto& values = strata.emplace_back();
    for (const auto& [seed, value] : seeds) values.push_back(value);
  }
  const auto pooled = stats::pooled_mean(strata);
  finding.n = group.size();
  finding.interval = stats::t_interval(pooled);
  finding.ours = group.label + ": " + significant(pooled.value, 3) +
                 (finding.interval ? " [" + significant(finding.interval->low, 3) + ", " +
                                         significant(finding.interval->high, 3) + "]"
                                   : "");
  finding.detectable = stats::minimum_detectable_effect(pooled, kAlpha);
  double highest = -std::numeric_limits<double>::infinity(), surest = highest;
  for (const auto& values : strata) {
    stats::Estimate own{.value = mean(values), .df = pooled.df, .sd = pooled.sd};
    own.standard_error = pooled.sd / std::sqrt(static_cast<double>(values.size()));
    const auto interval = stats::t_interval(own);
    highest = std::max(highest, interval ? interval->high : std::numeric_limits<double>::infinity());
    surest = std::max(surest, interval ? interval->low : -std::numeric_limits<double>::infinity());
  }
  finding.why =
      "95 % bounds of the settings end at " + significant(highest, 3) + ", to be below " + significant(bound, 2);
  finding.verdict = surest > bound    ? Verdict::kDiffers
                    : highest < bound ? Verdict::kReproduced
                                      : Verdict::kUnderpowered;
  return finding;
}

Finding superior_at_every_step(const Evidence& evidence, const Arm& a, const Arm& b, const std::string& metric) {
  const auto reported = [&](const Arm& arm) {
    std::set<std::int64_t> steps;
    for (const auto& cell : evidence.cells)
      if (cell.is_finished() && arm.keeps(cell, evidence.store->config_of_cell(cell.cell.cell)))
        for (const auto& point : evidence.store->series(cell.run->run, metric)) steps.insert(point.step);
    return steps;
  };
  std::set<std::int64_t> steps;
  const auto of_a = reported(a), of_b = reported(b);
  std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::inserter(steps, steps.end()));
  if (steps.empty()) {
    Finding finding = not_run("no step of " + evidence.experiment.name + " at which both " + a.label + " and " +
                              b.label + " report " + metric);
    finding.experiment = evidence.experiment.name;
    finding.scale = evidence.experiment.scale;
    return finding;
  }
  Group least_a{.label = a.label + ", step by step", .evidence = &evidence},
      zero{.label = b.label, .evidence = &evidence};
  std::vector<double> ps;
  std::vector<std::int64_t> at;
  std::size_t behind = 0;
  for (const auto step : steps) {
    const auto now_a = collect(evidence, a, value_at(metric, step)),
               now_b = collect(evidence, b, value_at(metric, step));
    least_a.runs = now_a.runs;
    zero.runs = now_b.runs;
    const auto pairing = lay_side_by_side(now_a, now_b);
    if (pairing.a.empty()) continue;
    const auto effect = pairing.effect();
    const double two_sided = stats::t_test(effect);
    ps.push_back(effect.value < 0 ? two_sided / 2 : 1 - two_sided / 2);
    at.push_back(step);
    behind += effect.value <= 0;
    for (const auto& [stratum, seeds] : now_a.values) {
      const auto other = now_b.values.find(stratum);
      if (other == now_b.values.end()) continue;
      for (const auto& [seed, value] : seeds) {
        const auto twin = other->second.find(seed);
        if (twin == other->second.end()) continue;
        const auto [it, is_new] = least_a.values[stratum].emplace(seed, value - twin->second);
        if (!is_new) it->second = std::min(it->second, value - twin->second);
        zero.values[stratum][seed] = 0;
      }
    }
  }
  Finding finding = superior(least_a, zero, 0);
  if (finding.verdict == Verdict::kNotRun) {
    finding.why = a.label + " and " + b.label + " share no seed";
    return finding;
  }
  finding.ours = "least of " + a.label + " − " + b.label + " over " + counted(at.size(), "step") + ": " +
                 finding.ours.substr(finding.ours.find(": ") + 2) + "; ahead in the mean at " +
                 std::to_string(at.size() - behind) + " of " + std::to_string(at.size());
  const auto adjusted = stats::benjamini_hochberg(ps);
  const auto worst = std::min_element(adjusted.begin(), adjusted.end());
  const bool is_behind = *worst <= kAlpha;
  if (finding.verdict != Verdict::kReproduced) {
    // The least over steps is below zero by chance alone; that contradicts nothing.
    finding.verdict = is_behind ? Verdict::kDiffers : Verdict::kUnderpowered;
    if (is_behind)
      finding.why += "; behind at step " + std::to_string(at[static_cast<std::size_t>(worst - adjusted.begin())]);
  }
  return finding;
}

Finding all_of(const std::vector<Finding>& findings) {
  constexpr std::array kOrder = {Verdict::kDiffers, Verdict::kNotRun, Verdict::kUnderpowered, Verdict::kReproduced};
  const auto rank = [&](Verdict v) { return std::find(kOrder.begin(), kOrder.end(), v) - kOrder.begin(); };
  Finding out = findings.front();
  std::vector<std::string> ours, why;
  out.runs.clear();
  for (const auto& finding : findings) {
    if (rank(finding.verdict) < rank(out.verdict)) {
      out.verdict = finding.verdict;
      out.interval = finding.interval;
      out.detectable = finding.detectable;
      out.n = finding.n;
    }
    if (!finding.ours.empty()) ours.push_back(finding.ours);
    if (!finding.why.empty() && std::find(why.begin(), why.end(), finding.why) == why.end()) why.push_back(finding.why);
    for (const auto& run : finding.runs)
      if (std::find(out.runs.begin(), out.runs.end(), run) == out.runs.end()) out.runs.push_back(run);
    if (out.experiment.empty()) {
      out.experiment = finding.experiment;
      out.scale = finding.scale;
    }
  }
  out.ours = join(ours, "; ");
  out.why = join(why, "; ");
  return out;
}

Finding not_run(const std::string& why) {
  return {.why = why};
}

Finding no_experiment(std::span<const char* const> names) {
  std::vector<std::string> list(names.begin(), names.end());
  return not_run("no experiment " + join(list, " or ") + " in this store");
}

Finding computed(const Evidence& evidence, const CellEvidence& cell, bool holds, const std::string& ours,
                 const std::string& why) {
  return {.verdict = holds ? Verdict::kReproduced : Verdict::kDiffers,
          .ours = ours,
          .why = why,
          .runs = {cell.run->run},
          .experiment = evidence.experiment.name,
          .scale = evidence.experiment.scale};
}

std::string effect_text(double value, const std::optional<stats::Bounds>& interval) {
  std::string text = (value > 0 ? "+" : "") + significant(value, 3);
  if (interval) text += " [" + significant(interval->low, 3) + ", " + significant(interval->high, 3) + "]";
  return text;
}

}  // namespace pionbench::claims
