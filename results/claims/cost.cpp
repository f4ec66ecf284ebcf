/// C5: what a step costs, from the newest sitting of the benchmark program that times whole optimizer steps.

#include <algorithm>
#include <cmath>
#include <string_view>

#include "results/claims/rules.h"
#include "results/grid.h"

namespace pionbench::claims {
namespace {

constexpr std::string_view kMuon = "/muon:real_time";

// "Within noise" must be a number to be checked: five per cent, what a step's share of a training step makes invisible.
constexpr double kRatio = 1.05;

const std::vector<double>* samples_of(const Sitting& sitting, const std::string& series) {
  for (const auto& s : sitting.series)
    if (s.name == series && s.samples.size() >= 3) return &s.samples;
  return nullptr;
}

std::vector<double> logs(const std::vector<double>& samples) {
  std::vector<double> out;
  for (const double x : samples) out.push_back(std::log(x));
  return out;
}

Finding same_time(const Sitting& sitting, const std::string& label, const std::vector<double>& a,
                  const std::vector<double>& b) {
  const auto ratio = stats::pooled_difference({logs(a)}, {logs(b)});
  const auto interval = *stats::t_interval(ratio);
  Finding out{.ours = label + " takes " + fixed(std::exp(ratio.value), 3) + " [" + fixed(std::exp(interval.low), 3) +
                      ", " + fixed(std::exp(interval.high), 3) + "] times as long",
              .interval = stats::Bounds{std::exp(interval.low), std::exp(interval.high)},
              .n = static_cast<int>(std::min(a.size(), b.size()))};
  out.detectable = stats::minimum_detectable_effect(ratio, kAlpha);
  out.why = "sitting " + sitting.sitting + ", revision " + sitting.revision;
  const double margin = std::log(kRatio);
  if (interval.low > margin) out.why += ", slower";
  if (interval.high < -margin) out.why += ", faster";
  if (stats::equivalence_test(ratio, margin) <= kAlpha)
    out.verdict = Verdict::kReproduced;
  else if (interval.low > margin || interval.high < -margin)
    out.verdict = Verdict::kDiffers;
  else
    out.verdict = Verdict::kUnderpowered;
  return out;
}

}  // namespace

Finding judge_c5(const Board& board) {
  const auto& sittings = board.sittings();
  for (auto sitting = sittings.rbegin(); sitting != sittings.rend(); ++sitting) {
    std::vector<Finding> findings;
    for (const auto& series : sitting->series) {
      if (!series.name.starts_with("step/") || !series.name.ends_with(kMuon)) continue;
      const std::string model = series.name.substr(0, series.name.size() - kMuon.size());  // "step/qwen3"
      const auto *muon = samples_of(*sitting, series.name), *pion = samples_of(*sitting, model + "/pion:real_time"),
                 *per_head = samples_of(*sitting, model + "/pion/per-head:real_time");
      if (!muon || !pion) continue;
      findings.push_back(same_time(*sitting, model + ": Pion against Muon", *pion, *muon));
      if (per_head)
        findings.push_back(same_time(*sitting, model + ": per-head Pion against whole matrices", *per_head, *pion));
    }
    if (!findings.empty()) return all_of(findings);
  }
  return not_run(
      "no sitting times steps of Muon and Pion: pionbench bench build/release/bin/optim_bench --filter '^step/'");
}

}  // namespace pionbench::claims
