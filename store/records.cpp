#include "store/records.h"

#include <array>

#include "core/error.h"

namespace pionbench {
namespace {

constexpr std::array kStateNames = {
    std::pair{RunState::kRunning, "running"},
    std::pair{RunState::kDone, "done"},
    std::pair{RunState::kDiverged, "diverged"},
    std::pair{RunState::kFailed, "failed"},
    std::pair{RunState::kOutOfMemory, "out of memory"},
    std::pair{RunState::kInterrupted, "interrupted"},
    std::pair{RunState::kPreempted, "preempted"},
    std::pair{RunState::kTimedOut, "timed out"},
    std::pair{RunState::kLost, "lost"},
};

}  // namespace

std::string to_string(RunState state) {
  for (const auto& [value, name] : kStateNames)
    if (value == state) return name;
  throw std::logic_error("a run state without a name");
}

RunState run_state_from_string(const std::string& text) {
  std::vector<std::string> known;
  for (const auto& [value, name] : kStateNames) {
    if (name == text) return value;
    known.emplace_back(name);
  }
  throw UserError(unknown_name("run state", text, known));
}

bool is_finished(RunState state) {
  return state == RunState::kDone || state == RunState::kDiverged;
}

bool is_resumable(RunState state) {
  return state == RunState::kInterrupted || state == RunState::kPreempted || state == RunState::kTimedOut ||
         state == RunState::kLost;
}

}  // namespace pionbench
