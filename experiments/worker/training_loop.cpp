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

std::function<std::optional<std::string>(std::int64_t)> evaluated_step(RunContext& context, std::int64_t steps,
                                                                       std::int64_t eval_every,
                                                                       std::function<int(std::int64_t)> train,
                                                                       std::function<void(std::int64_t)> evaluate) {
  return [&context, steps, eval_every, train = std::move(train),
          evaluate = std::move(evaluate)](std::int64_t i) -> std::optional<std::string> {
    constexpr int kPatience = 10;
    if (train(i) >= kPatience) return "the gradient has not been finite for " + std::to_string(kPatience) + " updates";
    if (i % eval_every == 0 || i == steps) evaluate(i);
    context.events.progress(i, steps);
    return std::nullopt;
  };
}

}  // namespace pionbench
