#include "harness/bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "common/hash.h"
#include "common/subprocess.h"

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
  const auto gpus = output_of({"nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"});
  if (gpus && !gpus->empty()) facts["gpu"] = *gpus;
  return facts;
}

std::string fingerprint_of(const std::map<std::string, std::string>& facts) {
  nlohmann::json key = nlohmann::json::object();
  for (const char* name : {"cpu", "cores", "gpu", "compiler", "build", "threads", "machine"})
    if (const auto it = facts.find(name); it != facts.end()) key[name] = it->second;
  return content_hash(key).substr(0, 12);
}

std::string revision_of(const std::filesystem::path& folder) {
  const auto git = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", folder.string()});
    return output_of(words);
  };
  const auto commit = git({"rev-parse", "--short=12", "HEAD"});
  if (!commit) return "unknown";
  return git({"status", "--porcelain", "--untracked-files=no"}).value_or("").empty() ? *commit : *commit + "-dirty";
}

}  // namespace pionbench
