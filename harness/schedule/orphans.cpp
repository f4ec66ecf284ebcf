#include "harness/schedule/orphans.h"

#include "core/files.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {

std::vector<LiveRun> settle_orphans(Store& store) {
  std::vector<LiveRun> alive;
  std::vector<std::string> settled;
  for (const auto& row : store.runs()) {
    if (row.state != RunState::kRunning) continue;
    const auto folder = store.out() / "runs" / row.run;
    const auto attempts = read_attempt_facts(folder);
    if (attempts.unended && is_alive(*attempts.unended)) {
      alive.push_back({row.run, row.cell});
      continue;
    }
    const auto events = read_event_facts(folder);
    auto end = classify({}, events, {.stderr_tail = tail_of(folder / "stderr.log", 0)});
    // Without a recorded start the orchestrator died between writing run.json and noting the process.
    end.attempt = attempts.unended ? attempts.unended->attempt : attempts.last + 1;
    end.ended_at = utc_now();
    end.wall_seconds = events.last_t;
    append_attempt(folder, end);
    settled.push_back(row.run);
  }
  if (!settled.empty()) store.ingest(settled);
  return alive;
}

}  // namespace pionbench
