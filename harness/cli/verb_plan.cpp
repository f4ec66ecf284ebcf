#include <cstdio>

#include "core/error.h"
#include "harness/cli/materials.h"
#include "harness/cli/planning.h"
#include "harness/schedule/expected.h"
#include "harness/schedule/price.h"

namespace pionbench {
namespace {

std::string state_text(const std::map<std::string, RunState>& states, const std::string& cell) {
  const auto it = states.find(cell);
  return it == states.end() ? "to run" : to_string(it->second);
}

bool is_done(const std::map<std::string, RunState>& states, const std::string& cell) {
  const auto it = states.find(cell);
  return it != states.end() && is_finished(it->second);
}

/// Hours of GPU that the cells still lack.
struct GpuHours {
  std::optional<double> hours = 0.0;  ///< nothing when the length of a run is not known
  bool is_priced = false;             ///< some of it by arithmetic (harness/schedule/price.h), not by earlier runs

  Json json() const { return hours ? Json(*hours) : Json(); }
};
GpuHours gpu_hours(const std::vector<PlannedCell>& cells, const std::map<std::string, RunState>& states,
                   const ExpectedSeconds& expected) {
  GpuHours out;
  for (const auto& cell : cells) {
    const auto device = cell.config.settings.find("device");
    if (is_done(states, cell.id) || device == cell.config.settings.end() || to_text(device->second) != "cuda") continue;
    auto length = expected.of(cell.config.suite, cell.config.optimizer);
    if (!length) {
      const auto price = price_of(cell.config);
      if (!price) return {std::nullopt};
      length = price->gpu_seconds;
      out.is_priced = true;
    }
    *out.hours += *length / 3600;
  }
  return out;
}

Json cell_json(const PlannedCell& cell, const std::string& state) {
  return {{"id", cell.id},       {"arm", cell.arm}, {"point", cell.point},
          {"label", cell.label}, {"state", state},  {"needs", cell.needs}};
}

int print_plan(const PlanArguments& arguments, const Context& context) {
  const auto store = open_store_if_any(context.out);
  std::vector<Plan> plans;
  Json sweeps = Json::array();
  std::string sweeps_text;
  auto decisions = decide_all(plan_sources(arguments, context), context.catalog(), store ? &*store : nullptr);
  if (!arguments.cell.empty()) keep_cell(decisions, arguments.cell);
  for (auto& decision : decisions) {
    if (!decision.report.empty()) sweeps.push_back(to_json(decision.report));
    sweeps_text += to_text(decision.report);
    plans.push_back(std::move(decision.plan));
  }
  const auto cells = merged_cells(plans);
  std::map<std::string, RunState> states;
  std::vector<RunRow> history;
  if (store) {
    states = cell_states(*store, cells);
    history = store->runs();
  }
  int done = 0;
  for (const auto& cell : cells) done += is_done(states, cell.id);
  const int to_run = static_cast<int>(cells.size()) - done;
  const auto hours = gpu_hours(cells, states, ExpectedSeconds(history));
  const auto missing = missing_materials(cells);
  if (context.json) {
    Json rows = Json::array();
    for (const auto& cell : cells) rows.push_back(cell_json(cell, state_text(states, cell.id)));
    Json lacks = Json::array();
    for (const auto& m : missing) lacks.push_back({{"name", m.name}, {"problem", m.problem}, {"fix", m.fix}});
    print_json({{"cells", rows},
                {"done", done},
                {"to_run", to_run},
                {"sweeps", sweeps},
                {"gpu_hours", hours.json()},
                {"gpu_hours_from", hours.is_priced ? "arithmetic" : "earlier runs"},
                {"missing", lacks}});
    return kDone;
  }
  for (const auto& plan : plans) {
    std::printf("%s at scale %s\n", plan.experiment.name.c_str(), plan.experiment.scale.c_str());
    for (const auto& cell : plan.cells)
      std::printf("  %-13s %.12s  %s\n", state_text(states, cell.id).c_str(), cell.id.c_str(), cell.label.c_str());
  }
  std::printf("%s%zu cells: %d done, %d to run\n", sweeps_text.c_str(), cells.size(), done, to_run);
  if (hours.hours && *hours.hours > 0)
    std::printf("about %.*f GPU-hours, by %s\n", *hours.hours < 10 ? 1 : 0, *hours.hours,
                hours.is_priced ? "arithmetic for one H100 and answers of full length; a timed run replaces it"
                                : "earlier runs");
  for (const auto& m : missing)
    std::printf("missing  %s: %s\n         %s\n", m.name.c_str(), m.problem.c_str(), m.fix.c_str());
  return kDone;
}

}  // namespace

const Verb kPlanVerb = {"plan", "Show the cells of experiments, and which are done; touches nothing",
                        "pionbench plan fig2b seed=0..4 --exclude 'arm=Control'",
                        [](CLI::App& app, const Context& context) {
                          auto arguments = std::make_shared<PlanArguments>();
                          add_plan_options(app, *arguments);
                          add_cell_option(app, *arguments);
                          return Runner([&context, arguments] { return print_plan(*arguments, context); });
                        }};

}  // namespace pionbench
