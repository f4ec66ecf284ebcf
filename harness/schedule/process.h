#pragma once
/// Telling one process from a later one that got its number.

#include "harness/store/attempts.h"

namespace pionbench {

/// Who `pid` is on this machine: host, boot, start time. `attempt` and `started_at` are left to the caller.
AttemptStart identify_process(int pid);

/// Whether the very process that `start` names is still there (a zombie is not).
bool is_alive(const AttemptStart& start);

}  // namespace pionbench
