#include "harness/schedule/machine.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>

#include "core/files.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/process.h"

namespace pionbench {
namespace {

constexpr double kMargin = 1.1;       // over the highest need seen
constexpr double kLookSeconds = 2.0;  // nvidia-smi takes some tens of milliseconds, on busy machines more

std::int64_t with_margin(std::int64_t bytes) {
  return static_cast<std::int64_t>(std::ceil(kMargin * static_cast<double>(bytes)));
}

/// What is asked for holds as it is; what was learned gets a margin; 0: nobody knows.
std::int64_t need(std::int64_t asked, std::int64_t learned) {
  return asked ? asked : with_margin(learned);
}
std::int64_t memory_need(const Demand& d) {
  return need(d.resources.memory_bytes, d.expected_memory_bytes);
}
std::int64_t gpu_need(const Demand& d) {
  return need(d.resources.gpu_memory_bytes, d.expected_gpu_memory_bytes);
}

std::string counted_cores(int n) {
  return std::to_string(n) + (n == 1 ? " core" : " cores");
}

}  // namespace

std::int64_t free_memory_bytes() {
  std::int64_t free = INT64_MAX;
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    std::int64_t kib = 0;
    file >> kib;
    if (name == "MemAvailable:") free = kib << 10;
    file.ignore(64, '\n');
  }
  if (const auto ours = control_group_memory_left()) free = std::min(free, *ours);
  return free;
}

Machine::Machine(int runs, int cores, Sources sources)
    // More runs than cores were asked for: then they share, as the user wants.
    : cores_(std::max(runs, cores)), sources_(std::move(sources)) {
  if (!sources_.free_memory) sources_.free_memory = free_memory_bytes;
}

Placement Machine::place(const Demand& demand) {
  Placement out{.threads = std::max(1, demand.resources.cores)};
  const auto alone = [](const Tenant& t) { return t.demand.resources.exclusive && t.devices.empty(); };
  for (const auto& [run, tenant] : tenants_)
    if (alone(tenant)) {
      out.waits = "waits: " + run + " is timed and has the machine to itself";
      return out;
    }
  if (demand.resources.exclusive && demand.resources.gpus == 0 && !tenants_.empty()) {
    out.waits = "waits: it is timed and runs alone; " + std::to_string(tenants_.size()) +
                (tenants_.size() == 1 ? " other run is" : " other runs are") + " still going";
    return out;
  }
  if (const auto why = why_no_cores(demand, out.never)) {
    out.waits = *why;
    return out;
  }
  if (const auto why = why_no_memory(demand)) {
    out.waits = *why;
    return out;
  }
  if (demand.resources.gpus == 0) {
    out.granted = true;
    return out;
  }
  return place_on_gpus(demand, out);
}

std::optional<std::string> Machine::why_no_cores(const Demand& demand, bool& never) const {
  int used = 0;
  for (const auto& [run, tenant] : tenants_) used += tenant.threads;
  const int wanted = std::max(1, demand.resources.cores);
  never = wanted > cores_;
  if (used + wanted <= cores_) return std::nullopt;
  if (never) return "needs " + counted_cores(wanted) + ", this machine has " + std::to_string(cores_);
  return "waits: needs " + counted_cores(wanted) + ", " + std::to_string(used) + " of " + std::to_string(cores_) +
         " are in use";
}

std::optional<std::string> Machine::why_no_memory(const Demand& demand) const {
  const std::int64_t wanted = memory_need(demand);
  // Alone, it may try: the estimate can be wrong, and what fails then says so itself.
  if (wanted == 0 || tenants_.empty()) return std::nullopt;
  std::int64_t reserved = 0;
  for (const auto& [run, tenant] : tenants_)
    reserved += std::max<std::int64_t>(0, memory_need(tenant.demand) - resident_bytes(tenant.pid));
  const std::int64_t free = sources_.free_memory();
  if (wanted <= free - reserved) return std::nullopt;
  return "waits: needs " + bytes_text(static_cast<double>(wanted)) + " of memory, " +
         bytes_text(static_cast<double>(free)) + " are free, " + bytes_text(static_cast<double>(reserved)) +
         " of them reserved for runs that are still starting";
}

