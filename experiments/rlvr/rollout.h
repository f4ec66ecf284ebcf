#pragma once
/// Completions of problems with their rewards, in the form that training reads.

#include <torch/torch.h>

#include <string>
#include <vector>

#include "experiments/rlvr/data/problem.h"
#include "experiments/rlvr/data/reward.h"
#include "experiments/rlvr/data/tokenizer.h"
#include "experiments/rlvr/generate.h"
#include "experiments/rlvr/model/qwen3.h"

namespace pionbench::rlvr {

/// See GenerateOptions.
using SampleOptions = GenerateOptions;

/// N = prompts · samples sequences, the samples of one prompt next to each other.
struct Rollout {
  torch::Tensor tokens;  ///< [N, T] prompt, completion (with its end token), then padding; on the model's device
  torch::Tensor prompt_lengths;          ///< [N]
  torch::Tensor completion_lengths;      ///< [N], the end token included
  torch::Tensor sampled_logp;            ///< [N, C] float32 on the CPU, as the engine drew them; 0 behind the end
  std::vector<std::string> completions;  ///< text, without special tokens
  std::vector<bool> ended;               ///< came to an end token
};

/// Completions of each problem's question, encoded as it stands.
Rollout sample(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<const Problem*>& problems,
               const SampleOptions& options);

/// Prompts with their demonstrations, in the form of a rollout: what imitating them reads. Each completion gets its end
/// token; `sampled_logp` stays undefined.
Rollout demonstration_rollout(const std::vector<const Demonstration*>& rows, const Tokenizer& tokenizer,
                              torch::Device device);

/// Reward of one completion.
using RewardFunction = double (*)(std::string_view completion, std::string_view label, bool ended);

/// Reward of every completion, [P·n]; `problems` as passed to sample().
std::vector<double> rewards_of(const Rollout& rollout, const std::vector<const Problem*>& problems,
                               RewardFunction reward = strict_reward);

/// log π of each completion token under `model`, [N, C] with C the longest completion, and its mask. Rows are those of
/// `rows` (all when undefined), at the temperature of the sampling, as verl computes them. Differentiable unless a
/// NoGradGuard stands.
struct TokenLogProbs {
  torch::Tensor logp;  ///< [rows, C] float32, 0 where the mask is 0
  torch::Tensor mask;  ///< [rows, C] float32
};
TokenLogProbs completion_logp(const Qwen3& model, const Rollout& rollout, const torch::Tensor& rows = {},
                              double temperature = 1.0);

}  // namespace pionbench::rlvr
