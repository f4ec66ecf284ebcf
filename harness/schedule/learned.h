#pragma once
/// What the store's own history says of runs of one kind: the same suite, optimizer and settings but for the seed.
/// Hyperparameters do not count: a learning rate changes neither time nor memory.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/run_request.h"
#include "store/records.h"

namespace pionbench {

/// Equal for runs of one kind.
std::string kind_of(const CellConfig& config);

class Learned {
 public:
  /// A run in any state: its peaks are lower bounds even when it failed; its seconds count when it finished.
  void add(const std::string& kind, const RunRow& run);
  void add_seconds(const std::string& kind, double seconds);
  void add_peaks(const std::string& kind, std::int64_t memory, std::int64_t gpu_memory);

  std::optional<double> seconds(const std::string& kind) const;  ///< the mean
  std::int64_t memory(const std::string& kind) const;            ///< the highest, bytes; 0 = not known
  std::int64_t gpu_memory(const std::string& kind) const;

 private:
  struct Kind {
    double seconds = 0;
    int finished = 0;
    std::int64_t memory = 0, gpu_memory = 0;
  };
  const Kind* find(const std::string& kind) const;
  std::map<std::string, Kind> kinds_;
};

}  // namespace pionbench