Placement Machine::place_on_gpus(const Demand& demand, Placement out) {
  wanted_ = true;
  if (!looked_ || looked_at_ == 0) look();
  if (!inventory_.has_tool) {
    // No inventory (some embedded machines have CUDA without nvidia-smi): one run at a time, on what CUDA shows.
    const bool busy = std::ranges::any_of(tenants_, [](const auto& t) { return t.second.demand.resources.gpus > 0; });
    out.granted = !busy;
    if (busy) out.waits = "waits: another run has the GPU (there is no nvidia-smi here to tell them apart)";
    return out;
  }
  const auto wanted = static_cast<std::size_t>(demand.resources.gpus);
  if (usable_.size() < wanted) {
    out.never = inventory_.problem.empty();
    const std::string have = std::to_string(usable_.size());
    out.waits = (out.never ? "needs " : "waits: needs ") + std::to_string(wanted) +
                (wanted == 1 ? " GPU, " : " GPUs, ") + have + " can be used here";
    if (!inventory_.problem.empty())
      out.waits += ": " + inventory_.problem;
    else if (sources_.visible)
      out.waits += " (CUDA_VISIBLE_DEVICES=" + *sources_.visible + ")";
    return out;
  }
  const bool alone = demand.resources.exclusive || wanted > 1 || gpu_need(demand) == 0;
  std::vector<const Gpu*> by_room;
  for (const auto& gpu : usable_) by_room.push_back(&gpu);
  // The emptiest first; among equals, in order.
  std::ranges::stable_sort(by_room, std::ranges::greater(), [](const Gpu* g) { return g->free_bytes.value_or(0); });
  std::string nearest;
  for (const Gpu* gpu : by_room) {
    if (out.devices.size() == wanted) break;
    if (const auto why = why_not(*gpu, demand, alone)) {
      if (nearest.empty()) nearest = *why;
    } else {
      out.devices.push_back(gpu->uuid);
    }
  }
  if (out.devices.size() == wanted) {
    out.granted = true;
    return out;
  }
  out.waits = "waits: " + nearest;
  if (wanted > 1)
    out.waits += " (needs " + std::to_string(wanted) + " GPUs, " + std::to_string(out.devices.size()) + " are free)";
  out.devices.clear();
  return out;
}

std::optional<std::string> Machine::why_not(const Gpu& gpu, const Demand& demand, bool alone) const {
  int ours = 0;
  std::int64_t to_come = 0;
  for (const auto& [run, tenant] : tenants_) {
    if (std::ranges::find(tenant.devices, gpu.uuid) == tenant.devices.end()) continue;
    ++ours;
    const std::int64_t reserved = gpu_need(tenant.demand);
    if (tenant.demand.resources.exclusive || tenant.devices.size() > 1 || reserved == 0)
      return gpu.label + " belongs to " + run +
             (tenant.demand.resources.exclusive ? ", which is timed" : ", whose need of memory is not known yet");
    if (tenant.warming) return run + " is still warming up on " + gpu.label;
    const auto now = tenant.now_on.find(gpu.uuid);
    if (now != tenant.now_on.end()) to_come += std::max<std::int64_t>(0, reserved - now->second);
  }
  const std::string foreign = foreign_text(gpu.uuid);
  if (alone || !(gpu.free_bytes || gpu.total_bytes)) {
    if (ours) return gpu.label + " has " + std::to_string(ours) + (ours == 1 ? " run" : " runs") + " of ours";
    if (foreign.empty()) return std::nullopt;
    return "needs a GPU for itself, on " + gpu.label + " " + foreign;
  }
  if (ours && (gpu.compute_mode != "Default" || !gpu.parent.empty())) return gpu.label + " takes one process at a time";
  // A MIG instance without a reading is empty of ours here, so its size decides.
  const std::int64_t free = gpu.free_bytes.value_or(gpu.total_bytes.value_or(0)) - to_come;
  const std::int64_t wanted = gpu_need(demand);
  if (wanted <= free) return std::nullopt;
  std::string text = "needs " + bytes_text(static_cast<double>(wanted)) + " on a GPU, " + gpu.label + " has " +
                     bytes_text(static_cast<double>(free)) + " free";
  if (to_come) text += " (" + bytes_text(static_cast<double>(to_come)) + " more are reserved)";
  return foreign.empty() ? text : text + ", " + foreign;
}

std::string Machine::foreign_text(const std::string& uuid) const {
  std::string out;
  for (const auto& process : inventory_.processes) {
    if (process.uuid != uuid || !is_foreign(process)) continue;
    if (!out.empty()) out += ", ";
    if (process.bytes) out += bytes_text(static_cast<double>(*process.bytes)) + " are ";
    out += "held by process " + std::to_string(process.pid) + " (not ours)";
  }
  return out;
}

