#pragma once
/// One stay of an orchestrator in an out folder: the lock, the store, the log, and running what plans lack.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/cli/backend.h"
#include "harness/cli/verbs.h"
#include "harness/schedule/run_log.h"
#include "harness/schedule/scheduler.h"
#include "harness/spec/plan.h"
#include "store/store.h"

namespace pionbench {

class Session {
 public:
  /// Takes the lock, opens the store and ingests what is new.
  explicit Session(const Context& context);

  /// Records the experiments, then runs the cells that have no result. `slots` 0: one run per core; `time_limit_s` of
  /// each attempt, 0: none.
  ScheduleReport run(const std::vector<Plan>& plans, const Catalog& catalog, int slots, double time_limit_s = 0);
  /// Runs cells that no experiment need be at hand for (retry).
  ScheduleReport run_cells(const std::vector<PlannedCell>& cells, const Catalog& catalog, int slots,
                           double time_limit_s = 0);

  /// Where runs run; the site file decides where this is not called.
  void set_backend(BackendArguments backend) { backend_ = std::move(backend); }

  /// Called a few times a second while cells run, with how many runs have ended. Must not take long.
  void set_while_running(std::function<void(int ended)> call) { while_running_ = std::move(call); }

  Store& store() { return store_; }

 private:
  void record(const ExperimentRecord& experiment);

  const Context& context_;
  OutLock lock_;
  Store store_;
  RunLog log_;
  BackendArguments backend_;
  std::function<void(int)> while_running_;
  std::map<std::string, std::string> primary_metric_;  ///< of suites that experiments declare themselves
};

/// "33 cells: 30 done, 1 diverged, 2 failed", then each failure and what to do.
std::string summary_text(const ScheduleReport& report, const Context& context);
Json summary_json(const ScheduleReport& report);
/// 0; 1 when a run failed; 75 when it was stopped.
int exit_code_of(const ScheduleReport& report);

/// The command line as one could type it again.
std::string command_text(const Context& context);

}  // namespace pionbench
