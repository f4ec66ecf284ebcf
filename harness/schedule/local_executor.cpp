#include "harness/schedule/local_executor.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/process.hpp>
#include <boost/process/extend.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/files.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/process.h"
#include "harness/schedule/user_program.h"

namespace pionbench {

namespace bp = boost::process;

struct LocalExecutor::Process {
  AttemptStart identity;
  std::string tag;
  std::optional<bp::child> child = {};  ///< nothing: adopted
  int handle = -1;                      ///< pidfd: readable once it has ended, also when it is no child of ours

  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (handle >= 0) ::close(handle);
  }
  void open_handle() { handle = static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)); }
};

namespace {

// Waits for one line on its standard input, then becomes the worker. At the end of the input (we are gone) it leaves.
constexpr const char* kGate = R"(read -r go && exec "$@" </dev/null; exit 75)";

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
void prepare_child() {
  ::setpgid(0, 0);
  ::signal(SIGPIPE, SIG_DFL);
#ifdef CLOSE_RANGE_CLOEXEC
  // The log, the database and the other gates are not the worker's business.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

/// Ends a child that was never let through the gate.
void discard(bp::child& child) {
  const pid_t pid = child.id();
  child.detach();
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

Machine::Sources LocalExecutor::default_sources() {
  return {.gpus = query_gpus, .free_memory = free_memory_bytes, .visible = environment("CUDA_VISIBLE_DEVICES")};
}

LocalExecutor::LocalExecutor(std::filesystem::path worker, int runs, Machine::Sources sources)
    : worker_(std::move(worker)),
      owner_(owner_name()),
      before_us_(children_of_this_process()),
      machine_(runs > 0 ? runs : available_cores(), available_cores(), std::move(sources)) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(worker_, error) || ::access(worker_.c_str(), X_OK) != 0)
    throw UserError("no worker program at " + worker_.string() + "; build it with ci/build, or see: pionbench doctor",
                    kInternal);
  worker_ = std::filesystem::absolute(worker_);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGPIPE, SIG_IGN);  // a worker may be killed while it waits at the gate: that is its end, not ours
}

LocalExecutor::~LocalExecutor() {
  for (auto& [run, process] : processes_) {
    if (!process->child) continue;
    signal_run(run, SIGKILL);
    discard(*process->child);
    end_stragglers(process->tag, /*was_ours=*/true);
  }
}

AttemptStart LocalExecutor::start(const Launch& launch) {
  const File out = open_for_append(launch.folder / "stdout.log"), err = open_for_append(launch.folder / "stderr.log");
  auto process = std::make_unique<Process>();
  process->tag = run_tag(launch.run, owner_);
  bp::environment variables = boost::this_process::environment();
  for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS"})
    variables[name] = std::to_string(launch.placement.threads);
  variables[kRunVariable] = process->tag;
  if (!launch.placement.devices.empty()) {
    variables["CUDA_VISIBLE_DEVICES"] = join(launch.placement.devices, ",");
    variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
  }
  std::vector<std::string> command = {"-c", kGate, "sh"};
  for (const auto& word : worker_command(worker_, launch.folder)) command.push_back(word);
  bp::opstream gate;
  std::error_code error;
  process->child.emplace(
      bp::exe = "/bin/sh", bp::args = command, variables, (bp::std_in < gate), (bp::std_out > out.get()),
      (bp::std_err > err.get()), error, bp::extend::on_exec_setup = [](auto&) { prepare_child(); });
  if (error) throw UserError("cannot start " + worker_.string() + ": " + error.message(), kInternal);
  AttemptStart identity = identify_process(process->child->id());
  identity.attempt = launch.attempt;
  identity.started_at = utc_now();
  identity.owner = owner_;
  identity.threads = launch.placement.threads;
  identity.accumulation = launch.accumulation;
  identity.devices = launch.placement.devices;
  try {
    launch.record(identity);
  } catch (...) {
    discard(*process->child);
    throw;
  }
  process->identity = identity;
  process->open_handle();
  machine_.occupy(launch.run, launch.demand, launch.placement, identity.pid);
  processes_[launch.run] = std::move(process);
  gate << "go" << std::endl;
  gate.pipe().close();
  return identity;
}

void LocalExecutor::end_leftovers(const std::string& run, const AttemptStart& start) {
  if (!start.owner.empty()) end_stragglers(run_tag(run, start.owner), /*was_ours=*/false);
}

