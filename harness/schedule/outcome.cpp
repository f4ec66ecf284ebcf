#include "harness/schedule/outcome.h"

#include <csignal>
#include <cstring>

#include "core/error.h"
#include "harness/schedule/progress.h"

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

/// Stopped by its limit, by us or by somebody else.
Verdict stopped(const Circumstances& c, const std::string& how) {
  if (c.time_limit_s > 0) return {"timed out", how + " at its time limit of " + duration_text(c.time_limit_s)};
  if (c.stop_requested) return {"interrupted", how + " on request"};
  return {"preempted", how + " from outside"};
}

/// Programs that do not know exit code 76 say it in words.
bool speaks_of_memory(const std::string& text) {
  for (const char* words : {"CUDA out of memory", "OutOfMemoryError", "std::bad_alloc", "Cannot allocate memory",
                            "CUBLAS_STATUS_ALLOC_FAILED", "RESOURCE_EXHAUSTED"})
    if (text.find(words) != std::string::npos) return true;
  return false;
}

Verdict failed(const std::string& reason, const Circumstances& c) {
  return {speaks_of_memory(c.stderr_tail) ? "out of memory" : "failed", reason};
}

Verdict by_signal(int signal, const std::string& prefix, const EventFacts& events, const Circumstances& c) {
  const std::string killed = prefix + "killed by " + signal_name(signal);
  // After its last word it may be ended by whoever: nothing is missing. A crash is another matter.
  const bool by_somebody = signal == SIGKILL || signal == SIGTERM || signal == SIGUSR2;
  if (by_somebody && !events.finished.empty()) return {events.finished, events.reason};
  if (c.stop_requested || c.time_limit_s > 0) return stopped(c, killed);
  if (signal == SIGKILL && c.memory_kill) return {"out of memory", killed + ": the machine ran out of memory"};
  // How a preempting scheduler speaks to a program that does not listen.
  if (signal == SIGTERM || signal == SIGUSR2) return stopped(c, killed);
  const std::string last = last_line(c.stderr_tail);
  return failed(last.empty() ? killed : killed + ": " + last, c);
}

Verdict by_exit_code(int code, const EventFacts& events, const Circumstances& c) {
  switch (code) {
    case kDone:
      return by_events(events, "failed", "ended without run_finished");
    case kDiverged:
      return by_events(events, "failed", "exit code 77 without run_finished");
    case kInterrupted:
      return stopped(c, "stopped");
    case kOutOfMemory: {
      const std::string last = last_line(c.stderr_tail);
      return {"out of memory", last.empty() ? "out of memory" : last};
    }
    default:
      break;
  }
  // Shells and container runtimes hand a child's signal on as 128 + its number.
  if (code > 128 && code < 128 + NSIG)
    return by_signal(code - 128, "exit code " + std::to_string(code) + ", ", events, c);
  const std::string last = last_line(c.stderr_tail);
  return failed(last.empty() ? "exit code " + std::to_string(code) : last, c);
}

}  // namespace

AttemptEnd classify(const Ending& ending, const EventFacts& events, const Circumstances& circumstances) {
  Verdict verdict;
  if (ending.superseded)
    verdict = {ending.outcome, ending.reason};
  else if (ending.exit_code)
    verdict = by_exit_code(*ending.exit_code, events, circumstances);
  else if (ending.signal)
    verdict = by_signal(*ending.signal, "", events, circumstances);
  else if (events.finished.empty() && (circumstances.stop_requested || circumstances.time_limit_s > 0))
    verdict = stopped(circumstances, "stopped");
  else
    verdict = by_events(events, "lost", "its process vanished without an end");
  // The place where it ran may know better, but not than its own last word.
  if (events.finished.empty() && !ending.outcome.empty()) verdict = {ending.outcome, ending.reason};
  if (events.finished.empty() && !ending.reason.empty()) verdict.reason = ending.reason;
  AttemptEnd out;
  out.outcome = verdict.outcome;
  out.reason = verdict.reason;
  out.exit_code = ending.exit_code;
  out.signal = ending.signal;
  out.peak_memory = ending.peak_memory;
  out.peak_device_memory = ending.peak_gpu_memory;
  out.disturbance = ending.disturbance;
  if (out.outcome != "done") out.stderr_tail = circumstances.stderr_tail;
  return out;
}

}  // namespace pionbench
