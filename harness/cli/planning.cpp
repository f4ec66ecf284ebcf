#include "harness/cli/planning.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "store/schema.h"

namespace pionbench {

void add_scale_option(CLI::App& app, std::string& scale) {
  app.add_option("--scale", scale, "sizes of the experiment: quick, desk or paper")->capture_default_str();
}

void add_plan_options(CLI::App& app, PlanArguments& arguments, bool required) {
  app.add_option("SPEC", arguments.items,
                 "experiments (names or .yaml files) and overrides (key=value): lr=1e-4,3e-4  seed=0..4  "
                 "lr=log:1e-5..1e-3:5  arms.NAME.key=value  arm=NAME,NAME  search.budget=20  halving.from=10")
      ->required(required);
  add_scale_option(app, arguments.scale);
  app.add_option("--exclude", arguments.exclude, "leave cells out: 'optimizer=muon & lr>1e-3'")
      ->allow_extra_args(false);
  app.add_option("--until", arguments.until,
                 "add seeds until the 95 % interval is this narrow: 'ci<=0.02' (half its width) or 'ci<=5%'");
  app.add_option("--max-seeds", arguments.max_seeds, "cap of --until, for each candidate (default: 16)");
}

void add_cell_option(CLI::App& app, PlanArguments& arguments) {
  app.add_option("--cell", arguments.cell, "one cell alone, by the beginning of its identity (and what it needs)");
}

std::vector<PlanSource> plan_sources(const PlanArguments& arguments, const Context& context) {
  PlanOptions options{.scale = arguments.scale, .exclude = arguments.exclude};
  std::vector<std::string> names;
  for (const auto& item : arguments.items) {
    std::error_code error;
    const bool is_experiment = item.starts_with('{') || std::filesystem::exists(item, error);
    const bool is_override = !is_experiment && item.find('=') != std::string::npos;
    (is_override ? options.overrides : names).push_back(item);
  }
  if (names.empty()) throw UserError("no experiment is named  see: pionbench list experiments", kUsage);
  if (!arguments.until.empty()) options.overrides.push_back("until=" + arguments.until);
  if (!arguments.max_seeds.empty()) options.overrides.push_back("max_seeds=" + arguments.max_seeds);
  std::vector<PlanSource> sources;
  for (const auto& name : names) sources.push_back({find_spec(name, context.spec_folders), options});
  return sources;
}

std::vector<Decision> decide_all(const std::vector<PlanSource>& sources, const Catalog& catalog, const Store* store,
                                 int batch) {
  std::vector<Decision> out;
  for (const auto& source : sources) out.push_back(decide(source, catalog, store, batch));
  return out;
}

void keep_cell(std::vector<Decision>& decisions, const std::string& prefix) {
  std::set<std::string> wanted, all;
  for (const auto& decision : decisions)
    for (const auto& cell : decision.plan.cells) {
      if (!cell.is_prerequisite) all.insert(cell.id.substr(0, 12));
      if (cell.id.starts_with(prefix)) wanted.insert(cell.id);
    }
  if (wanted.size() != 1)
    throw UserError("--cell " + prefix + ": " +
                    (wanted.empty() ? "no cell of the plan begins so" : "several cells of the plan begin so") +
                    "; the plan has " + join(std::vector(all.begin(), all.end()), ", ") +
                    "\n  a cell's identity changes with its settings, the versions of suite and optimizer, and the "
                    "content of named files");
  // What is needed stands before what needs it, in each plan.
  for (const auto& decision : decisions)
    for (auto cell = decision.plan.cells.rbegin(); cell != decision.plan.cells.rend(); ++cell)
      if (wanted.contains(cell->id)) wanted.insert(cell->needs.begin(), cell->needs.end());
  for (auto& decision : decisions) {
    std::erase_if(decision.plan.cells, [&](const PlannedCell& cell) { return !wanted.contains(cell.id); });
    std::erase_if(decision.plan.experiment.cells, [&](const auto& cell) { return !wanted.contains(cell.cell); });
    decision.report = {};
  }
  std::erase_if(decisions, [](const Decision& decision) { return decision.plan.cells.empty(); });
}

std::vector<PlannedCell> merged_cells(const std::vector<Plan>& plans) {
  if (plans.size() == 1) return plans[0].cells;
  std::vector<PlannedCell> out;
  std::unordered_set<std::string> seen;
  for (const bool prerequisites : {true, false})
    for (const auto& plan : plans)
      for (const auto& cell : plan.cells)
        if (cell.is_prerequisite == prerequisites && seen.insert(cell.id).second) out.push_back(cell);
  return out;
}

std::optional<Store> open_store_if_any(const std::filesystem::path& out) {
  std::error_code error;
  if (!std::filesystem::exists(out, error) || !Store::exists(out)) return std::nullopt;
  try {
    return Store(out, Store::Mode::kReadOnly);
  } catch (const NoStoreYet&) {
    return std::nullopt;
  }
}

std::map<std::string, RunState> cell_states(const Store& store, const std::vector<PlannedCell>& cells) {
  std::vector<std::string> ids;
  for (const auto& cell : cells) ids.push_back(cell.id);
  std::map<std::string, RunState> out;
  for (const auto& run : store.runs_of_cells(ids)) {
    const auto [it, is_new] = out.try_emplace(run.cell, run.state);
    if (!is_new && !is_finished(it->second)) it->second = run.state;
  }
  return out;
}

}  // namespace pionbench
