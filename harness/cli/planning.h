#pragma once
/// What `plan`, `run` and `reproduce` share: from the command line to plans, and how far a plan is.

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/adaptive/adaptive.h"
#include "harness/cli/verbs.h"
#include "harness/spec/plan.h"
#include "store/store.h"

namespace pionbench {

struct PlanArguments {
  std::vector<std::string> items;  ///< experiments (names or files) and overrides (key=value)
  std::string scale = "quick";
  std::vector<std::string> exclude;
  std::string cell;       ///< the beginning of one cell's identity: that cell alone; "" for all
  std::string until;      ///< "ci<=0.02"
  std::string max_seeds;  ///< its cap
};

/// `required`: at least one experiment must be named.
void add_plan_options(CLI::App& app, PlanArguments& arguments, bool required = true);
/// --cell, for verbs that hand PlanArguments::cell to keep_cell.
void add_cell_option(CLI::App& app, PlanArguments& arguments);
void add_scale_option(CLI::App& app, std::string& scale);

/// One source per experiment named, in the order of the command line.
std::vector<PlanSource> plan_sources(const PlanArguments& arguments, const Context& context);

/// The plans as far as the store decides them; `store` may be null. `batch` as in `decide`.
std::vector<Decision> decide_all(const std::vector<PlanSource>& sources, const Catalog& catalog, const Store* store,
                                 int batch = 1);

/// Leaves the one planned cell whose identity begins so, and what it needs, without halving or more seeds. UserError
/// when there is none, or more than one.
void keep_cell(std::vector<Decision>& decisions, const std::string& prefix);

/// The cells of all plans: prerequisites first, each cell once.
std::vector<PlannedCell> merged_cells(const std::vector<Plan>& plans);

/// Opens the store for reading; nothing when there is none yet.
std::optional<Store> open_store_if_any(const std::filesystem::path& out);

/// Cell -> state of its finished run, else of its last run; cells without a run are missing.
std::map<std::string, RunState> cell_states(const Store& store, const std::vector<PlannedCell>& cells);

}  // namespace pionbench
