#pragma once
/// Samples completions with a KV cache. Each unique prompt is run once and its cache shared by its samples; the
/// batch stops when every sequence has ended.

#include <torch/torch.h>

#include <string>
#include <vector>

#include "experiments/rlvr/data/problem.h"
#include "experiments/rlvr/data/tokenizer.h"
#include "experiments/rlvr/model/qwen3.h"

namespace pionbench::rlvr {

struct SampleOptions {
  std::int64_t samples = 1;  ///< completions per prompt
  std::int64_t max_new_tokens = 0;
  double temperature = 1.0;  ///< 0: greedy
  std::uint64_t seed = 0;    ///< of this call alone
};

/// N = prompts · samples sequences, the samples of one prompt next to each other.
struct Rollout {
  torch::Tensor tokens;  ///< [N, T] prompt, completion (with its end token), then padding; on the model's device
  torch::Tensor prompt_lengths;          ///< [N]
  torch::Tensor completion_lengths;      ///< [N], the end token included
  std::vector<std::string> completions;  ///< text, without special tokens
  std::vector<bool> ended;               ///< came to its end token
};

Rollout sample(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<const Problem*>& problems,
               const SampleOptions& options);

/// strict_reward of every completion, [P·n]; `problems` as passed to sample().
std::vector<double> rewards_of(const Rollout& rollout, const std::vector<const Problem*>& problems);

/// log π of each completion token under `model`, [N, C] with C the longest completion, and its mask. Rows are those of
/// `rows` (all when undefined). Differentiable unless a NoGradGuard stands.
struct TokenLogProbs {
  torch::Tensor logp;  ///< [rows, C] float32, 0 where the mask is 0
  torch::Tensor mask;  ///< [rows, C] float32
};
TokenLogProbs completion_logp(const Qwen3& model, const Rollout& rollout, const torch::Tensor& rows = {});

}  // namespace pionbench::rlvr
