#include "results/sweeps.h"

#include <algorithm>

#include "core/error.h"
#include "results/grid.h"
#include "results/learning.h"

namespace pionbench {

const std::vector<std::string>& tuned_keys() {
  static const std::vector<std::string> kKeys = {"lr", "k_p", "update_scale", "weight_decay", "momentum"};
  return kKeys;
}

bool varies(const Evidence& evidence, const std::string& key) {
  std::map<std::string, std::string> values;
  for (const auto& cell : evidence.cells) {
    const std::string value = cell.coordinate(key);
    if (!value.empty() && values.emplace(cell.cell.arm, value).first->second != value) return true;
  }
  return false;
}

bool has_curves(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  if (measure.curve.empty()) return false;
  return std::any_of(evidence.cells.begin(), evidence.cells.end(), [&](const CellEvidence& cell) {
    return cell.is_finished() && evidence.store->series(cell.run->run, measure.curve).size() > 2;
  });
}

std::string Trial::label() const {
  std::vector<std::string> parts;
  for (const auto& [key, value] : at) parts.push_back(key + " " + significant(value, 4));
  return join(parts, ", ");
}

std::vector<Trial> trials(const Evidence& evidence, const std::vector<const CellEvidence*>& cells) {
  std::vector<std::string> keys;
  for (const auto& key : tuned_keys())
    if (varies(evidence, key)) keys.push_back(key);
  std::vector<Trial> out;
  for (const auto& arm : evidence.arms()) {
    std::map<std::map<std::string, double>, std::vector<const CellEvidence*>> by_place;
    for (const auto* cell : cells) {
      if (cell->cell.arm != arm) continue;
      std::map<std::string, double> at;
      for (const auto& key : keys)
        if (const auto value = hyper_of(evidence, key)(*cell)) at[key] = *value;
      by_place[at].push_back(cell);
    }
    for (auto& [at, own] : by_place) out.push_back({arm, at, std::move(own)});
  }
  return out;
}

const Trial* best_trial(const std::vector<Trial>& all, const std::string& arm, const CellValue& value) {
  const Trial* best = nullptr;
  std::pair<std::size_t, double> best_rank;
  for (const auto& trial : all) {
    if (trial.arm != arm) continue;
    const auto summary = summarize(trial.cells, value);
    const std::pair rank(summary.values.size(), summary.mean);
    if (summary.values.empty() || (best && rank <= best_rank)) continue;
    best = &trial;
    best_rank = rank;
  }
  return best;
}

std::vector<const CellEvidence*> tuned_cells(const Evidence& evidence, const std::vector<const CellEvidence*>& cells) {
  const auto all = trials(evidence, cells);
  const auto value = final_of(evidence, yardstick(evidence).curve);
  std::vector<const CellEvidence*> out;
  for (const auto& arm : evidence.arms())
    if (const auto* best = best_trial(all, arm, value)) out.insert(out.end(), best->cells.begin(), best->cells.end());
  return out;
}

}  // namespace pionbench
