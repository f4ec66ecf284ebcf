#pragma once
/// Where worker processes run. One more place (a cluster) = one more implementation; the scheduler only sees this.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/spec/resources.h"
#include "store/attempts.h"

namespace pionbench {

/// What a run needs: what its experiment asks for, completed by what the store knows of runs of its kind.
struct Demand {
  Resources resources;                         ///< `cores` is always set
  std::int64_t expected_memory_bytes = 0;      ///< highest seen, on the machine; 0 = nothing is known
  std::int64_t expected_gpu_memory_bytes = 0;  ///< highest seen, on one GPU
};

/// Room for a run, or what it waits for.
struct Placement {
  bool granted = false;
  int threads = 1;
  std::vector<std::string> devices = {};  ///< UUIDs of the GPUs that the run gets
  std::string waits = "";                 ///< otherwise: one sentence with the numbers
  bool never = false;                     ///< and it will never change (more GPUs than there are)
};

struct Launch {
  std::string run;
  std::filesystem::path folder;  ///< of the run; holds run.json
  Demand demand;
  Placement placement;
  int attempt = 1;
  int accumulation = 1;
  /// Makes the attempt durable. Must be called once, with who the worker is, and must have returned before the worker
  /// can do anything: a killed orchestrator then never leaves a worker that nobody knows of.
  std::function<void(const AttemptStart&)> record;
};

/// How a process ended. Neither code nor signal: it is gone and nobody can say how (it was another process's child).
struct Ending {
  std::optional<int> exit_code = {};
  std::optional<int> signal = {};
  std::optional<std::int64_t> peak_memory = {};      ///< bytes, where it was seen
  std::optional<std::int64_t> peak_gpu_memory = {};  ///< bytes on the fullest of its GPUs
  std::string disturbance = "";                      ///< AttemptEnd::disturbance
  std::string outcome = "";                          ///< where the place itself knows: "preempted", "timed out", ...
  std::string reason = "";                           ///< and why
  bool superseded = false;                           ///< a later attempt has begun: what the run says is not this one's
  bool memory_kill = false;                          ///< the kernel killed for memory on its machine
  std::optional<double> wall_seconds = {};           ///< of the attempt, where it was not watched from its start
};

class Executor {
 public:
  virtual ~Executor() = default;
  /// Whether there is room for such a run now. Reserves nothing: start() does. Default: always.
  virtual Placement place(const Demand& demand) {
    return {.granted = true, .threads = std::max(1, demand.resources.cores)};
  }
  /// Runs at once; 0: one per core of this machine.
  virtual int most_at_once() const { return 0; }
  /// Cores of a run that asks for none in particular; `share` is an equal part of this machine.
  virtual int default_cores(int share) const { return share; }
  /// Whether workers go on when this process ends. Then a request to stop leaves them, and so does a failure of ours.
  virtual bool outlives_us() const { return false; }
  /// Whether the run's worker is at work, and not still in a queue.
  virtual bool has_begun(const std::string&) const { return true; }
  /// Starts a worker on the run's folder and says who it is. Standard output and error are appended to stdout.log and
  /// stderr.log there. UserError when it cannot be started; nothing runs then.
  virtual AttemptStart start(const Launch& launch) = 0;
  /// Whether the worker that `start` names still is at work.
  virtual bool is_alive(const std::string& run, const AttemptStart& start) const;
  /// Ends whatever a worker that is gone, and that nobody watched, has left behind.
  virtual void end_leftovers(const std::string&, const AttemptStart&) {}
  /// Watches a worker that an earlier orchestrator started.
  virtual void adopt(const std::string& run, const AttemptStart& start) = 0;
  /// How the run's process ended; nothing while it lives. Afterwards the run is forgotten, and all that its worker
  /// started is gone.
  virtual std::optional<Ending> poll(const std::string& run) = 0;
  /// The run has reported its first step: what it needs, it has taken by now.
  virtual void warmed_up(const std::string&) {}
  /// Returns when a run may have ended, a signal came, or the time is up.
  virtual void wait(double seconds);
  /// Called a few times a second while runs are active or waiting: looks at memory, devices, other users.
  virtual void observe() {}
  /// What people should hear of, each once: a worker on a device that it was not given.
  virtual std::vector<std::string> take_warnings() { return {}; }
  /// Asks the worker to stop (checkpoint, then exit 75).
  virtual void request_stop(const std::string& run) = 0;
  /// Ends the worker and all that it started, at once.
  virtual void kill(const std::string& run) = 0;
};

}  // namespace pionbench
