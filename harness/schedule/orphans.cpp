#include "harness/schedule/orphans.h"

#include <chrono>
#include <cmath>

#include "core/files.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "store/spool.h"

namespace pionbench {
namespace {

constexpr double kSilenceSeconds = 600;

/// Whether the spool was written within the last ten minutes, by a wall clock that may have leaped either way.
bool is_growing(const std::filesystem::path& folder) {
  const auto stamp = file_stamp(folder / "events.jsonl");
  if (!stamp) return false;
  using namespace std::chrono;
  const auto now = duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
  return std::abs(static_cast<double>(now - stamp->modified_ns)) < kSilenceSeconds * 1e9;
}

}  // namespace

std::vector<LiveRun> settle_orphans(Store& store, Executor& executor) {
  std::vector<LiveRun> alive;
  std::vector<std::string> settled;
  for (const auto& row : store.runs()) {
    if (row.state != RunState::kRunning) continue;
    const auto folder = store.out() / "runs" / row.run;
    const auto attempts = read_attempt_facts(folder);
    if (attempts.unended) {
      // What is in a cluster's queue is the executor's to find, on whichever machine it runs.
      const bool elsewhere = attempts.unended->job.empty() && is_elsewhere(*attempts.unended);
      if (elsewhere ? read_event_facts(folder).finished.empty() && is_growing(folder)
                    : executor.is_alive(row.run, *attempts.unended)) {
        alive.push_back({row.run, row.cell, *attempts.unended, elsewhere});
        continue;
      }
      if (!elsewhere) executor.end_leftovers(row.run, *attempts.unended);
    }
    // Only now: what is read while it lives may lack its last words.
    const auto events = read_event_facts(folder);
    auto end = classify({}, events, {.stderr_tail = tail_of(folder / "stderr.log", 0)});
    // Without a recorded start nothing ever ran: the worker waits for that record.
    end.attempt = attempts.unended ? attempts.unended->attempt : attempts.last + 1;
    if (!attempts.unended && end.outcome == "lost") end.reason = "its orchestrator was killed before it began";
    end.ended_at = utc_now();
    end.wall_seconds = events.last_t;
    append_attempt(folder, end);
    settled.push_back(row.run);
  }
  if (!settled.empty()) store.ingest(settled);
  return alive;
}

}  // namespace pionbench
