#pragma once
/// The training loop that every RLVR suite runs: reinforcement learning with a verifiable reward, or, for comparison,
/// supervised steps of the same size.
///   per step: sample `prompts` problems, `samples` completions each; reward; group advantages; `ppo_epochs` times
///   `mini_batches` policy updates (1 of 1 = exactly on-policy: ratios are 1 and nothing is clipped)
/// The primary metric is the sampled reward on the validation split; greedy stands beside it but saturates. The test
/// split is read at the first and the last step only.

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/rlvr/rollout.h"
#include "experiments/suite.h"

namespace pionbench::rlvr {

/// What there is to learn. Questions are prompts: encoded as they stand.
struct Workload {
  std::filesystem::path base;  ///< the checkpoint that training starts from, and the KL term's reference
  Tokenizer tokenizer;
  std::vector<Problem> train, validation, test;
  bool test_is_validation = false;  ///< one split under both names, as published: read once, reported twice
  std::vector<Demonstration> demonstrations = {};  ///< of the base; for `demonstrations: base`
  RewardFunction reward = strict_reward;
};

/// Settings of the loop: steps, batch, sampling, loss, what is trained, memory, probes. Without seed, device, dtype and
/// max_new_tokens, which the suite declares. `has_base_demonstrations`: the suite knows what its base was made from.
std::vector<Setting> training_settings(bool has_base_demonstrations);
std::vector<Relation> training_relations();
/// Bundle key "algorithm": grpo (with this weight of the KL term), gmpo, sft (and sft-base).
BundleSet algorithm_bundles(bool has_base_demonstrations, double grpo_kl);

/// Runs the cell's steps, from its checkpoint where there is one.
RunOutcome train(RunContext& context, const Workload& workload);

}  // namespace pionbench::rlvr
