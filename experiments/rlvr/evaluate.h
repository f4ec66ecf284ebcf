#pragma once
/// Untimed evaluation of a policy on a split: greedy and sampled reward, with every problem's score for paired tests.

#include "experiments/rlvr/rollout.h"
#include "experiments/worker/events.h"

namespace pionbench::rlvr {

struct Evaluation {
  double greedy = 0;   ///< mean reward at temperature 0
  double sampled = 0;  ///< mean reward of one sample each at temperature 1: the primary metric, greedy saturates
};

/// Writes one `evaluation` event with greedy, sampled, and completion_length; items hold greedy and sampled per
/// problem. A problem's draws depend on (seed, step, its place in the split) only, so that all arms are
/// judged by the same ones.
Evaluation evaluate(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<Problem>& problems,
                    const std::string& split, std::int64_t step, std::uint64_t seed, std::int64_t max_new_tokens,
                    RewardFunction reward, EventWriter& events);

}  // namespace pionbench::rlvr
