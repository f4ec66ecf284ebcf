#pragma once
/// From an experiment file to cells.
///
///   file ─ parse ─► Experiment ─ overlay(scale), overrides ─► expand ─► Plan (cells with identities)

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/run_request.h"
#include "harness/spec/resources.h"
#include "harness/spec/sweep_options.h"
#include "store/records.h"

namespace pionbench {

/// One cell of a plan. Prerequisites are planned cells too (`arm` empty, `is_prerequisite` true).
struct PlannedCell {
  std::string id;  ///< content hash of `config`
  CellConfig config;
  std::string arm;
  std::map<std::string, std::string> point;  ///< grid coordinates, as text
  std::string label;                         ///< "Muon auxiliary=frozen seed=0", for people
  bool is_prerequisite = false;
  std::vector<std::string> needs;  ///< ids of prerequisites
  Resources resources = {};
  std::filesystem::path working_dir = {};  ///< of a program of `suite: command`
};

struct Plan {
  ExperimentRecord experiment;
  std::string primary_metric;      ///< of the experiment's suite; "" when there is none
  bool higher_is_better = true;    ///< of that metric
  std::vector<PlannedCell> cells;  ///< prerequisites first; ids are unique; an id keeps its first place
  SweepOptions sweep;              ///< what harness/adaptive does with the plan
  /// Coordinates that are the optimizer's, or drawn by the search; the others are conditions of the comparison.
  std::set<std::string> compared;
};

/// Precedence, weakest first: table defaults, bundles (preset, model), `defaults`, the scale, the arm, the grid point,
/// the search space, overrides, overrides of one arm, pins. Axes vary in the order they were declared, the last
/// fastest; new axes of overrides follow, then the points of a search, and `seed` is always last. A setting of
/// `defaults`, the grid or an override goes to the arms whose suite or optimizer knows it, and is an error only where
/// none does.
struct PlanOptions {
  std::string scale = "quick";
  /// "lr=1e-4,3e-4", "seed=0..4", "arms.Muon.lr=log:1e-5..1e-3:5", "arm=AdamW,Pion" (selects arms).
  std::vector<std::string> overrides = {};
  std::vector<std::string> exclude = {};  ///< conditions (harness/spec/expression.h), besides the file's
  std::vector<Assignment> pins = {};      ///< coordinates that nothing overrides: the steps of a rung, more seeds
};

/// Reads and expands one experiment file (or the experiment itself, where `file` begins with a brace: flow YAML, as
/// `repro` prints it). UserErrors name file, line and the nearest known key. Cells that two arms share are planned once
/// and stand in the record under both arms. Cost: about 10 µs a cell.
Plan make_plan(const std::filesystem::path& file, const Catalog& catalog, const PlanOptions& options);

/// The cells of the record that `keep` accepts, and the prerequisites that they need.
Plan restricted_plan(const Plan& plan, const std::function<bool(const ExperimentRecord::Cell&)>& keep);

/// "fig2b" or a path -> the experiment file, an experiment's own text -> itself; the folders are searched for
/// <name>.yaml. UserError (exit 2) with the nearest name.
std::filesystem::path find_spec(const std::string& name_or_path, const std::vector<std::filesystem::path>& folders);

/// All experiment files in the folders, by name.
std::vector<std::filesystem::path> list_specs(const std::vector<std::filesystem::path>& folders);

}  // namespace pionbench
