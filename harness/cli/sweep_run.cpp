#include "harness/cli/sweep_run.h"

#include <algorithm>
#include <cstdio>
#include <unordered_set>

#include "core/error.h"
#include "harness/cli/planning.h"
#include "harness/schedule/cores.h"

namespace pionbench {
namespace {

using Ids = std::unordered_set<std::string>;

/// The cells of the plan without a finished run.
std::vector<std::string> lacking(const std::vector<PlannedCell>& cells, const Store& store) {
  const auto states = cell_states(store, cells);
  std::vector<std::string> out;
  for (const auto& cell : cells) {
    const auto it = states.find(cell.id);
    if (it == states.end() || !is_finished(it->second)) out.push_back(cell.id);
  }
  return out;
}

/// The plan without cells that were given up, or that read from one.
Plan without(const Plan& plan, const Ids& given_up) {
  if (given_up.empty()) return plan;
  Ids dropped;
  for (const auto& cell : plan.cells)  // prerequisites first, so this reaches what hangs on them
    if (given_up.contains(cell.id) ||
        std::ranges::any_of(cell.needs, [&](const auto& need) { return dropped.contains(need); }))
      dropped.insert(cell.id);
  return restricted_plan(plan, [&](const auto& cell) { return !dropped.contains(cell.cell); });
}

void add(ScheduleReport& total, const ScheduleReport& round) {
  total.done += round.done;
  total.diverged += round.diverged;
  total.interrupted += round.interrupted;
  total.failures.insert(total.failures.end(), round.failures.begin(), round.failures.end());
  total.not_started.insert(total.not_started.end(), round.not_started.begin(), round.not_started.end());
  total.stopped = total.stopped || round.stopped;
}

}  // namespace

SweepOutcome run_sources(Session& session, const std::vector<PlanSource>& sources, std::vector<Decision> planned,
                         const Catalog& catalog, const RunLimits& limits, const Context& context) {
  SweepOutcome out;
  if (std::ranges::all_of(planned, [](const Decision& d) { return d.report.empty(); })) {
    std::vector<Plan> plans;
    for (auto& decision : planned) plans.push_back(std::move(decision.plan));
    out.report = session.run(plans, catalog, limits.slots, limits.time_limit_s);
    return out;
  }
  const int batch = limits.slots > 0 ? limits.slots : available_cores();
  Ids given_up;
  std::map<std::string, std::size_t> told;  // experiment -> rungs whose decision was shown
  for (bool is_first = true;; is_first = false) {
    std::vector<Plan> plans;
    out.sweeps.clear();
    for (auto& decision : decide_all(sources, catalog, &session.store(), batch)) {
      const AdaptiveReport& report = decision.report;
      auto& shown = told[report.experiment];
      for (; shown < report.rungs.size() && report.rungs[shown].decided; ++shown)
        if (!context.quiet && !is_first) std::fputs(rung_text(report, shown).c_str(), stderr);
      if (!report.empty()) out.sweeps.push_back(report);
      plans.push_back(std::move(decision.plan));
    }
    const auto cells = merged_cells(plans);
    auto missing = lacking(cells, session.store());
    std::erase_if(missing, [&](const auto& id) { return given_up.contains(id); });
    out.report.total = static_cast<int>(cells.size());
    if (!is_first && missing.empty()) break;

    std::vector<Plan> round;
    for (const auto& plan : plans) {
      if (!given_up.empty()) session.store().record_experiment(plan.experiment);  // the round leaves cells out
      round.push_back(without(plan, given_up));
    }
    const auto report = session.run(round, catalog, limits.slots, limits.time_limit_s);
    add(out.report, report);
    if (report.stopped || report.interrupted) break;
    for (const auto& id : lacking(cells, session.store())) given_up.insert(id);
  }
  const int ended = out.report.done + out.report.diverged + out.report.interrupted +
                    static_cast<int>(out.report.failures.size() + out.report.not_started.size());
  out.report.already = std::max(0, out.report.total - ended);
  return out;
}

int print_dry_run(const std::vector<PlanSource>& sources, const Catalog& catalog, const Context& context,
                  const std::string& cell, const std::string& first) {
  const auto store = open_store_if_any(context.out);
  std::vector<Plan> plans;
  Json sweeps = Json::array();
  std::string text;
  auto decisions = decide_all(sources, catalog, store ? &*store : nullptr);
  if (!cell.empty()) keep_cell(decisions, cell);
  for (auto& decision : decisions) {
    if (!decision.report.empty()) sweeps.push_back(to_json(decision.report));
    text += to_text(decision.report);
    plans.push_back(std::move(decision.plan));
  }
  const auto cells = merged_cells(plans);
  std::map<std::string, RunState> states;
  if (store) states = cell_states(*store, cells);
  Json to_run = Json::array();
  for (const auto& cell : cells) {
    const auto it = states.find(cell.id);
    if (it == states.end() || !is_finished(it->second)) to_run.push_back({{"id", cell.id}, {"label", cell.label}});
  }
  if (context.json) {
    Json out = {{"dry_run", true}, {"total", cells.size()}, {"to_run", to_run}, {"sweeps", sweeps}};
    if (!first.empty()) out["first"] = first;
    print_json(std::move(out));
    return kDone;
  }
  if (!first.empty()) std::printf("%s\n", first.c_str());
  for (const auto& cell : to_run)
    std::printf("would run %.12s  %s\n", cell["id"].get_ref<const std::string&>().c_str(),
                cell["label"].get_ref<const std::string&>().c_str());
  std::printf("%s%zu of %zu cells to run\n", text.c_str(), to_run.size(), cells.size());
  return kDone;
}

Json to_json(const SweepOutcome& outcome) {
  Json out = summary_json(outcome.report);
  out["sweeps"] = Json::array();
  for (const auto& sweep : outcome.sweeps) out["sweeps"].push_back(to_json(sweep));
  return out;
}

std::string to_text(const SweepOutcome& outcome, const Context& context) {
  std::string out;
  for (const auto& sweep : outcome.sweeps) out += to_text(sweep);
  return out + summary_text(outcome.report, context);
}

}  // namespace pionbench
