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

Finding same_time(const std::string& what, const std::vector<double>& a, const std::vector<double>& b) {
  const auto ratio = stats::pooled_difference({logs(a)}, {logs(b)});
  const auto interval = *stats::t_interval(ratio);
  Finding out{.ours = what + " takes " + fixed(std::exp(ratio.value), 3) + " [" + fixed(std::exp(interval.low), 3) +
                      ", " + fixed(std::exp(interval.high), 3) + "] times as long",
              .interval = stats::Bounds{std::exp(interval.low), std::exp(interval.high)},
              .n = static_cast<int>(std::min(a.size(), b.size()))};
  out.detectable = stats::minimum_detectable_effect(ratio, kAlpha);
  const double margin = std::log(kRatio);
  if (interval.low > margin) out.why = what + ": slower";
  if (interval.high < -margin) out.why = what + ": faster";
  if (stats::equivalence_test(ratio, margin) <= kAlpha)
    out.verdict = Verdict::kReproduced;
  else if (interval.low > margin || interval.high < -margin)
    out.verdict = Verdict::kDiffers;
  else
    out.verdict = Verdict::kUnderpowered;
  return out;
}

struct Steps {
  std::string model;
  const std::vector<double>*muon, *pion, *per_head;  ///< the last may be null
};

std::vector<Steps> steps_of(const Sitting& sitting) {
  std::vector<Steps> out;
  for (const auto& series : sitting.series) {
    if (!series.name.starts_with("step/") || !series.name.ends_with(kMuon)) continue;
    const std::string model = series.name.substr(0, series.name.size() - kMuon.size());  // "step/qwen3"
    const Steps steps{model, samples_of(sitting, series.name), samples_of(sitting, model + "/pion:real_time"),
                      samples_of(sitting, model + "/pion/per-head:real_time")};
    if (steps.muon && steps.pion) out.push_back(steps);
  }
  return out;
}

/// "sitting S, revision R, Intel Xeon, 2 cores, other work 3 % of 2 cores"
std::string origin(const Sitting& sitting) {
  std::string out = "sitting " + sitting.sitting + ", revision " + sitting.revision;
  const auto add = [&](const char* fact, const std::string& before, const std::string& after) {
    if (const auto it = sitting.environment.find(fact); it != sitting.environment.end())
      out += ", " + before + it->second + after;
  };
  add("cpu", "", "");
  add("cores", "", " cores");
  add("threads", "threads ", "");
  add("other work", "other work took ", "");
  return out;
}

}  // namespace

const char* const kStepFilter = "^step/[^/]+/(muon|pion|pion/per-head)(/real_time)?$";

bool times_steps(const Sitting& sitting) {
  return !steps_of(sitting).empty();
}

Finding judge_c5(const Board& board) {
  const auto& sittings = board.sittings();
  for (auto sitting = sittings.rbegin(); sitting != sittings.rend(); ++sitting) {
    std::vector<Finding> findings;
    for (const auto& steps : steps_of(*sitting)) {
      findings.push_back(same_time(steps.model + ": Pion against Muon", *steps.pion, *steps.muon));
      if (steps.per_head)
        findings.push_back(
            same_time(steps.model + ": per-head Pion against whole matrices", *steps.per_head, *steps.pion));
    }
    if (findings.empty()) continue;
    Finding out = all_of(findings);
    out.why += (out.why.empty() ? "" : "; ") + origin(*sitting);
    return out;
  }
  return not_run(std::string("no sitting times steps of Muon and Pion: pionbench reproduce, or pionbench bench "
                             "build/release/bin/optim_bench --threads 1 --filter '") +
                 kStepFilter + "'");
}

}  // namespace pionbench::claims
