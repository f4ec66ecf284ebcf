#pragma once
/// Running experiments whose later cells depend on the results of earlier ones.

#include <vector>

#include "harness/adaptive/adaptive.h"
#include "harness/cli/session.h"

namespace pionbench {

/// What the command line says of how to run.
struct RunLimits {
  int slots = 0;            ///< runs at once; 0: one per core
  double time_limit_s = 0;  ///< of one attempt; 0: none
};

struct SweepOutcome {
  ScheduleReport report;               ///< of all rounds together
  std::vector<AdaptiveReport> sweeps;  ///< of the experiments that halve or add seeds
};

/// Runs what the experiments lack, asks the store what that leads to, and goes on until it leads to nothing more. An
/// experiment without halving and until is one round. A cell that failed is not tried twice. `planned`: what decide_all
/// says without a store, which the caller has asked before it opened a session, so that a mistake leaves no folder.
SweepOutcome run_sources(Session& session, const std::vector<PlanSource>& sources, std::vector<Decision> planned,
                         const Catalog& catalog, const RunLimits& limits, const Context& context);

/// What run_sources would begin with; changes nothing. `cell`: as in keep_cell, "" for all. `first`: a line of what
/// would be done before, "" for nothing.
int print_dry_run(const std::vector<PlanSource>& sources, const Catalog& catalog, const Context& context,
                  const std::string& cell = "", const std::string& first = "");

Json to_json(const SweepOutcome& outcome);
std::string to_text(const SweepOutcome& outcome, const Context& context);

}  // namespace pionbench
