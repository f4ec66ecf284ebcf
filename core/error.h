#pragma once
/// Errors and exit codes shared by every program here. Standard library only.
///
/// A `UserError` is a mistake that the user can mend. It is thrown where it is found, caught once in `main`,
/// and printed as one message without a stack trace: where, what came, what is allowed, what to do.
/// Everything else that escapes is our own bug and ends with `ExitCode::kInternal`.

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench {

/// Documented in docs/architecture.md. The worker uses kDone, kBadConfig, kInternal and from kInterrupted on.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,        ///< a run failed, or a gate regressed
  kUsage = 2,         ///< the command line was wrong
  kUndecided = 3,     ///< gate, claims: not enough evidence
  kBadConfig = 64,    ///< a bad experiment, setting or file; running it again cannot help
  kInternal = 70,     ///< our bug, or the machine's fault
  kInterrupted = 75,  ///< stopped on request; running it again goes on
  kOutOfMemory = 76,
  kDiverged = 77,  ///< a result, not a failure: the run counts as a miss
};

class UserError : public std::runtime_error {
 public:
  explicit UserError(const std::string& message, int exit_code = kBadConfig)
      : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

/// Levenshtein distance with adjacent transpositions; O(|a|·|b|).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name`, or "" when none is close enough to be a likely slip
/// (more than a third of its length, and more than 2 edits, away).
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// "unknown KIND "NAME"; did you mean "X"? known: a, b, c" (the middle part only when something is near).
std::string unknown_name(std::string_view kind, std::string_view name, const std::vector<std::string>& known);

/// Items joined by `separator`.
std::string join(std::span<const std::string> items, std::string_view separator);

}  // namespace pionbench
