#include "harness/schedule/process.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace pionbench {
namespace {

struct ProcessStat {
  char state = 0;  ///< 0: there is no such process
  std::int64_t start = 0;
};

ProcessStat stat_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  // Field 2, the program's name in parentheses, may hold blanks and parentheses itself.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  ProcessStat out;
  rest >> out.state;
  std::string field;
  for (int i = 4; i <= 22 && rest >> field; ++i)
    if (i == 22) out.start = std::stoll(field);
  return out;
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

}  // namespace

AttemptStart identify_process(int pid) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  AttemptStart out;
  out.host = host;
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

}  // namespace pionbench
