#pragma once
/// A Slurm of one node in a folder of its own: real slurmctld and slurmd, no munge, no system service, free ports, two
/// GPUs that are character devices. Beside any other Slurm of this machine.

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace pionbench::integration {

class PrivateSlurm {
 public:
  /// Why it cannot run here; "" when it can.
  static std::string missing() {
    if (::geteuid() != 0) return "a private Slurm needs root (device nodes, slurmd)";
    for (const char* program : {"/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch"})
      if (::access(program, X_OK) != 0) return std::string("no ") + program + "; ci/setup --tests installs Slurm";
    const std::string device = "/tmp/pb-slurm-device-" + std::to_string(::getpid());
    const bool may = ::mknod(device.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0;
    ::unlink(device.c_str());
    return may ? "" : "this container may not make device nodes, which stand for its GPUs";
  }

  PrivateSlurm() {
    // Short: the step daemon's socket lies below it, and a socket's path has 107 characters. With more, every launch
    // fails and Slurm says no more than "launch failed requeued held".
    std::string pattern = "/tmp/pb-slurm-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (const char* part : {"state", "spool", "run", "log"}) std::filesystem::create_directories(folder_ / part);
    for (const char* gpu : {"gpu0", "gpu1"}) ::mknod((folder_ / gpu).c_str(), S_IFCHR | 0666, makedev(1, 3));
    char name[256] = "";
    ::gethostname(name, sizeof name - 1);
    host_ = std::string(name).substr(0, std::string(name).find('.'));
    const std::string d = folder_.string();
    // Four CPUs whatever the machine has. Quick cycles: the defaults are for clusters of thousands.
    std::ofstream(folder_ / "slurm.conf")
        << "ClusterName=pionbench\nSlurmctldHost=" << host_ << "(127.0.0.1)\nSlurmctldPort=" << free_port()
        << "\nSlurmdPort=" << free_port() << "\nAuthType=auth/none\nCredType=cred/none\nSlurmUser=root\n"
        << "StateSaveLocation=" << d << "/state\nSlurmdSpoolDir=" << d << "/spool\nSlurmctldPidFile=" << d
        << "/run/ctld.pid\nSlurmdPidFile=" << d << "/run/d.pid\nSlurmctldLogFile=" << d
        << "/log/ctld.log\nSlurmdLogFile=" << d << "/log/d.log\n"
        << "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n"
        << "SelectTypeParameters=CR_Core_Memory\nJobAcctGatherType=jobacct_gather/none\nMpiDefault=none\n"
        << "ReturnToService=2\nGresTypes=gpu\nPreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n"
        << "SlurmctldParameters=preempt_send_user_signal\nSlurmdParameters=config_overrides\nKillWait=5\n"
        << "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0\n"
        << "NodeName=" << host_ << " NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN\n"
        << "PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=10\n"
        << "PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF\n";
    std::ofstream(folder_ / "gres.conf") << "NodeName=" << host_ << " Name=gpu File=" << d
                                         << "/gpu[0-1] Flags=nvidia_gpu_env\n";
    ::setenv("SLURM_CONF", (folder_ / "slurm.conf").c_str(), 1);
    start_controller();
    start_node();
  }
  ~PrivateSlurm() {
    for (const pid_t pid : {controller_, node_}) stop(pid, SIGKILL);
    for (const pid_t pid : processes_of_cluster()) ::kill(pid, SIGKILL);
    ::unsetenv("SLURM_CONF");
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  PrivateSlurm(const PrivateSlurm&) = delete;
  PrivateSlurm& operator=(const PrivateSlurm&) = delete;

  const std::string& host() const { return host_; }
  void start_controller() { controller_ = start("/usr/sbin/slurmctld"); }
  void kill_controller() { stop(controller_, SIGKILL); }
  void start_node() { node_ = start("/usr/sbin/slurmd"); }
  /// As if somebody had pulled the plug: slurmd, its step daemons and everything that they run, all at once.
  void kill_node() {
    for (const pid_t pid : processes_of_cluster()) ::kill(pid, SIGKILL);
    stop(node_, SIGKILL);
  }

  std::string logs() const {
    std::ostringstream out;
    for (const char* log : {"log/ctld.log", "log/d.log"}) out << std::ifstream(folder_ / log).rdbuf();
    return out.str();
  }

 private:
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(fd);
    return ntohs(address.sin_port);
  }
  pid_t start(const char* program) const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      ::setenv("PIONBENCH_CLUSTER_NODE", folder_.c_str(), 1);
      if (std::freopen((folder_ / "log/out").c_str(), "a", stdout)) ::dup2(1, 2);
      ::execl(program, program, "-D", nullptr);
      ::_exit(127);
    }
    return pid;
  }
  static void stop(pid_t pid, int signal) {
    if (pid <= 0) return;
    ::kill(pid, signal);
    ::waitpid(pid, nullptr, 0);
  }
  /// Those that the node's daemon has begotten: they carry its mark. (slurmd hands its environment to step daemons; a
  /// job's own environment comes from sbatch, so its parents are looked at, too.)
  std::vector<pid_t> processes_of_cluster() const {
    std::set<pid_t> marked;
    std::vector<std::pair<pid_t, pid_t>> parents;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const pid_t pid = std::stoi(name);
      if (pid == controller_ || pid == ::getpid()) continue;
      std::ostringstream environment, stat;
      environment << std::ifstream(entry.path() / "environ").rdbuf();
      stat << std::ifstream(entry.path() / "stat").rdbuf();
      if (environment.str().find("PIONBENCH_CLUSTER_NODE=" + folder_.string()) != std::string::npos) marked.insert(pid);
      const std::string text = stat.str();
      if (const auto end = text.rfind(')'); end != std::string::npos) {
        char state = 0;
        pid_t parent = 0;
        std::istringstream rest(text.substr(end + 1));
        rest >> state >> parent;
        parents.emplace_back(pid, parent);
      }
    }
    for (std::size_t before = 0; before != marked.size();) {
      before = marked.size();
      for (const auto& [pid, parent] : parents)
        if (marked.contains(parent)) marked.insert(pid);
    }
    return {marked.begin(), marked.end()};
  }

  std::filesystem::path folder_;
  std::string host_;
  pid_t controller_ = -1, node_ = -1;
};

}  // namespace pionbench::integration
