#pragma once
/// From the way a process ended to what that means (docs/event-protocol.md, exit codes).

#include <string>

#include "harness/schedule/executor.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {

struct Circumstances {
  bool stop_requested = false;  ///< we asked for the end
  double time_limit_s = 0;      ///< we asked because this had passed; 0: not so
  bool memory_kill = false;     ///< the kernel killed for memory while it ran
  std::string stderr_tail;
};

/// Fills outcome, exit_code, signal, reason and (unless it is done) stderr_tail; attempt and times are the caller's.
AttemptEnd classify(const Ending& ending, const EventFacts& events, const Circumstances& circumstances);

}  // namespace pionbench
