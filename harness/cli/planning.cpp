#include "harness/cli/planning.h"

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "harness/store/schema.h"

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
  app.add_option("--cell", arguments.cell, "one cell alone, by the beginning of its identity (and what it needs)");
}

std::vector<PlanSource> plan_sources(const PlanArguments& arguments, const Context& context) {
  PlanOptions options{.scale = arguments.scale, .exclude = arguments.exclude};
  std::vector<std::string> names;
  for (const auto& item : arguments.items) {
    std::error_code error;
    const bool is_override = !item.starts_with('{') && item.find('=') != std::string::npos && !std::filesystem::exists(item, error);
    (is_override ? options.overrides : names).push_back(item);
  }
  if (names.empty()) throw UserError("no experiment is named  see: pionbench list experiments", kUsage);
  if (!arguments.cell.empty() && names.size() > 1)
    throw UserError("--cell names a cell of one experiment; " + std::to_string(names.size()) + " are named", kUsage);
  options.cell = arguments.cell;
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

std::vector<Plan> make_plans(const PlanArguments& arguments, const Context& context, const Catalog& catalog) {
  const auto store = open_store_if_any(context.out);
  std::vector<Plan> plans;
  for (auto& decision : decide_all(plan_sources(arguments, context), catalog, store ? &*store : nullptr))
    plans.push_back(std::move(decision.plan));
  return plans;
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
