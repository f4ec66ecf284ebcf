#include "experiments/worker/training_loop.h"

namespace pionbench {

RunOutcome run_steps(RunContext& context, const TrainingLoop& loop) {
  for (std::int64_t i = loop.resumed + 1; i <= loop.steps; ++i) {
    if (context.stop_requested()) {
      loop.save(i - 1);
      return {RunStatus::kInterrupted, i - 1};
    }
    if (const auto reason = loop.step(i)) return {RunStatus::kDiverged, i, *reason};
    if (context.checkpoint.is_due()) loop.save(i);
  }
  return {RunStatus::kDone, loop.steps};
}

std::optional<std::string> hopeless(int count) {
  constexpr int kPatience = 10;
  if (count < kPatience) return std::nullopt;
  return "the gradient has not been finite for " + std::to_string(kPatience) + " updates";
}

}  // namespace pionbench
