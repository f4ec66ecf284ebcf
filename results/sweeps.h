#pragma once
/// What figures of sweeps share: which settings of the optimizer an experiment varies, and its trials: an arm at one
/// point of them, over its seeds.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/finals.h"
#include "results/panels.h"

namespace pionbench {

/// Coordinates that are the optimizer's, and so no conditions of the comparison.
const std::vector<std::string>& tuned_keys();

/// Whether some arm has cells with several values of the setting, e.g. of "lr".
bool varies(const Evidence& evidence, const std::string& key);
/// Whether the experiment has runs with evaluations at several steps, so that there is a course to look at.
bool has_curves(const Evidence& evidence);

struct Trial {
  std::string arm;
  std::map<std::string, double> at;  ///< {"lr": 3e-4, "k_p": 0}: what the experiment varies of tuned_keys()
  std::vector<const CellEvidence*> cells;
  std::string label() const;  ///< "lr 0.0003, k_p 0"
};
/// By arm in display order, then by rising values.
std::vector<Trial> trials(const Evidence& evidence, const std::vector<const CellEvidence*>& cells);

/// The trial of an arm with the best mean of `value` (higher is better) over its seeds; null when none has any. Only
/// trials with as many values as any of the arm's are candidates: a trial that halving stopped after one seed was
/// beaten there, and one lucky seed is no match for a mean of three.
const Trial* best_trial(const std::vector<Trial>& all, const std::string& arm, const CellValue& value);

/// For each arm of a setting: the cells that it is compared with. Where the experiment sweeps tuned settings these are
/// the cells of the arm's best trial by the validation yardstick, else all of them.
std::vector<const CellEvidence*> tuned_cells(const Evidence& evidence, const std::vector<const CellEvidence*>& cells);

}  // namespace pionbench
