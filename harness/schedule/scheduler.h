#pragma once
/// Runs cells: prerequisites before what needs them, several at once, each in its own process.
///
/// A cell that has a finished run (done or diverged) is never run again. One whose last run was stopped or lost goes on
/// from its checkpoint as a new attempt of that run; without a checkpoint, and after a failure, a new run begins. A
/// cell whose prerequisite has no usable result is not started.
///
/// Order    prerequisites; then kinds of cells whose length nobody knows; then the longest, so that no long run begins
///          when all others have ended.
/// Memory   a run that runs out of it goes on with its micro-batch halved and the gradients accumulated, so that the
///          effective batch stays: at most `memory_attempts` times, each an attempt of its own.
/// Crash    every start is on the disk before the worker begins (Launch::record), every end before the next decision.
///          Killed at any instant and started again, it adopts what lives and runs again only what is lost.
///
/// The caller holds OutLock and owns a store opened for writing that has ingested everything.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/schedule/executor.h"
#include "harness/schedule/progress.h"
#include "harness/schedule/run_log.h"
#include "harness/spec/plan.h"
#include "store/store.h"

namespace pionbench {

struct ScheduleOptions {
  int slots = 0;                                           ///< runs at once; 0: one per available core
  double grace_s = 10;                                     ///< between asking workers to stop and killing them
  const std::atomic<int>* interrupts = nullptr;            ///< 1: stop in order; 2: kill
  std::map<std::string, std::string> primary_metric = {};  ///< suite -> series shown while it runs
  std::map<std::string, std::string> batch_setting = {};   ///< suite -> SuiteInfo::batch_setting
  int memory_attempts = 4;                                 ///< rungs of the ladder; 1: never try again
  double time_limit_s = 0;                                 ///< of one attempt; 0: none
};

struct ScheduleReport {
  struct Failure {
    std::string label;
    std::string run;  ///< "" where none was started
    std::string state;
    std::string reason;
    std::string stderr_tail;
  };
  int total = 0;
  int already = 0;  ///< finished before we began
  int done = 0;
  int diverged = 0;
  int interrupted = 0;
  int resumed = 0;  ///< attempts that went on after a preemption or with less memory
  std::vector<Failure> failures;
  std::vector<Failure> not_started;  ///< their prerequisite failed, or they can never have room
  bool stopped = false;              ///< on request, before everything was done
};

class Scheduler {
 public:
  Scheduler(Store& store, Executor& executor, Display& display, RunLog& log, ScheduleOptions options);
  ~Scheduler();

  /// Returns when nothing more can be run. Whatever goes wrong on our side (a full disk) stops the workers in order
  /// before it is thrown on.
  ScheduleReport run(const std::vector<PlannedCell>& cells);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pionbench
