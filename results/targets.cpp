#include "results/targets.h"

#include <algorithm>

#include "results/finals.h"
#include "results/learning.h"
#include "results/stats/aggregate.h"
#include "results/sweeps.h"

namespace pionbench {
namespace {

std::string reference_arm(const Evidence& evidence) {
  for (const auto& arm : evidence.arms())
    for (const auto& cell : evidence.cells)
      if (cell.cell.arm == arm && cell.run && cell.run->optimizer == "adamw") return arm;
  return evidence.arms().front();
}

}  // namespace

std::vector<TargetSetting> target_settings(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const std::string reference = reference_arm(evidence);
  const auto curves = seed_curves(evidence, measure.curve);
  std::vector<TargetSetting> out;
  for (auto& panel : setting_panels(evidence, tuned_keys())) {
    TargetSetting setting{.panel = panel, .reference = reference};
    const auto cells = tuned_cells(evidence, panel.cells);
    std::vector<double> ends;
    const auto each = [&](auto&& take) {
      for (const auto& curve : curves)
        if (!curve.points.empty() && std::find(cells.begin(), cells.end(), curve.cell) != cells.end()) take(curve);
    };
    each([&](const SeedCurve& curve) {
      if (curve.cell->cell.arm == reference) ends.push_back(curve.points.back().value);
    });
    if (!ends.empty()) {
      setting.target = stats::median(ends);
      double longest = 0;
      each([&](const SeedCurve& curve) {
        Reaching run{.cell = curve.cell, .steps = {0, false}, .seconds = {0, false}};
        for (const auto& point : curve.points) {
          run.steps.time = static_cast<double>(point.step);
          if (point.train_seconds) run.seconds.time = *point.train_seconds;
          // A point past a run's divergence counts as 0 and has no clock.
          if (point.value < setting.target || !point.train_seconds) continue;
          run.steps.is_reached = run.seconds.is_reached = true;
          break;
        }
        run.trained = run.seconds.time;
        longest = std::max(longest, run.trained);
        setting.runs.push_back(run);
      });
      for (auto& run : setting.runs)
        if (!run.seconds.is_reached) run.seconds.time = longest;
    }
    out.push_back(std::move(setting));
  }
  return out;
}

}  // namespace pionbench
