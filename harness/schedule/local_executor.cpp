#include "harness/schedule/local_executor.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/process.hpp>
#include <boost/process/extend.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/files.h"
#include "harness/schedule/process.h"

namespace pionbench {

namespace bp = boost::process;

struct LocalExecutor::Process {
  AttemptStart identity;
  std::optional<bp::child> child;  ///< nothing: adopted
};

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open_for_append(const std::filesystem::path& path) {
  File file(std::fopen(path.c_str(), "ae"));
  if (!file) throw UserError("cannot write " + path.string() + ": " + std::strerror(errno), kInternal);
  return file;
}

/// Between fork and exec: only calls that are safe there.
void prepare_child(pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kInterrupted);  // it died before the line above
#ifdef CLOSE_RANGE_CLOEXEC
  // The log and the database are not the worker's business.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

}  // namespace

LocalExecutor::LocalExecutor(std::filesystem::path worker) : worker_(std::move(worker)) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(worker_, error) || ::access(worker_.c_str(), X_OK) != 0)
    throw UserError("no worker program at " + worker_.string() + "; build it with ci/build, or see: pionbench doctor",
                    kInternal);
  worker_ = std::filesystem::absolute(worker_);
}

LocalExecutor::~LocalExecutor() {
  for (const auto& [run, process] : processes_)
    if (process->child) signal_run(run, SIGKILL);
}

AttemptStart LocalExecutor::start(const std::string& run, const std::filesystem::path& folder, int threads) {
  const File out = open_for_append(folder / "stdout.log"), err = open_for_append(folder / "stderr.log");
  bp::environment environment = boost::this_process::environment();
  for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}) environment[name] = std::to_string(threads);
  std::error_code error;
  auto process = std::make_unique<Process>();
  process->child.emplace(
      bp::exe = worker_.string(), bp::args = {std::string("run"), folder.string()}, environment,
      (bp::std_in < bp::null), (bp::std_out > out.get()), (bp::std_err > err.get()), error,
      bp::extend::on_exec_setup = [parent = ::getpid()](auto&) { prepare_child(parent); });
  if (error) throw UserError("cannot start " + worker_.string() + ": " + error.message(), kInternal);
  process->identity = identify_process(process->child->id());
  process->identity.started_at = utc_now();
  const AttemptStart identity = process->identity;
  processes_[run] = std::move(process);
  return identity;
}

void LocalExecutor::adopt(const std::string& run, const AttemptStart& start) {
  processes_[run] = std::make_unique<Process>(Process{start, std::nullopt});
}

std::optional<Ending> LocalExecutor::poll(const std::string& run) {
  Process& process = *processes_.at(run);
  Ending ending;
  if (!process.child) {
    if (is_alive(process.identity)) return std::nullopt;
  } else {
    std::error_code error;
    if (process.child->running(error)) return std::nullopt;
    const int status = process.child->native_exit_code();
    if (WIFSIGNALED(status))
      ending.signal = WTERMSIG(status);
    else
      ending.exit_code = WEXITSTATUS(status);
    // What the worker left behind would hold memory and cores beside the next run.
    ::kill(-process.identity.pid, SIGKILL);
  }
  processes_.erase(run);
  return ending;
}

void LocalExecutor::request_stop(const std::string& run) {
  signal_run(run, SIGTERM);
}
void LocalExecutor::kill(const std::string& run) {
  signal_run(run, SIGKILL);
}

void LocalExecutor::signal_run(const std::string& run, int signal) {
  const Process& process = *processes_.at(run);
  if (!process.child && !is_alive(process.identity)) return;  // its number may be somebody else's by now
  // Only the worker knows how to stop in order; its helpers go when they must.
  ::kill(signal == SIGKILL ? -process.identity.pid : process.identity.pid, signal);
}

}  // namespace pionbench