void Machine::occupy(const std::string& run, const Demand& demand, const Placement& placement, int pid) {
  tenants_[run] = {.demand = demand, .devices = placement.devices, .threads = placement.threads, .pid = pid};
}

void Machine::warmed_up(const std::string& run) {
  if (const auto it = tenants_.find(run); it != tenants_.end() && it->second.warming) {
    it->second.warming = false;
    // Whoever is let in next must see what this one has taken.
    if (!it->second.devices.empty()) looked_at_ = 0;
  }
}

Ending Machine::release(const std::string& run) {
  Ending out;
  const auto it = tenants_.find(run);
  if (it == tenants_.end()) return out;
  const Tenant& t = it->second;
  if (t.peak_gpu > 0) out.peak_gpu_memory = t.peak_gpu;
  const auto of_samples = [&](int n) {
    return " in " + std::to_string(n) + " of " + std::to_string(t.samples) + " looks";
  };
  if (t.throttled) out.disturbance = "clocks held back (" + throttle_text(t.throttle) + ")" + of_samples(t.throttled);
  if (t.shared_with_others) {
    if (!out.disturbance.empty()) out.disturbance += "; ";
    out.disturbance += t.others.size() == 1 ? "process" : "processes";
    for (const int pid : t.others) out.disturbance += " " + std::to_string(pid);
    out.disturbance += " (not ours) on its device" + of_samples(t.shared_with_others);
  }
  if (!t.devices.empty()) looked_at_ = 0;  // freed memory comes back late: look again before handing it on
  tenants_.erase(it);
  return out;
}

void Machine::observe() {
  if (!wanted_ || !looked_ || !inventory_.has_tool) return;
  if (steady_seconds() - looked_at_ < kLookSeconds) return;
  look();
}

void Machine::look() {
  inventory_ = sources_.gpus();
  usable_ = usable_gpus(inventory_, sources_.visible ? sources_.visible->c_str() : nullptr);
  looked_ = true;
  looked_at_ = steady_seconds();
  sample();
}

void Machine::sample() {
  for (auto& [run, tenant] : tenants_) {
    if (tenant.devices.empty()) continue;
    ++tenant.samples;
    tenant.now_on.clear();
    std::uint64_t throttle = 0;
    for (const auto& gpu : inventory_.gpus)
      if (std::ranges::find(tenant.devices, gpu.uuid) != tenant.devices.end()) throttle |= gpu.throttle;
    if (!throttle_text(throttle).empty()) {
      ++tenant.throttled;
      tenant.throttle |= throttle;
    }
  }
  std::set<std::string> disturbed;
  for (const auto& process : inventory_.processes) {
    if (const auto run = owner_of(process.pid)) {
      Tenant& tenant = tenants_.at(*run);
      if (std::ranges::find(tenant.devices, process.uuid) == tenant.devices.end()) {
        if (warned_.insert(*run + process.uuid).second)
          warnings_.push_back(*run + " works on " + process.uuid + ", which it was not given");
        continue;
      }
      auto& now = tenant.now_on[process.uuid];
      now += process.bytes.value_or(0);
      tenant.peak_gpu = std::max(tenant.peak_gpu, now);
      continue;
    }
    if (!is_foreign(process)) continue;
    for (auto& [run, tenant] : tenants_)
      if (std::ranges::find(tenant.devices, process.uuid) != tenant.devices.end()) {
        tenant.others.insert(process.pid);
        disturbed.insert(run);
      }
  }
  for (const auto& run : disturbed) ++tenants_.at(run).shared_with_others;
}

std::optional<std::string> Machine::owner_of(int pid) const {
  for (const auto& [run, tenant] : tenants_)
    if (pid == tenant.pid || (tenant.pid > 0 && process_group(pid) == tenant.pid)) return run;
  return std::nullopt;
}

bool Machine::is_foreign(const GpuProcess& process) const {
  if (owner_of(process.pid)) return false;
  // In a container the driver may speak of numbers that mean nothing here. While we have a run on that device, such a
  // number may well be ours; on a device without one it cannot be.
  const bool known_here = ::kill(process.pid, 0) == 0 || errno == EPERM;
  if (known_here) return true;
  return std::ranges::none_of(tenants_, [&](const auto& t) {
    return std::ranges::find(t.second.devices, process.uuid) != t.second.devices.end();
  });
}

std::vector<std::string> Machine::take_warnings() {
  return std::exchange(warnings_, {});
}

}  // namespace pionbench
