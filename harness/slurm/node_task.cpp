#include "harness/slurm/node_task.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "common/subprocess.h"
#include "core/error.h"
#include "core/files.h"
#include "core/run_request.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/user_program.h"
#include "harness/slurm/batch.h"
#include "harness/slurm/node_spool.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr double kSlurmAnswer_s = 30;

/// The signals that this program waits for instead of being interrupted by them.
sigset_t awaited_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGUSR2, SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

int open_log(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) throw UserError("cannot write " + path.string() + ": " + std::strerror(errno), kInternal);
  return fd;
}

class Worker {
 public:
  /// Forks; the child waits until release().
  Worker(const std::vector<std::string>& command, const fs::path& folder, int threads) {
    const int out = open_log(folder / "stdout.log"), err = open_log(folder / "stderr.log");
    std::array<int, 2> gate;
    if (::pipe2(gate.data(), O_CLOEXEC) != 0)
      throw UserError(std::string("cannot make a pipe: ") + std::strerror(errno), kInternal);
    for (const char* name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}) ::setenv(name, std::to_string(threads).c_str(), 1);
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw UserError(std::string("cannot start a process: ") + std::strerror(errno), kInternal);
    if (pid_ == 0) {  // only calls that are safe between fork and exec
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      ::close(gate[1]);
      char go = 0;
      if (::read(gate[0], &go, 1) != 1 || ::getppid() != parent) ::_exit(kInterrupted);
      sigset_t none;
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      const int null = ::open("/dev/null", O_RDONLY);
      ::dup2(null, STDIN_FILENO);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(err, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      const char* why = ::strerror(errno);
      for (const char* part : {"cannot start ", const_cast<const char*>(argv[0]), ": ", why, "\n"})
        if (::write(STDERR_FILENO, part, ::strlen(part)) < 0) break;
      ::_exit(kInternal);
    }
    ::close(gate[0]);
    ::close(out);
    ::close(err);
    gate_ = gate[1];
  }
  ~Worker() {
    if (gate_ >= 0) ::close(gate_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  pid_t pid() const { return pid_; }
  void release() {
    [[maybe_unused]] const auto written = ::write(gate_, "g", 1);
    ::close(gate_);
    gate_ = -1;
  }
  void tell_to_stop() const { ::kill(pid_, SIGTERM); }
  void kill() const { ::kill(-pid_, SIGKILL); }

 private:
  pid_t pid_ = -1;
  int gate_ = -1;
};

/// Ends and reaps every child left, generation after generation: this process is the reaper of orphans below it.
void end_stragglers() {
  for (int round = 0; round < 1000; ++round) {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (int pid = 0; children >> pid;) ::kill(pid, SIGKILL);
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

/// Whether Slurm has the job running, not cancelled by its user: only then does it go back into the queue.
bool is_wanted(const std::string& job) {
  const auto state = run_program({"squeue", "-h", "-j", job, "-o", "%T"}, kSlurmAnswer_s);
  return state.ok() && (state.output.starts_with("RUNNING") || state.output.starts_with("SIGNALING") ||
                        state.output.starts_with("PREEMPTED"));
}

class TaskRun {
 public:
  explicit TaskRun(const NodeTask& task) : task_(task), batch_(read_batch(task.batch_folder)) {
    if (task.task < 0 || task.task >= static_cast<int>(batch_.tasks.size()))
      throw UserError((task.batch_folder / "tasks.json").string() + ": there is no task " + std::to_string(task.task));
    folder_ = batch_.tasks[static_cast<std::size_t>(task.task)].folder;
  }

  int run() {
    const sigset_t signals = awaited_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    if (!may_begin()) {
      std::fprintf(stderr, "%s: another job has taken this run over; nothing to do\n", folder_.c_str());
      return kDone;
    }
    const fs::path file = folder_ / "run.json";
    request_ = run_request_from_json(Json::parse(read_file(file), nullptr, false), file.string());
    const NodeFacts before = read_node_facts(folder_);
    attempt_ = std::max(request_.attempt, before.last() + 1);
    // Began here before: Slurm has put the task back into the queue by itself. Starting over in the same folder would
    // count the lost work's seconds twice; a new run is the orchestrator's to begin.
    const bool is_requeued = std::ranges::any_of(
        before.starts, [&](const auto& s) { return s.second.batch == batch_.id && s.second.task == task_.task; });
    if (is_requeued && !read_event_facts(folder_).checkpoint) {
      began_ = steady_seconds();
      append_node(folder_, start_of(::getpid()));
      return end({.exit_code = kInterrupted, .reason = "back from the queue without a checkpoint to go on from"});
    }
    if (attempt_ != request_.attempt) {
      request_.attempt = attempt_;
      write_file_atomic(file, to_json(request_).dump(2) + "\n");
    }
    return watch();
  }

 private:
  bool is_ours(const Lease& lease) const { return lease.batch == batch_.id && lease.task == task_.task && !lease.stop; }
  bool may_begin() const {
    const auto lease = read_lease(folder_);
    return lease && is_ours(*lease);
  }
  /// A lease that cannot be read for a moment (a file server that restarts) is no order to stop.
  bool may_go_on() const {
    const auto lease = read_lease(folder_);
    return !lease || is_ours(*lease);
  }

  NodeStart start_of(pid_t pid) const {
    const AttemptStart who = identify_process(pid);
    return {attempt_, batch_.id, task_.task, task_.job, utc_now(), who.host, who.boot_id, who.pid, who.pid_start};
  }

  int watch() {
    const sigset_t signals = awaited_signals();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const long memory_kills = out_of_memory_kills();
    began_ = steady_seconds();
    Worker worker(worker_command(batch_.worker, folder_), folder_, request_.threads);
    append_node(folder_, start_of(worker.pid()));
    write_heartbeat(folder_, beats_);
    worker.release();

    int status = 0;
    while (!reap(worker.pid(), status)) {
      const timespec second = {std::min<time_t>(1, static_cast<time_t>(task_.heartbeat_s)),
                               task_.heartbeat_s < 1 ? static_cast<long>(task_.heartbeat_s * 1e9) : 0};
      const int signal = ::sigtimedwait(&signals, nullptr, &second);
      if (signal > 0 && signal != SIGCHLD) {
        if (told_.empty()) told_ = ::sigabbrev_np(signal);
        stop(worker);
      }
      beat(worker);
      if (stopped_at_ >= 0 && steady_seconds() - stopped_at_ > task_.patience_s) worker.kill();
    }
    worker.kill();  // its group
    end_stragglers();

    NodeEnd ended;
    if (WIFSIGNALED(status))
      ended.signal = WTERMSIG(status);
    else
      ended.exit_code = WEXITSTATUS(status);
    ended.memory_kill = out_of_memory_kills() > memory_kills;
    return end(ended);
  }

  /// Reaps whatever has ended; true once the worker has.
  static bool reap(pid_t worker, int& status) {
    for (;;) {
      int its = 0;
      const pid_t pid = ::waitpid(-1, &its, WNOHANG);
      if (pid <= 0) return false;
      if (pid != worker) continue;
      status = its;
      return true;
    }
  }

  void stop(Worker& worker) {
    if (stopped_at_ >= 0) return;
    stopped_at_ = steady_seconds();
    worker.tell_to_stop();
  }

  void beat(Worker& worker) {
    if (steady_seconds() < next_beat_) return;
    next_beat_ = steady_seconds() + task_.heartbeat_s;
    write_heartbeat(folder_, ++beats_);
    if (!may_go_on()) stop(worker);
  }

  int end(NodeEnd ended) {
    ended.attempt = attempt_;
    ended.ended_at = utc_now();
    ended.wall_seconds = steady_seconds() - began_;
    ended.told = told_;
    const int code = ended.signal ? 128 + *ended.signal : *ended.exit_code;
    // One look at the lease more: a stop may have come while the worker wrote its checkpoint.
    ended.requeue = batch_.requeue && told_ == "USR2" && code == kInterrupted && may_begin() &&
                    read_event_facts(folder_).checkpoint && is_wanted(task_.job);
    append_node(folder_, ended);
    if (ended.requeue) {
      // By "22_3": the plain number of an array's last task is that of the whole array (22.05).
      const auto result = run_program({"scontrol", "requeue", task_.job}, kSlurmAnswer_s);
      if (!result.ok()) std::fprintf(stderr, "scontrol requeue: %s\n", result.complaint().c_str());
    }
    return code == kDiverged ? static_cast<int>(kDone) : code;  // a result, not a failed job
  }

  const NodeTask& task_;
  Batch batch_;
  fs::path folder_;
  RunRequest request_;
  int attempt_ = 1;
  double began_ = 0;
  double next_beat_ = 0;
  double stopped_at_ = -1;
  std::int64_t beats_ = 0;
  std::string told_;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

NodeTask node_task_of_environment(const fs::path& batch_folder) {
  const std::string index = variable("SLURM_ARRAY_TASK_ID"), array = variable("SLURM_ARRAY_JOB_ID");
  if (index.empty() || array.empty() || index.find_first_not_of("0123456789") != std::string::npos)
    throw UserError("this is no task of a Slurm array: SLURM_ARRAY_JOB_ID and SLURM_ARRAY_TASK_ID are not set", kUsage);
  NodeTask task{batch_folder, std::stoi(index), array + "_" + index};
  if (const std::string seconds = variable("PIONBENCH_HEARTBEAT_S"); !seconds.empty())
    task.heartbeat_s = std::max(0.05, std::atof(seconds.c_str()));
  return task;
}

int run_node_task(const NodeTask& task) {
  return TaskRun(task).run();
}

}  // namespace pionbench
