#pragma once
/// The loop around the steps of a training, the same for every suite that checkpoints.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "experiments/suite.h"

namespace pionbench {

struct TrainingLoop {
  std::int64_t resumed = 0;  ///< the last step that the checkpoint holds; 0: none
  std::int64_t steps = 0;
  /// Trains step i and does what belongs behind it (evaluation, progress). A reason ends the run as diverged.
  std::function<std::optional<std::string>(std::int64_t i)> step;
  /// Writes a checkpoint of the state behind step i.
  std::function<void(std::int64_t i)> save;
};

/// Steps resumed + 1 to `steps`. Between two of them: asked to stop, it saves and ends as interrupted; where a
/// checkpoint is due, it saves.
RunOutcome run_steps(RunContext& context, const TrainingLoop& loop);

/// The step of a training with evaluations: `train` gives the number of its last gradients that were not finite, and at
/// ten of them the run will not come back; `evaluate` follows every `eval_every` steps and the last, then progress.
std::function<std::optional<std::string>(std::int64_t)> evaluated_step(RunContext& context, std::int64_t steps,
                                                                       std::int64_t eval_every,
                                                                       std::function<int(std::int64_t)> train,
                                                                       std::function<void(std::int64_t)> evaluate);

}  // namespace pionbench
