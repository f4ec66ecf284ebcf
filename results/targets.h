#pragma once
/// Time to target: one target for each setting, the same for all arms.

#include <string>
#include <vector>

#include "results/panels.h"
#include "results/stats/survival.h"

namespace pionbench {

struct Reaching {
  const CellEvidence* cell;
  /// On the clock a miss counts to the end of the setting's longest run: a budget in steps ends a quick run early, and
  /// censored there its miss would leave the count just because it was quick.
  stats::TimeToTarget steps, seconds;
  double trained = 0;  ///< seconds to the target, or to the run's own end
};

struct TargetSetting {
  Panel panel;
  std::string reference;       ///< the arm that set the target: the first AdamW, else the first arm
  double target = 0;           ///< median over its seeds of its last value on the curve's split
  std::vector<Reaching> runs;  ///< of all arms; a diverged run never comes there
};

/// Settings in display order; those where the reference has no finished run are left without runs. Where the experiment
/// sweeps tuned settings, each arm stands with the trial that the validation split chooses.
std::vector<TargetSetting> target_settings(const Evidence& evidence);

}  // namespace pionbench
