#pragma once
/// Closed-loop evaluation: all episodes together, one inference for all that still run, then `execute` actions of each
/// chunk open loop (sim/vector_env.h has the rest of the protocol). Images are drawn only where a chunk is asked for.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "experiments/vla/policy/normaliser.h"
#include "experiments/vla/policy/policy.h"
#include "experiments/vla/sim/vector_env.h"
#include "experiments/worker/events.h"

namespace pionbench::vla {

struct RolloutOptions {
  std::int64_t execute = 8;
  std::int64_t flow_steps = 5;
  std::uint64_t seed = 0;  ///< of the flow head's noise, a function of (seed, place in the list, number of the chunk)
  int image_size = 42;
  int threads = 1;
  /// Sees the environment before each action, and the actions [episodes, 7].
  std::function<void(const VectorEnv& env, std::span<const float> actions)> watch = {};
};

struct EpisodeResult {
  EpisodeStatus status = EpisodeStatus::kRunning;
  int steps = 0;
};

/// The episodes' ends, in the order of `trials`. Under the same options the same to the bit; which episodes run in one
/// batch changes actions by rounding only.
std::vector<EpisodeResult> rollout(const Policy& policy, const Normaliser& normaliser, const std::vector<Trial>& trials,
                                   const RolloutOptions& options);

/// `per_task` episodes of each task, from the initial states first, first + 1, ...
std::vector<Trial> plain_trials(const std::vector<SuiteTask>& tasks, std::int64_t per_task, int first);

/// Writes the `evaluation` event: success, episode_length and diverged as means; items hold success, steps, diverged,
/// task and init of every episode. Returns the success rate. A diverged simulation is a failure.
double report_rollout(std::int64_t step, const std::string& split, const std::vector<Trial>& trials,
                      const std::vector<EpisodeResult>& results, EventWriter& events);

}  // namespace pionbench::vla
