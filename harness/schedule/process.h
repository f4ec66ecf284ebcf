#pragma once
/// Telling one process from a later one that got its number, and finding what a worker left behind.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/attempts.h"

namespace pionbench {

/// Who `pid` is on this machine: host, boot, start time. The rest is left to the caller.
AttemptStart identify_process(int pid);

/// Whether the very process that `start` names is still there (a zombie is not). Independent of the wall clock: the
/// kernel counts start times from its boot.
bool is_alive(const AttemptStart& start);

/// Whether `start` was written on another machine, about whose processes nothing can be known here.
bool is_elsewhere(const AttemptStart& start);

/// Seconds since the process began, by the clock that counts from boot; nothing when it is not alive.
std::optional<double> running_seconds(const AttemptStart& start);

/// "<host>:<pid>:<start time>" of this process: no two orchestrators share it, however the wall clock jumps.
std::string owner_name();

/// Every process that a worker starts inherits PIONBENCH_RUN=<this>, through forks, new sessions and daemons.
inline constexpr const char* kRunVariable = "PIONBENCH_RUN";
std::string run_tag(const std::string& run, const std::string& owner);

/// The tag that a process was started with; nothing when it has none, is gone or is somebody else's.
std::optional<std::string> run_tag_of(int pid);
/// All processes of this machine that have one, with it. Cost: one small file for each process that there is.
std::vector<std::pair<int, std::string>> processes_with_any_run_tag();
std::vector<int> processes_with_run_tag(const std::string& tag);

/// The live and the ended, not yet reaped, children of this process.
std::vector<int> children_of_this_process();

/// The process group of `pid`; 0 when it is gone.
int process_group(int pid);

/// Resident bytes of `pid`; 0 when it is gone.
std::int64_t resident_bytes(int pid);

}  // namespace pionbench
