#pragma once
/// One stay of an orchestrator in an out folder: the lock, the store, the log, and running what plans lack.

#include <string>
#include <vector>

#include "harness/cli/verbs.h"
#include "harness/schedule/run_log.h"
#include "harness/schedule/scheduler.h"
#include "harness/spec/plan.h"
#include "harness/store/store.h"

namespace pionbench {

class Session {
 public:
  /// Takes the lock, opens the store and ingests what is new.
  explicit Session(const Context& context);

  /// Records the experiments, then runs the cells that have no result. `slots` 0: one run per core; `time_limit_s` of
  /// each attempt, 0: none.
  ScheduleReport run(const std::vector<Plan>& plans, const Catalog& catalog, int slots, double time_limit_s = 0);

  Store& store() { return store_; }

 private:
  void record(const ExperimentRecord& experiment);

  const Context& context_;
  OutLock lock_;
  Store store_;
  RunLog log_;
};

/// "33 cells: 30 done, 1 diverged, 2 failed", then each failure and what to do.
std::string summary_text(const ScheduleReport& report, const Context& context);
Json summary_json(const ScheduleReport& report);
/// 0; 1 when a run failed; 75 when it was stopped.
int exit_code_of(const ScheduleReport& report);

/// The command line as one could type it again.
std::string command_text(const Context& context);

}  // namespace pionbench
