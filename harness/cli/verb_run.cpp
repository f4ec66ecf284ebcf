#include <cstdio>

#include "core/error.h"
#include "harness/cli/planning.h"
#include "harness/cli/session.h"

namespace pionbench {
namespace {

struct RunArguments {
  PlanArguments plan;
  int slots = 0;
  double time_limit_s = 0;
  bool dry_run = false;
  bool keep_going = true;
};

int dry_run(const std::vector<Plan>& plans, const Context& context) {
  const auto cells = merged_cells(plans);
  std::map<std::string, RunState> states;
  if (const auto store = open_store_if_any(context.out)) states = cell_states(*store, cells);
  Json to_run = Json::array();
  for (const auto& cell : cells) {
    const auto it = states.find(cell.id);
    if (it == states.end() || !is_finished(it->second)) to_run.push_back({{"id", cell.id}, {"label", cell.label}});
  }
  if (context.json) {
    print_json({{"dry_run", true}, {"total", cells.size()}, {"to_run", to_run}});
    return kDone;
  }
  for (const auto& cell : to_run)
    std::printf("would run %.12s  %s\n", cell["id"].get<std::string>().c_str(),
                cell["label"].get<std::string>().c_str());
  std::printf("%zu of %zu cells to run\n", to_run.size(), cells.size());
  return kDone;
}

int run(const RunArguments& arguments, const Context& context) {
  const Catalog catalog = context.catalog();
  const auto plans = make_plans(arguments.plan, context, catalog);
  if (arguments.dry_run) return dry_run(plans, context);
  const auto report = Session(context).run(plans, catalog, arguments.slots, arguments.time_limit_s);
  if (context.json)
    print_json(summary_json(report));
  else if (!context.quiet || exit_code_of(report) != kDone)
    std::fputs(summary_text(report, context).c_str(), stdout);
  return exit_code_of(report);
}

}  // namespace

const Verb kRunVerb = {
    "run", "Run the cells of experiments that have no result yet",
    "pionbench run fig2b lr=log:1e-5..1e-3:5 seed=0..4 -j 4", [](CLI::App& app, const Context& context) {
      auto arguments = std::make_shared<RunArguments>();
      add_plan_options(app, arguments->plan);
      app.add_option("-j,--jobs", arguments->slots, "runs at once (default: one per core)")->check(CLI::Range(1, 4096));
      app.add_option("--time-limit", arguments->time_limit_s,
                     "of one attempt (90s, 30min, 2h); a run that reaches it writes a checkpoint and goes on next time")
          ->transform(
              CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}},
                                    CLI::AsNumberWithUnit::UNIT_OPTIONAL))
          ->check(CLI::PositiveNumber);
      app.add_flag("--dry-run", arguments->dry_run, "only say what would run");
      // A failure never stops the other cells; the flag is here for scripts that say so.
      app.add_flag("--keep-going", arguments->keep_going, "go on after a failure (always on)");
      return Runner([&context, arguments] { return run(*arguments, context); });
    }};

}  // namespace pionbench
