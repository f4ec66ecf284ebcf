#pragma once
/// Runs that an orchestrator left behind when it was killed.

#include <string>
#include <vector>

#include "harness/schedule/executor.h"
#include "store/store.h"

namespace pionbench {

struct LiveRun {
  std::string run;
  std::string cell;
  AttemptStart start;
  bool elsewhere = false;  ///< on another machine: nobody can ask for its process, but its spool grew lately
};

/// Looks at every run that the store takes for running. Those whose process is gone get their end recorded (done or
/// diverged when their events say so, else lost), and the store takes it. A run that was recorded on another machine is
/// gone once its spool has been silent for ten minutes; until then it is only suspect. Returns the others.
/// Call it while holding OutLock, after an ingest: otherwise another orchestrator's runs look like orphans.
std::vector<LiveRun> settle_orphans(Store& store, Executor& executor);

}  // namespace pionbench
