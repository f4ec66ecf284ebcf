#pragma once
/// A program run without a shell, its output kept.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace pionbench {

struct SubprocessResult {
  int exit_code = -1;  ///< 127: there is no such program; 128 + n: ended by signal n; 124: ended by us, too slow
  std::string output;
  std::string errors;
  bool ok() const { return exit_code == 0; }
  /// What it said went wrong: the last line of its errors, else its exit code.
  std::string complaint() const;
};

/// One running program. Its output goes to memory, so it never waits for us to read.
class Subprocess {
 public:
  /// Starts `argv[0]`, searched on PATH, without standard input. Variables whose names begin with one of
  /// `without_variables` are not handed on.
  explicit Subprocess(const std::vector<std::string>& argv, const std::vector<std::string>& without_variables = {});
  /// Kills it if it still runs.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  /// Its result once it has ended; kills it first when it has run longer than `limit_s`.
  std::optional<SubprocessResult> poll(double limit_s);
  SubprocessResult wait(double limit_s);

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
  double began_ = 0;
  bool timed_out_ = false;
};

/// Starts it and waits.
SubprocessResult run_program(const std::vector<std::string>& argv, double limit_s,
                             const std::vector<std::string>& without_variables = {});

/// Its standard output without the newlines at the end; nothing where there is no such program or it fails.
std::optional<std::string> output_of(const std::vector<std::string>& argv, double limit_s = 60);

}  // namespace pionbench
