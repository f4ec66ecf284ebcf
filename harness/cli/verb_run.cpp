#include <cstdio>

#include "core/error.h"
#include "harness/cli/planning.h"
#include "harness/cli/session.h"
#include "harness/cli/sweep_run.h"

namespace pionbench {
namespace {

struct RunArguments {
  PlanArguments plan;
  int slots = 0;
  double time_limit_s = 0;
  BackendArguments backend;
  bool keep_going = true;
};

int run(const RunArguments& arguments, const Context& context) {
  const Catalog catalog = context.catalog();
  const auto sources = plan_sources(arguments.plan, context);
  const std::string& cell = arguments.plan.cell;
  if (context.dry_run) return print_dry_run(sources, catalog, context, cell);
  auto planned = decide_all(sources, catalog, nullptr);
  if (!cell.empty()) {
    // It may be one that only results lead to.
    if (const auto store = open_store_if_any(context.out)) planned = decide_all(sources, catalog, &*store);
    keep_cell(planned, cell);
  }
  Session session(context);
  session.set_backend(arguments.backend);
  const auto outcome =
      run_sources(session, sources, std::move(planned), catalog, {arguments.slots, arguments.time_limit_s}, context);
  if (context.json)
    print_json(to_json(outcome));
  else if (!context.quiet || exit_code_of(outcome.report) != kDone)
    std::fputs(to_text(outcome, context).c_str(), stdout);
  return exit_code_of(outcome.report);
}

}  // namespace

const Verb kRunVerb = {
    "run", "Run the cells of experiments that have no result yet",
    "pionbench run fig2b lr=log:1e-5..1e-3:5 seed=0..4 -j 4\n"
    "pionbench run fig2b lr=log:1e-5..1e-2 search.budget=12 halving.from=10\n"
    "pionbench run fig2b --until 'ci<=0.02' --max-seeds 12",
    [](CLI::App& app, const Context& context) {
      auto arguments = std::make_shared<RunArguments>();
      add_plan_options(app, arguments->plan);
      add_cell_option(app, arguments->plan);
      app.add_option("-j,--jobs", arguments->slots, "runs at once (default: one per core)")->check(CLI::Range(1, 4096));
      app.add_option("--time-limit", arguments->time_limit_s,
                     "of one attempt (90s, 30min, 2h); a run that reaches it writes a checkpoint and goes on next time")
          ->transform(
              CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}},
                                    CLI::AsNumberWithUnit::UNIT_OPTIONAL))
          ->check(CLI::PositiveNumber);
      add_backend_options(app, arguments->backend);
      // A failure never stops the other cells; the flag is here for scripts that say so.
      app.add_flag("--keep-going", arguments->keep_going, "go on after a failure (always on)");
      return Runner([&context, arguments] { return run(*arguments, context); });
    }};

}  // namespace pionbench
