#pragma once
/// The GPUs of this machine, as nvidia-smi tells them. Identified by UUID: indices change with
/// CUDA_DEVICE_ORDER and inside containers.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pionbench {

struct Gpu {
  int index = 0;     ///< nvidia-smi's, PCI order
  std::string uuid;  ///< "GPU-..." or "MIG-..."
  std::string name;
  std::optional<std::int64_t> total_bytes;  ///< a MIG instance: by its profile
  std::optional<std::int64_t> free_bytes;   ///< as the driver sees it, whoever holds the rest; nothing for MIG
  bool has_instances = false;               ///< MIG is on: the GPU itself cannot be used, its instances can
  std::string parent;                       ///< UUID of the GPU that a MIG instance is cut from
  std::string compute_mode = "Default";     ///< "Exclusive_Process": one process; "Prohibited": none
  std::uint64_t throttle = 0;               ///< nvidia-smi's clocks_throttle_reasons.active
  /// "GPU 3", "GPU 0 MIG 1"
  std::string label;
};

struct GpuProcess {
  std::string uuid;
  int pid = 0;                        ///< as the driver sees it: in a container, not always a number of ours
  std::optional<std::int64_t> bytes;  ///< nothing where the driver does not say
};

struct GpuInventory {
  bool has_tool = false;  ///< nvidia-smi is there
  std::string problem;    ///< it is there and fails: its message
  std::string driver;
  std::vector<Gpu> gpus;  ///< MIG instances follow their GPU
  std::vector<GpuProcess> processes;
};

/// Runs nvidia-smi (found on PATH; three calls, ended after 10 s when a broken driver hangs). Never throws: a machine
/// without one has an empty inventory.
GpuInventory query_gpus();

/// The parts of query_gpus, on text. Values that the driver does not know ("[N/A]", "[Not Supported]") are left out.
std::vector<Gpu> parse_gpu_csv(const std::string& csv);
std::vector<GpuProcess> parse_process_csv(const std::string& csv);
/// Adds the MIG instances of `nvidia-smi -L` behind their GPUs.
void add_instances(std::vector<Gpu>& gpus, const std::string& listing);

/// The devices that a run may be given: those without MIG instances and not prohibited, in the caller's
/// CUDA_VISIBLE_DEVICES (nullptr: unset, all). Follows CUDA: indices, GPU- and MIG-UUIDs or unique prefixes of them;
/// an entry that names nothing hides itself and all that follow; an entry twice hides all.
std::vector<Gpu> usable_gpus(const GpuInventory& inventory, const char* cuda_visible_devices);

/// "thermal slowdown, power cap"; "" when nothing holds the clocks back that should worry a stopwatch.
std::string throttle_text(std::uint64_t reasons);

}  // namespace pionbench
