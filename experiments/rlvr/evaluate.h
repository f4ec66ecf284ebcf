#pragma once
/// Untimed evaluation of a policy on a split: greedy and sampled reward, with every problem's score for paired tests.

#include "experiments/rlvr/rollout.h"
#include "experiments/worker/events.h"

namespace pionbench::rlvr {

struct Evaluation {
  double greedy = 0;   ///< mean reward at temperature 0
  double sampled = 0;  ///< mean reward of one sample each at temperature 1: the primary metric, greedy saturates
};

struct EvaluateOptions {
  std::uint64_t seed = 0;
  std::int64_t max_new_tokens = 0;
  std::int64_t memory_bytes = GenerateOptions().memory_bytes;
  RewardFunction reward = strict_reward;
};

/// Writes one `evaluation` event for each name in `splits`, with greedy, sampled, and completion_length; items hold
/// greedy and sampled per problem. A problem's draws depend on (seed, step, its place in the split) only, so that all
/// arms are judged by the same ones.
Evaluation evaluate(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<Problem>& problems,
                    const std::vector<std::string>& splits, std::int64_t step, const EvaluateOptions& options,
                    EventWriter& events);

}  // namespace pionbench::rlvr
