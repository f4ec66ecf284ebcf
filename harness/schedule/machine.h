#pragma once
/// What this machine has, and who has it: cores, memory and GPUs against the runs that use them.
///
/// Cores    the runs' threads together never exceed the machine's (or the number of runs asked for, if that is more).
/// Memory   a run that is known to need m is let in when 1.1 m fits what is free now, less what the runs let in before
///          it have reserved and not taken yet.
/// GPUs     a timed run, and one whose need is not known yet, gets a GPU for itself. Others share: let in when 1.1 of
///          the highest need seen fits the free memory less what the runs on it have still to take, and while no run on
///          it is warming up (memory looks free for minutes after a start).
///          Free memory is the driver's, so that other people's processes count.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/schedule/executor.h"
#include "harness/schedule/gpus.h"

namespace pionbench {

class Machine {
 public:
  struct Sources {
    std::function<GpuInventory()> gpus = query_gpus;
    std::function<std::int64_t()> free_memory;  ///< bytes; default: free_memory_bytes()
    std::optional<std::string> visible;         ///< CUDA_VISIBLE_DEVICES; nothing: unset
  };

  /// `runs` at once, on `cores`. Asks for the GPUs when a run first needs one: a laptop never waits for nvidia-smi.
  Machine(int runs, int cores, Sources sources);

  Placement place(const Demand& demand);
  void occupy(const std::string& run, const Demand& demand, const Placement& placement, int pid);
  void warmed_up(const std::string& run);
  /// Takes the run off the machine; says what it used and what disturbed it.
  Ending release(const std::string& run);
  /// Looks again at GPUs and memory, at most every two seconds, and only while somebody uses or wants a GPU.
  void observe();

  /// A process of a run on a GPU that it was not given (a program that sets CUDA_VISIBLE_DEVICES itself). Each once.
  std::vector<std::string> take_warnings();

 private:
  struct Tenant {
    Demand demand;
    std::vector<std::string> devices;
    int threads = 1;
    int pid = 0;
    bool warming = true;
    std::int64_t peak_gpu = 0;
    std::map<std::string, std::int64_t> now_on;  ///< device -> bytes, as last seen
    int samples = 0, throttled = 0, shared_with_others = 0;
    std::uint64_t throttle = 0;
    std::set<int> others;
  };

  void look();
  void sample();
  std::optional<std::string> owner_of(int pid) const;
  bool is_foreign(const GpuProcess& process) const;
  std::optional<std::string> why_no_cores(const Demand& demand, bool& never) const;
  std::optional<std::string> why_no_memory(const Demand& demand) const;
  Placement place_on_gpus(const Demand& demand, Placement placement);
  /// Nothing when the device has room, else why not.
  std::optional<std::string> why_not(const Gpu& gpu, const Demand& demand, bool alone) const;
  std::string foreign_text(const std::string& uuid) const;

  int cores_;
  Sources sources_;
  GpuInventory inventory_;
  std::vector<Gpu> usable_;
  bool looked_ = false;
  bool wanted_ = false;  ///< somebody uses or waits for a GPU
  double looked_at_ = 0;
  std::map<std::string, Tenant> tenants_;
  std::vector<std::string> warnings_;
  std::set<std::string> warned_;
};

/// What the kernel could hand out now: MemAvailable, within the limit of our control group.
std::int64_t free_memory_bytes();

}  // namespace pionbench
