#pragma once
/// Workers as child processes on this machine.
///
/// Start    behind a gate: the process exists and is recorded before the worker's program begins. Should we be killed
///          in between, the gate closes and nothing runs.
/// Life     its own process group (Ctrl-C on the terminal reaches us alone). It outlives us: an orchestrator that is
///          killed and started again finds it by its lease and waits for it.
/// End      whatever it started is ended with it: its group at once, and processes that left the group by the
///          variable that they inherit (process.h) and because orphans below us become our children
///          (PR_SET_CHILD_SUBREAPER). Only a program that leaves its group and clears its environment below a worker
///          that an earlier orchestrator started escapes: that needs control groups, which most containers deny us.

#include <map>
#include <memory>

#include "harness/schedule/executor.h"
#include "harness/schedule/machine.h"

namespace pionbench {

class LocalExecutor : public Executor {
 public:
  /// UserError when `worker` is no program. `runs` 0: one for each core.
  explicit LocalExecutor(std::filesystem::path worker, int runs = 0, Machine::Sources sources = default_sources());
  /// Kills the workers that it started and that still run.
  ~LocalExecutor() override;

  Placement place(const Demand& demand) override { return machine_.place(demand); }
  AttemptStart start(const Launch& launch) override;
  void end_leftovers(const std::string& run, const AttemptStart& start) override;
  void adopt(const std::string& run, const AttemptStart& start) override;
  std::optional<Ending> poll(const std::string& run) override;
  void warmed_up(const std::string& run) override { machine_.warmed_up(run); }
  void wait(double seconds) override;
  void observe() override { machine_.observe(); }
  void request_stop(const std::string& run) override;
  void kill(const std::string& run) override;
  std::vector<std::string> take_warnings() override { return machine_.take_warnings(); }

  /// nvidia-smi, /proc and this process's CUDA_VISIBLE_DEVICES.
  static Machine::Sources default_sources();

 private:
  struct Process;
  void signal_run(const std::string& run, int signal);
  /// Ends what the run's worker left behind outside its process group.
  void end_stragglers(const std::string& tag, bool was_ours);

  std::filesystem::path worker_;
  std::string owner_;
  std::vector<int> before_us_;  ///< children of this process that are no worker's
  Machine machine_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
};

}  // namespace pionbench
