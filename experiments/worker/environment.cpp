#include "experiments/worker/environment.h"

#include <sys/utsname.h>
#include <torch/version.h>
#include <unistd.h>

#include <fstream>

#include "experiments/worker/build_info.h"

namespace pionbench {
namespace {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

std::map<std::string, std::string> environment(const torch::Device& device, int threads) {
  utsname system{};
  ::uname(&system);
  std::map<std::string, std::string> out = {
      {"device", device.str()},
      {"cpu", cpu_model()},
      {"cpu_capability", at::get_cpu_capability()},
      {"cores", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
      {"threads", std::to_string(threads)},
      {"host", system.nodename},
      {"kernel", system.release},
      {"torch", TORCH_VERSION},
      {"compiler", std::string("GCC-compatible ") + __VERSION__},
      {"commit", build_info::kCommit},
      {"dirty", build_info::kDirty},
  };
  if (device.is_cuda()) out["cuda_devices"] = std::to_string(torch::cuda::device_count());
  return out;
}

}  // namespace pionbench
