#include "harness/schedule/expected.h"

namespace pionbench {

ExpectedSeconds::ExpectedSeconds(const std::vector<RunRow>& history) {
  for (const auto& run : history) {
    double seconds = 0;
    for (const auto& [phase, spent] : run.phase_seconds)
      if (phase != kDiscardedPhase) seconds += spent;
    if (is_finished(run.state) && seconds > 0) add(run.suite, run.optimizer, seconds);
  }
}

void ExpectedSeconds::add(const std::string& suite, const std::string& optimizer, double seconds) {
  for (const auto& key : {suite, suite + "\n" + optimizer}) {
    means_[key].sum += seconds;
    ++means_[key].count;
  }
}

std::optional<double> ExpectedSeconds::of(const std::string& suite, const std::string& optimizer) const {
  for (const auto& key : {suite + "\n" + optimizer, suite})
    if (const auto it = means_.find(key); it != means_.end()) return it->second.sum / it->second.count;
  return std::nullopt;
}

}  // namespace pionbench