void LocalExecutor::adopt(const std::string& run, const AttemptStart& start) {
  auto process = std::make_unique<Process>();
  process->identity = start;
  process->tag = run_tag(run, start.owner);
  process->open_handle();
  processes_[run] = std::move(process);
  // What it needs is not known, so nobody is packed beside it; its memory is taken already.
  Demand demand;
  demand.resources.gpus = static_cast<int>(start.devices.size());
  demand.resources.cores = start.threads;
  machine_.occupy(run, demand, {.granted = true, .threads = start.threads, .devices = start.devices}, start.pid);
  machine_.warmed_up(run);
}

std::optional<Ending> LocalExecutor::poll(const std::string& run) {
  Process& process = *processes_.at(run);
  const bool was_ours = process.child.has_value();
  const pid_t pid = process.identity.pid;
  Ending ending;
  if (!was_ours) {
    if (pionbench::is_alive(process.identity)) return std::nullopt;
    end_stragglers(process.tag, was_ours);
    const Ending used = machine_.release(run);
    processes_.erase(run);
    return used;
  }
  // Look first and reap later: until it is reaped, its number and its group's are nobody else's.
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
    return std::nullopt;
  ::kill(-pid, SIGKILL);  // what the worker left behind would hold memory and cores beside the next run
  process.child->detach();
  int status = 0;
  rusage usage{};
  pid_t reaped;
  do reaped = ::wait4(pid, &status, 0, &usage);
  while (reaped < 0 && errno == EINTR);
  end_stragglers(process.tag, was_ours);
  ending = machine_.release(run);
  if (reaped == pid) {
    if (WIFSIGNALED(status))
      ending.signal = WTERMSIG(status);
    else
      ending.exit_code = WEXITSTATUS(status);
    ending.peak_memory = std::int64_t{usage.ru_maxrss} << 10;
  }
  processes_.erase(run);
  return ending;
}

void LocalExecutor::wait(double seconds) {
  std::vector<pollfd> ends;
  for (const auto& [run, process] : processes_)
    if (process->handle >= 0) ends.push_back({process->handle, POLLIN, 0});
  // A kernel without pidfds (before 5.3) is asked fifty times a second instead.
  if (ends.size() < processes_.size()) seconds = std::min(seconds, 0.02);
  ::poll(ends.data(), ends.size(), static_cast<int>(seconds * 1000));
}

void LocalExecutor::request_stop(const std::string& run) {
  signal_run(run, SIGTERM);
}
void LocalExecutor::kill(const std::string& run) {
  signal_run(run, SIGKILL);
}

void LocalExecutor::signal_run(const std::string& run, int signal) {
  const Process& process = *processes_.at(run);
  if (!process.child && !pionbench::is_alive(process.identity)) return;  // its number may be somebody else's by now
  // Only the worker knows how to stop in order; its helpers go when they must.
  ::kill(signal == SIGKILL ? -process.identity.pid : process.identity.pid, signal);
}

void LocalExecutor::end_stragglers(const std::string& tag, bool was_ours) {
  const auto is_worker = [&](int pid) {
    return std::ranges::any_of(processes_, [&](const auto& p) { return p.second->identity.pid == pid; });
  };
  // An orphan without a tag cleared its environment. It is this run's for certain when no other run is active.
  const bool is_last = std::ranges::none_of(processes_, [&](const auto& p) { return p.second->tag != tag; });
  // Each round ends one generation; what the dead had started becomes ours in turn. One empty round proves nothing: a
  // process that was listed may have forked and ended before it was looked at, and its child stands in the next list.
  int empty_rounds = 0;
  for (int round = 0; round < 100 && empty_rounds < 2; ++round) {
    bool found = false;
    for (const int pid : was_ours ? children_of_this_process() : processes_with_run_tag(tag)) {
      if (is_worker(pid) || std::ranges::find(before_us_, pid) != before_us_.end()) continue;
      if (::waitpid(pid, nullptr, WNOHANG) == pid) continue;  // a zombie has no environment left to read
      const auto its = run_tag_of(pid);
      if (its ? *its != tag : !is_last) continue;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);  // not our child: returns at once
      found = true;
    }
    empty_rounds = found ? 0 : empty_rounds + 1;
  }
}

}  // namespace pionbench
