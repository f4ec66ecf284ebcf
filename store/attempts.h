#pragma once
/// The orchestrator's spool, <out>/runs/<run>/attempts.jsonl: how each process of a run began and ended. Together
/// with events.jsonl and run.json it is all that the store knows of a run.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/catalog.h"

namespace pionbench {

/// A lease on a run: who works on it, and who put it to work. It is written before the worker may begin, and holds
/// until its end is written or that very process is gone.
struct AttemptStart {
  int attempt = 1;
  std::string started_at;  ///< UTC
  std::string host;
  std::string boot_id;
  int pid = 0;
  std::int64_t pid_start = 0;  ///< /proc/<pid>/stat field 22; tells a process from a later one with its number
  std::string owner = "";      ///< the orchestrator that started it, owner_name()
  int threads = 1;
  int accumulation = 1;                   ///< RunRequest::accumulation
  std::vector<std::string> devices = {};  ///< UUIDs of the GPUs it was given
  std::string job = "";  ///< "slurm:<batch>.<task>" in a cluster's queue, where host and pid may not be known yet
};

struct AttemptEnd {
  int attempt = 1;
  std::string ended_at;
  std::string outcome;  ///< to_string of a RunState other than running
  std::optional<int> exit_code;
  std::optional<int> signal;
  double wall_seconds = 0;
  std::string reason;                                   ///< one line
  std::string stderr_tail;                              ///< last 20 lines at most, empty when done
  std::optional<std::int64_t> peak_memory = {};         ///< bytes of the machine's memory, where it was seen
  std::optional<std::int64_t> peak_device_memory = {};  ///< bytes on the fullest GPU, by nvidia-smi, context included
  std::string disturbance = "";  ///< what else ran on its device, or throttled it, while it ran; "" = nothing seen
};

/// Appends {"type":"attempt_started", ...} durably.
void append_attempt(const std::filesystem::path& run_folder, const AttemptStart& start);
/// Appends {"type":"attempt_ended", ...} durably.
void append_attempt(const std::filesystem::path& run_folder, const AttemptEnd& end);

Json to_json(const AttemptStart& start);
Json to_json(const AttemptEnd& end);
AttemptStart attempt_start_from_json(const Json& json);
AttemptEnd attempt_end_from_json(const Json& json);

}  // namespace pionbench
