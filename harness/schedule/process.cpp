#include "harness/schedule/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace pionbench {
namespace {

struct ProcessStat {
  char state = 0;  ///< 0: there is no such process
  int parent = 0;
  int group = 0;
  std::int64_t start = 0;  ///< ticks since boot
};

/// What can be read of a file under /proc. A process may be gone between open and read, which streams throw about.
std::string slurp(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  return text;
}

ProcessStat stat_of(int pid) {
  const std::string text = slurp("/proc/" + std::to_string(pid) + "/stat");
  // Field 2, the program's name in parentheses, may hold blanks and parentheses itself.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  ProcessStat out;
  rest >> out.state >> out.parent >> out.group;
  std::string field;
  for (int i = 6; i <= 22 && rest >> field; ++i)
    if (i == 22) out.start = std::stoll(field);
  return out;
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string text;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
    return text;
  }();
  return id;
}

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return host;
}

std::vector<int> all_processes() {
  std::vector<int> out;
  DIR* folder = ::opendir("/proc");
  if (!folder) return out;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name = entry->d_name;
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr == name.data() + name.size() && pid > 0)
      out.push_back(pid);
  }
  ::closedir(folder);
  return out;
}

}  // namespace

AttemptStart identify_process(int pid) {
  AttemptStart out;
  out.host = host_name();
  out.boot_id = boot_id();
  out.pid = pid;
  out.pid_start = stat_of(pid).start;
  return out;
}

bool is_alive(const AttemptStart& start) {
  if (start.pid <= 0 || start.boot_id != boot_id()) return false;
  const ProcessStat now = stat_of(start.pid);
  return now.state != 0 && now.state != 'Z' && now.state != 'X' && now.start == start.pid_start;
}

bool is_elsewhere(const AttemptStart& start) {
  // A reboot changes the boot id alone, a container's restart the name alone.
  return start.boot_id != boot_id() && start.host != host_name();
}

std::optional<double> running_seconds(const AttemptStart& start) {
  if (!is_alive(start)) return std::nullopt;
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  return std::max(0.0, uptime - static_cast<double>(start.pid_start) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

std::string owner_name() {
  const auto self = identify_process(::getpid());
  return self.host + ":" + std::to_string(self.pid) + ":" + std::to_string(self.pid_start);
}

std::string run_tag(const std::string& run, const std::string& owner) {
  return run + "@" + owner;
}

std::optional<std::string> run_tag_of(int pid) {
  const std::string variable = std::string(kRunVariable) + "=";
  const std::string all = slurp("/proc/" + std::to_string(pid) + "/environ");
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\0', begin), all.size());
    const auto entry = std::string_view(all).substr(begin, end - begin);
    if (entry.starts_with(variable)) return std::string(entry.substr(variable.size()));
    begin = end + 1;
  }
  return std::nullopt;
}

std::vector<std::pair<int, std::string>> processes_with_any_run_tag() {
  std::vector<std::pair<int, std::string>> out;
  for (const int pid : all_processes())
    if (pid != ::getpid())
      if (auto tag = run_tag_of(pid)) out.emplace_back(pid, std::move(*tag));
  return out;
}

std::vector<int> processes_with_run_tag(const std::string& tag) {
  std::vector<int> out;
  for (const auto& [pid, its] : processes_with_any_run_tag())
    if (its == tag) out.push_back(pid);
  return out;
}

std::vector<int> children_of_this_process() {
  const int self = ::getpid();
  const std::string pid = std::to_string(self);
  std::vector<int> out;
  // One file, where the kernel has it (CONFIG_PROC_CHILDREN); orphans that we inherit come to the main thread.
  if (std::ifstream file("/proc/" + pid + "/task/" + pid + "/children"); file) {
    for (int child = 0; file >> child;) out.push_back(child);
    return out;
  }
  for (const int other : all_processes())
    if (stat_of(other).parent == self) out.push_back(other);
  return out;
}

int process_group(int pid) {
  return stat_of(pid).group;
}

std::int64_t resident_bytes(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace pionbench
