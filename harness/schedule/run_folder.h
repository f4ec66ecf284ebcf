#pragma once
/// What a run's folder says, read straight from its spools.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/attempts.h"

namespace pionbench {

/// What events.jsonl says of how far the run is.
struct EventFacts {
  std::string finished;     ///< status of `run_finished`; "" without one
  std::string reason;       ///< why it diverged
  bool checkpoint = false;  ///< a checkpoint was written and its file is there
  double last_t = 0;        ///< seconds since the last attempt began, by its last event
};

/// Reads the whole spool; a missing one says nothing.
EventFacts read_event_facts(const std::filesystem::path& run_folder);

struct AttemptFacts {
  int last = 0;                         ///< the highest attempt number; 0: none was recorded
  std::optional<AttemptStart> unended;  ///< the last attempt, when its end is not recorded
};

AttemptFacts read_attempt_facts(const std::filesystem::path& run_folder);

/// The last `count` lines of a text file from byte `offset` on; "" when there is none.
std::string tail_of(const std::filesystem::path& path, std::uintmax_t offset, int count = 20);

/// The last line that is not blank.
std::string last_line(const std::string& text);

/// "<first 12 digits of the cell>.<n>" with the smallest n that has no folder yet.
std::string next_run_name(const std::filesystem::path& runs, const std::string& cell);
/// The n of such a name; 0 when it is none.
int run_number(const std::string& run);

}  // namespace pionbench
