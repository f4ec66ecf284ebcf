#pragma once
/// Workers as child processes on this machine. Each has its own process group (Ctrl-C on the terminal reaches us
/// alone; kill ends the whole group) and is told to stop (SIGTERM) when we die. Start from the main thread only: the
/// kernel ties that last promise to the thread, not to the process.

#include <map>
#include <memory>

#include "harness/schedule/executor.h"

namespace pionbench {

class LocalExecutor : public Executor {
 public:
  /// UserError when `worker` is no program.
  explicit LocalExecutor(std::filesystem::path worker);
  /// Kills what still runs.
  ~LocalExecutor() override;

  AttemptStart start(const std::string& run, const std::filesystem::path& folder, int threads) override;
  void adopt(const std::string& run, const AttemptStart& start) override;
  std::optional<Ending> poll(const std::string& run) override;
  void request_stop(const std::string& run) override;
  void kill(const std::string& run) override;

 private:
  struct Process;
  void signal_run(const std::string& run, int signal);

  std::filesystem::path worker_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
};

}  // namespace pionbench
