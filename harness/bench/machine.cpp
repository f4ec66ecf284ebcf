#include "harness/bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "harness/common/hash.h"

namespace pionbench {
namespace {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  utsname system{};
  ::uname(&system);
  return system.machine;
}

}  // namespace

std::string output_of_command(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return "";
  std::string out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  if (::pclose(pipe) != 0) return "";
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::map<std::string, std::string> machine_facts() {
  utsname system{};
  ::uname(&system);
  std::map<std::string, std::string> facts = {{"cpu", cpu_model()},
                                              {"cores", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
                                              {"compiler", std::string("GCC-compatible ") + __VERSION__},
                                              {"host", system.nodename},
                                              {"kernel", system.release}};
  const std::string gpus = output_of_command("nvidia-smi --query-gpu=name,driver_version --format=csv,noheader");
  if (!gpus.empty()) facts["gpu"] = gpus;
  return facts;
}

std::string fingerprint_of(const std::map<std::string, std::string>& facts) {
  nlohmann::json key = nlohmann::json::object();
  for (const char* name : {"cpu", "cores", "gpu", "compiler", "build", "machine"})
    if (const auto it = facts.find(name); it != facts.end()) key[name] = it->second;
  return content_hash(key).substr(0, 12);
}

std::string revision_of(const std::filesystem::path& folder) {
  const std::string git = "git -C " + shell_quoted(folder.string());
  const std::string commit = output_of_command(git + " rev-parse --short=12 HEAD");
  if (commit.empty()) return "unknown";
  return output_of_command(git + " status --porcelain --untracked-files=no").empty() ? commit : commit + "-dirty";
}

}  // namespace pionbench
