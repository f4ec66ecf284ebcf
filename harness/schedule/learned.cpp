#include "harness/schedule/learned.h"

#include <algorithm>

namespace pionbench {

std::string kind_of(const CellConfig& config) {
  const Values& settings = config.settings;
  std::string kind = config.suite + "\n" + config.optimizer;
  for (const auto& [name, value] : settings)
    if (name != "seed") kind += "\n" + name + "=" + to_text(value);
  return kind;
}

void Learned::add(const std::string& kind, const RunRow& run) {
  add_peaks(kind, run.peak_memory, run.peak_device_memory);
  if (!is_finished(run.state)) return;
  double seconds = 0;
  for (const auto& [phase, spent] : run.phase_seconds)
    if (phase != kDiscardedPhase) seconds += spent;
  if (seconds > 0) add_seconds(kind, seconds);
}

void Learned::add_seconds(const std::string& kind, double seconds) {
  kinds_[kind].seconds += seconds;
  ++kinds_[kind].finished;
}

void Learned::add_peaks(const std::string& kind, std::int64_t memory, std::int64_t gpu_memory) {
  if (memory <= 0 && gpu_memory <= 0) return;
  Kind& k = kinds_[kind];
  k.memory = std::max(k.memory, memory);
  k.gpu_memory = std::max(k.gpu_memory, gpu_memory);
}

const Learned::Kind* Learned::find(const std::string& kind) const {
  const auto it = kinds_.find(kind);
  return it == kinds_.end() ? nullptr : &it->second;
}

std::optional<double> Learned::seconds(const std::string& kind) const {
  const Kind* k = find(kind);
  return k && k->finished ? std::optional(k->seconds / k->finished) : std::nullopt;
}
std::int64_t Learned::memory(const std::string& kind) const {
  const Kind* k = find(kind);
  return k ? k->memory : 0;
}
std::int64_t Learned::gpu_memory(const std::string& kind) const {
  const Kind* k = find(kind);
  return k ? k->gpu_memory : 0;
}

}  // namespace pionbench
