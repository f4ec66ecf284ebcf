#pragma once
/// Where worker processes run. One more place (a cluster) = one more implementation; the scheduler only sees this.

#include <filesystem>
#include <optional>
#include <string>

#include "harness/store/attempts.h"

namespace pionbench {

/// How a process ended. Neither: it is gone and nobody can say how (it was another process's child).
struct Ending {
  std::optional<int> exit_code;
  std::optional<int> signal;
};

class Executor {
 public:
  virtual ~Executor() = default;
  /// Starts a worker on the run's folder (which holds run.json) and says who it is. Standard output and error are
  /// appended to stdout.log and stderr.log there. UserError when it cannot be started.
  virtual AttemptStart start(const std::string& run, const std::filesystem::path& folder, int threads) = 0;
  /// Watches a worker that an earlier process started.
  virtual void adopt(const std::string& run, const AttemptStart& start) = 0;
  /// How the run's process ended; nothing while it lives. Afterwards the run is forgotten.
  virtual std::optional<Ending> poll(const std::string& run) = 0;
  /// Asks the worker to stop (checkpoint, then exit 75).
  virtual void request_stop(const std::string& run) = 0;
  /// Ends the worker and all that it started, at once.
  virtual void kill(const std::string& run) = 0;
};

}  // namespace pionbench
