#pragma once
/// <run>/node.jsonl: what happened to a run on the node that worked on it. The node alone writes it, one whole line a
/// time; the orchestrator turns it into attempts.jsonl. It is how an end is known without Slurm's accounting, and while
/// nobody was looking.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "core/catalog.h"

namespace pionbench {

struct NodeStart {
  int attempt = 1;
  std::string batch;
  int task = 0;
  std::string job;  ///< "22_3" at that time, for people
  std::string started_at;
  std::string host;
  std::string boot_id;
  int pid = 0;
  std::int64_t pid_start = 0;
};

struct NodeEnd {
  int attempt = 1;
  std::string ended_at;
  std::optional<int> exit_code;
  std::optional<int> signal;
  double wall_seconds = 0;
  std::string told;          ///< the signal that told it to stop: "USR2", "TERM"; "" = none
  bool memory_kill = false;  ///< the kernel killed for memory while it ran
  bool requeue = false;      ///< it goes back into the queue
  std::string reason;        ///< why the node ended it without running it; "" otherwise
};

void append_node(const std::filesystem::path& run_folder, const NodeStart& start);
void append_node(const std::filesystem::path& run_folder, const NodeEnd& end);

/// By attempt.
struct NodeFacts {
  std::map<int, NodeStart> starts;
  std::map<int, NodeEnd> ends;
  int last() const { return starts.empty() ? 0 : starts.rbegin()->first; }
};

/// Damaged and torn lines are passed over; no file says nothing.
NodeFacts read_node_facts(const std::filesystem::path& run_folder);

/// The count in <run>/heartbeat; -1 when there is none.
std::int64_t read_heartbeat(const std::filesystem::path& run_folder);
void write_heartbeat(const std::filesystem::path& run_folder, std::int64_t count);

}  // namespace pionbench
