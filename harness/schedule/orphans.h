#pragma once
/// Runs that an orchestrator left behind when it was killed.

#include <string>
#include <vector>

#include "harness/store/store.h"

namespace pionbench {

struct LiveRun {
  std::string run;
  std::string cell;
};

/// Looks at every run that the store takes for running. Those whose process is gone get their end recorded (done or
/// diverged when their events say so, else lost), and the store takes it. Returns those that are still alive.
/// Call it while holding OutLock, after an ingest: otherwise another orchestrator's runs look like orphans.
std::vector<LiveRun> settle_orphans(Store& store);

}  // namespace pionbench
