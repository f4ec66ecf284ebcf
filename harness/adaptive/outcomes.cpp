#include "harness/adaptive/outcomes.h"

namespace pionbench {

std::map<std::string, Outcome> outcomes_of(const Plan& plan, const Store* store, const std::string& metric) {
  std::map<std::string, Outcome> out;
  if (!store) return out;
  std::vector<std::string> ids;
  for (const auto& cell : plan.experiment.cells) ids.push_back(cell.cell);
  // In order of start: a finished run speaks for the cell, else its last one does.
  for (const auto& run : store->runs_of_cells(ids)) {
    Outcome& outcome = out[run.cell];
    if (outcome.ended && (outcome.counts || outcome.state == to_string(RunState::kDiverged))) continue;
    outcome = {};
    outcome.state = to_string(run.state);
    outcome.ended = is_finished(run.state) || run.state == RunState::kFailed || run.state == RunState::kOutOfMemory;
    outcome.counts = run.state == RunState::kDone;
    if (!is_finished(run.state)) continue;
    const auto series = store->series(run.run, metric);
    if (!series.empty()) outcome.value = series.back().value;
  }
  return out;
}

}  // namespace pionbench
