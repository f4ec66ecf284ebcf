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
#include "harness/store/store.h"

namespace pionbench {

struct PlanArguments {
  std::vector<std::string> items;  ///< experiments (names or files) and overrides (key=value)
  std::string scale = "quick";
  std::vector<std::string> exclude;
  std::string until;      ///< "ci<=0.02"
  std::string max_seeds;  ///< its cap
  std::string cell;  ///< the beginning of one cell's identity: that cell alone; "" for all
};

/// `required`: at least one experiment must be named.
void add_plan_options(CLI::App& app, PlanArguments& arguments, bool required = true);
void add_scale_option(CLI::App& app, std::string& scale);

/// One source per experiment named, in the order of the command line.
std::vector<PlanSource> plan_sources(const PlanArguments& arguments, const Context& context);

/// The plans as far as the store decides them; `store` may be null. `batch` as in `decide`.
std::vector<Decision> decide_all(const std::vector<PlanSource>& sources, const Catalog& catalog, const Store* store,
                                 int batch = 1);

/// The plans of decide_all for what <out> holds.
std::vector<Plan> make_plans(const PlanArguments& arguments, const Context& context, const Catalog& catalog);

/// The cells of all plans: prerequisites first, each cell once.
std::vector<PlannedCell> merged_cells(const std::vector<Plan>& plans);

/// Opens the store for reading; nothing when there is none yet.
std::optional<Store> open_store_if_any(const std::filesystem::path& out);

/// Cell -> state of its finished run, else of its last run; cells without a run are missing.
std::map<std::string, RunState> cell_states(const Store& store, const std::vector<PlannedCell>& cells);

}  // namespace pionbench
