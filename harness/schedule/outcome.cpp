#include "harness/schedule/outcome.h"

#include <csignal>
#include <cstring>

#include "core/error.h"

namespace pionbench {
namespace {

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

struct Verdict {
  std::string outcome;
  std::string reason;
};

Verdict by_events(const EventFacts& events, const char* otherwise, const std::string& why) {
  if (events.finished.empty()) return {otherwise, why};
  return {events.finished, events.reason};
}

Verdict by_signal(int signal, const std::string& prefix, const Circumstances& c) {
  const std::string killed = prefix + "killed by " + signal_name(signal);
  if (c.stop_requested) return {"interrupted", killed + " on request"};
  if (signal == SIGKILL && c.memory_kill) return {"out of memory", killed + ": the machine ran out of memory"};
  const std::string last = last_line(c.stderr_tail);
  return {"failed", last.empty() ? killed : killed + ": " + last};
}

Verdict by_exit_code(int code, const EventFacts& events, const Circumstances& c) {
  switch (code) {
    case kDone:
      return by_events(events, "failed", "ended without run_finished");
    case kDiverged:
      return by_events(events, "failed", "exit code 77 without run_finished");
    case kInterrupted:
      return {"interrupted", "stopped on request"};
    case kOutOfMemory: {
      const std::string last = last_line(c.stderr_tail);
      return {"out of memory", last.empty() ? "out of memory" : last};
    }
    default:
      break;
  }
  // Shells and container runtimes hand a child's signal on as 128 + its number.
  if (code > 128 && code < 128 + NSIG) return by_signal(code - 128, "exit code " + std::to_string(code) + ", ", c);
  const std::string last = last_line(c.stderr_tail);
  return {"failed", last.empty() ? "exit code " + std::to_string(code) : last};
}

}  // namespace

AttemptEnd classify(const Ending& ending, const EventFacts& events, const Circumstances& circumstances) {
  Verdict verdict;
  if (ending.exit_code)
    verdict = by_exit_code(*ending.exit_code, events, circumstances);
  else if (ending.signal)
    verdict = by_signal(*ending.signal, "", circumstances);
  else
    verdict = by_events(events, "lost", "its process vanished without an end");
  AttemptEnd out;
  out.outcome = verdict.outcome;
  out.reason = verdict.reason;
  out.exit_code = ending.exit_code;
  out.signal = ending.signal;
  if (out.outcome != "done") out.stderr_tail = circumstances.stderr_tail;
  return out;
}

}  // namespace pionbench
