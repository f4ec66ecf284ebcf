#include "harness/schedule/cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace pionbench {
namespace {

/// The folder of our control group (version 2), "" where there is none.
std::string control_group() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3);
  return "";
}

int quota_cores(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 20;
  return static_cast<int>(std::stod(quota) / period);
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // The mask is too small only beyond 1024 cores; then the quota decides alone.
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1024;
  return std::max(1, std::min(allowed, quota_cores(control_group())));
}

long out_of_memory_kills() {
  std::ifstream file(control_group() + "/memory.events");
  std::string name;
  for (long count = 0; file >> name >> count;)
    if (name == "oom_kill") return count;
  return 0;
}

std::optional<std::int64_t> control_group_memory_left() {
  const std::string group = control_group();
  std::int64_t limit = 0, used = 0;
  std::ifstream limit_file(group + "/memory.max");
  std::ifstream used_file(group + "/memory.current");
  if (!(limit_file >> limit) || !(used_file >> used)) return std::nullopt;  // "max" is no number
  std::ifstream parts(group + "/memory.stat");
  std::string name;
  for (std::int64_t bytes = 0; parts >> name >> bytes;)
    if (name == "inactive_file") used -= bytes;
  return std::max<std::int64_t>(0, limit - used);
}

}  // namespace pionbench
