#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace pionbench {

/// How fast a run goes, from what has been seen of it: a run that goes on from a checkpoint has its steps before us,
/// not its seconds. Times are seconds on any one clock.
class RunPace {
 public:
  void saw(double at_s, std::int64_t step, std::int64_t steps) {
    if (!seen_) {
      seen_ = true;
      first_at_ = at_s;
      first_step_ = step;
    }
    step_ = step;
    steps_ = steps;
  }

  /// Seconds from `now_s` to its last step; nothing before it has gone one step under our eyes.
  std::optional<double> remaining(double now_s) const {
    if (steps_ <= 0 || step_ <= first_step_ || now_s <= first_at_) return std::nullopt;
    return (now_s - first_at_) / static_cast<double>(step_ - first_step_) *
           static_cast<double>(std::max<std::int64_t>(0, steps_ - step_));
  }

  /// The part of its steps that has been seen, 0 to 1.
  double seen_part() const {
    return steps_ > 0 ? static_cast<double>(step_ - first_step_) / static_cast<double>(steps_) : 0;
  }

 private:
  bool seen_ = false;
  double first_at_ = 0;
  std::int64_t first_step_ = 0, step_ = 0, steps_ = 0;
};

}  // namespace pionbench
