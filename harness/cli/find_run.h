#pragma once
/// Runs as people name them.

#include <string>

#include "store/store.h"

namespace pionbench {

/// The run called `name`: its whole name, or the beginning of it or of its cell's identity; of several runs of one cell
/// the last. UserError (exit 2) with the candidates when none or runs of several cells fit.
RunRow find_run(const std::vector<RunRow>& runs, const std::string& name);

/// "fig2b Muon seed=0" for a cell that an experiment names, else the suite.
std::string label_of_cell(const std::vector<ExperimentRecord>& experiments, const std::string& cell,
                          const std::string& suite);

}  // namespace pionbench
