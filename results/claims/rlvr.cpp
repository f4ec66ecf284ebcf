/// C11 to C16 and C21 to C25: reinforcement learning with verifiable rewards.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "results/claims/rules.h"
#include "results/grid.h"
#include "results/heads.h"
#include "results/learning.h"
#include "results/stats/interval.h"

namespace pionbench::claims {
namespace {

constexpr double kNearZero = 0.05;
// What the paper calls "within noise" of the start.
constexpr double kStandstill = 0.05;
constexpr const char* kSnr = "grad_snr";

constexpr std::array kSmallPanel = {"fig4b", "fig2b"};
constexpr std::array kEightPanels = {"fig6"};

Arm adamw() {
  return by_config("AdamW", "adamw");
}
Arm released_muon(const char* heads) {
  return by_config(std::string("Muon at the released scale, ") + heads, "muon",
                   {{"update_scale", 5.0}, {"heads", heads}});
}
Arm pion(const char* heads) {
  return by_config(std::string("Pion, ") + heads, "pion", {{"heads", heads}, {"k_p", 0}});
}

/// The first of the experiments in which every arm has cells; else the first that there is.
const Evidence* with_arms(const Board& board, std::span<const char* const> names, const std::vector<Arm>& arms) {
  for (const char* name : names) {
    const auto* evidence = board.find(name);
    if (!evidence) continue;
    bool has_all = true;
    for (const auto& arm : arms) has_all = has_all && collect(*evidence, arm, final_value(kSampledFinal)).planned > 0;
    if (has_all) return evidence;
  }
  return board.find_any(names);
}

/// The curve's value at its n-th evaluation after the start.
Measure evaluation_number(std::size_t n) {
  return [n](const Evidence& evidence, const CellEvidence& cell) -> std::optional<double> {
    const auto points = evidence.store->series(cell.run->run, kSampledCurve);
    if (points.size() > n) return points[n].value;
    return cell.is_diverged() ? std::optional(0.0) : std::nullopt;
  };
}

/// How the mean curve goes: its peak, and the evaluation from which it stays below the start.
std::string course_of(const Evidence& evidence, const Arm& arm) {
  std::map<std::int64_t, std::vector<double>> by_step;
  for (const auto& curve : seed_curves(evidence, kSampledCurve))
    if (arm.keeps(*curve.cell, evidence.store->config_of_cell(curve.cell->cell.cell)))
      for (const auto& point : curve.points) by_step[point.step].push_back(point.value);
  if (by_step.size() < 2) return "";
  const double start = mean(by_step.begin()->second);
  double peak = start;
  std::int64_t peak_step = 0;
  std::size_t below_from = 0, index = 0;
  for (const auto& [step, values] : by_step) {
    const double value = mean(values);
    if (value > peak) {
      peak = value;
      peak_step = step;
    }
    if (value >= start) below_from = index + 1;
    ++index;
  }
  std::string text = peak_step > 0 ? "rises from " + significant(start, 3) + " to " + significant(peak, 3) +
                                         " at step " + std::to_string(peak_step) + " first; "
                                   : "";
  if (below_from >= by_step.size()) return text + "above its start at the last evaluation";
  return text + "below its start from evaluation " + std::to_string(below_from) + " of " +
         std::to_string(by_step.size() - 1) + " on";
}

Finding snr_order(const Board& board, std::span<const char* const> names, const Arm& higher, const Arm& lower) {
  const auto* evidence = board.find_any(names);
  return evidence ? superior_at_every_step(*evidence, higher, lower, kSnr) : no_experiment(names);
}

/// log10 of the mean over layers of the update's variance over heads.
Measure log_update_variance(double offset) {
  return [offset](const Evidence& evidence, const CellEvidence& cell) -> std::optional<double> {
    double sum = 0;
    const auto variances = query_head_variances(*evidence.store, cell.run->run, "update_norm");
    if (variances.empty()) return std::nullopt;
    for (const auto& [parameter, variance] : variances) sum += variance;
    // A variance of exactly 0 would be an infinite lead; 1e-30 is below any that float32 updates have.
    return std::log10(std::max(sum / static_cast<double>(variances.size()), 1e-30)) + offset;
  };
}

/// Variance of the initial norms over heads: above 0 in all layers of all runs?
Finding initial_heads_differ(const Evidence& evidence) {
  for (const auto& cell : evidence.cells) {
    if (!cell.is_finished()) continue;
    const auto variances = query_head_variances(*evidence.store, cell.run->run, "initial_weight_norm");
    if (variances.empty()) continue;
    double least = 1e300;
    for (const auto& [parameter, variance] : variances) least = std::min(least, variance);
    return computed(evidence, cell, least > 0, "least variance of initial norms over heads: " + significant(least, 3),
                    counted(variances.size(), "layer"));
  }
  Finding finding = not_run("no run reports initial_weight_norm of its query heads");
  finding.experiment = evidence.experiment.name;
  finding.scale = evidence.experiment.scale;
  return finding;
}

}  // namespace

Finding judge_c11(const Board& board) {
  constexpr std::array kNames = {"fig2a"};
  return snr_order(board, kNames, by_name("SFT"), by_name("GRPO"));
}

Finding judge_c12(const Board& board) {
  const Arm muon = released_muon("whole");
  const auto* evidence = with_arms(board, kSmallPanel, {muon});
  if (!evidence) return no_experiment(kSmallPanel);
  auto start = collect(*evidence, muon, first_value(kSampledCurve)),
       early = collect(*evidence, muon, evaluation_number(3));
  start.label += " at the start";
  early.label = "at the third evaluation";
  auto finding =
      all_of({superior(start, early), below(collect(*evidence, muon, final_value(kSampledFinal)), kNearZero)});
  // "Within a few evaluations" is read as three, which was fixed before there were data; a later fall is told, not
  // counted.
  if (const auto course = course_of(*evidence, muon); !course.empty() && finding.verdict != Verdict::kNotRun)
    finding.ours += "; " + course;
  return finding;
}

Finding judge_c13(const Board& board) {
  const auto* evidence = with_arms(board, kSmallPanel, {adamw()});
  if (!evidence) return no_experiment(kSmallPanel);
  auto end = collect(*evidence, adamw(), final_value(kSampledFinal));
  auto start = collect(*evidence, adamw(), first_value(kSampledFinal));
  end.label += " at the end";
  start.label = "at the start";
  return superior(end, start);
}

Finding judge_c14(const Board& board) {
  const Arm muon = released_muon("per-head");
  const auto* evidence = with_arms(board, kSmallPanel, {muon});
  if (!evidence) return no_experiment(kSmallPanel);
  auto start = collect(*evidence, muon, first_value(kSampledFinal)),
       end = collect(*evidence, muon, final_value(kSampledFinal));
  const auto near_zero = below(end, kNearZero);
  start.label += " at the start";
  end.label = "at the end";
  return all_of({superior(start, end), near_zero});
}

Finding judge_c15(const Board& board) {
  const auto whole = pion("whole"), heads = pion("per-head");
  const auto* evidence = with_arms(board, kSmallPanel, {adamw(), whole, heads});
  if (!evidence) return no_experiment(kSmallPanel);
  const auto value = final_value(kSampledFinal);
  const auto base = collect(*evidence, adamw(), value);
  return all_of({superior(base, collect(*evidence, whole, value)), superior(collect(*evidence, heads, value), base)});
}

Finding judge_c16(const Board& board) {
  constexpr std::array kNames = {"fig4a", "fig4b", "fig2b"};
  const auto whole = pion("whole"), heads = pion("per-head");
  const auto* evidence = with_arms(board, kNames, {whole, heads});
  if (!evidence) return no_experiment(kNames);
  auto many = collect(*evidence, heads, log_update_variance(0)),
       few = collect(*evidence, whole, log_update_variance(1));
  many.label = "log10 of the update's variance over heads, per-head";
  few.label = "10 times whole";
  return all_of({initial_heads_differ(*evidence), superior(many, few, 0)});
}

Finding judge_c21(const Board& board) {
  const auto* evidence = board.find_any(kEightPanels);
  return evidence ? below(collect(*evidence, by_name("Muon"), final_value(kSampledFinal)), kNearZero)
                  : no_experiment(kEightPanels);
}

Finding judge_c22(const Board& board) {
  const auto* evidence = board.find_any(kEightPanels);
  if (!evidence) return no_experiment(kEightPanels);
  const Arm a = by_name("Pion"), b = by_name("AdamW");
  const auto value = final_value(kSampledFinal);
  // What AdamW's run with the same seed in the same setting ended with, on the split that curves are drawn on.
  std::map<std::string, double> goals;
  const auto key = [](const CellEvidence& cell) { return Json(cell.cell.point).dump(); };
  for (const auto& cell : evidence->cells)
    if (cell.is_finished() && cell.cell.arm == "AdamW")
      if (const auto end = final_value(kSampledCurve)(*evidence, cell)) goals[key(cell)] = *end;
  const Measure goal = [&](const Evidence&, const CellEvidence& cell) -> std::optional<double> {
    const auto it = goals.find(key(cell));
    return it == goals.end() ? std::nullopt : std::optional(it->second);
  };
  auto slow = collect(*evidence, b, steps_to(kSampledCurve, goal)),
       fast = collect(*evidence, a, steps_to(kSampledCurve, goal));
  slow.label = "steps to AdamW's end, AdamW";
  return all_of({not_inferior(collect(*evidence, a, value), collect(*evidence, b, value), kMargin, Where::kEverywhere),
                 superior(slow, fast, 0, Where::kEverywhere)});
}

Finding judge_c23(const Board& board) {
  constexpr std::array kNames = {"fig7"};
  return snr_order(board, kNames, by_name("Pion"), by_name("AdamW"));
}

Finding judge_c24(const Board& board) {
  constexpr std::array kNames = {"fig8", "fig8b"};
  const auto* evidence = board.find_any(kNames);
  if (!evidence) return no_experiment(kNames);
  // The mean over the course against the start: a gain that is lost again would not pass as standing still.
  const Measure drift = [](const Evidence& e, const CellEvidence& cell) -> std::optional<double> {
    const auto points = e.store->series(cell.run->run, kSampledCurve);
    if (points.size() < 2) return std::nullopt;
    double sum = 0;
    for (std::size_t i = 1; i < points.size(); ++i) sum += points[i].value - points[0].value;
    return sum / static_cast<double>(points.size() - 1);
  };
  const auto group = collect(*evidence, by_name("LPMuon"), drift);
  Finding finding = below(group, kStandstill);  // for its texts, or NOT RUN
  if (finding.verdict == Verdict::kNotRun) return finding;
  stats::Strata strata;
  for (const auto& [stratum, seeds] : group.values) {
    auto& values = strata.emplace_back();
    for (const auto& [seed, x] : seeds) values.push_back(x);
  }
  const auto estimate = stats::pooled_mean(strata);
  const double p = stats::equivalence_test(estimate, kStandstill);
  finding.ours = "LPMuon's mean over the course − start: " + effect_text(estimate.value, finding.interval);
  finding.why = "TOST within " + significant(kStandstill, 2) + ": p " + significant(p, 2);
  const bool is_outside =
      finding.interval && (finding.interval->low > kStandstill || finding.interval->high < -kStandstill);
  finding.verdict = p <= kAlpha ? Verdict::kReproduced : is_outside ? Verdict::kDiffers : Verdict::kUnderpowered;
  return finding;
}

Finding judge_c25(const Board& board) {
  constexpr std::array kNames = {"kp", "sweep-kp"};
  const auto* evidence = board.find_any(kNames);
  if (!evidence) return no_experiment(kNames);
  const auto best_of = [&](int from, int to) {
    Group best;
    double best_mean = -1e300;
    for (int k = from; k <= to; ++k) {
      const auto arm = by_config("k_p " + std::to_string(k), "pion", {{"k_p", k}});
      auto group = collect(*evidence, arm, final_value(kSampledFinal), {"k_p"});
      double sum = 0;
      for (const auto& [stratum, seeds] : group.values)
        for (const auto& [seed, value] : seeds) sum += value;
      const double own = group.size() ? sum / group.size() : -1e299;
      if (own > best_mean) {
        best_mean = own;
        best = std::move(group);
      }
    }
    return best;
  };
  return not_inferior(best_of(0, 2), best_of(3, 5), kMargin);
}

}  // namespace pionbench::claims
