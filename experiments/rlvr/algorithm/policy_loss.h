#pragma once
/// GRPO and GMPO as verl computes them (verl/trainer/ppo/core_algos.py). Free functions on tensors.
///
/// Sizes: B sequences of one batch, T response tokens, P prompts, n samples of each.

#include <torch/torch.h>

namespace pionbench::rlvr {

/// GRPO advantage of each sample: (r − mean) / (std + 1e-6) within its prompt's group, std over n − 1.
/// A group of one has mean 0 and std 1. Without `divide_by_std`: r − mean (Dr. GRPO).
/// rewards [P, n] -> [P, n], float32.
torch::Tensor group_advantages(const torch::Tensor& rewards, bool divide_by_std = true);

enum class PolicyLossKind {
  kPpoClip,        ///< GRPO: token ratio, two-sided clip, dual clip for negative advantages
  kGeometricMean,  ///< GMPO: one-sided clip in log space, sequence ratio = geometric mean, mean over sequences
};

/// How the loss of tokens becomes one number (verl's agg_loss). A sequence without tokens does not count as one.
enum class Aggregation {
  kTokenMean,           ///< over all tokens of the batch
  kSequenceMean,        ///< mean over each sequence's tokens, then over sequences (the original GRPO)
  kSequenceSum,         ///< sum over each sequence's tokens, mean over sequences
  kSequenceSumByWidth,  ///< sum over all tokens, divided by the response width (Dr. GRPO)
};

struct PolicyLossOptions {
  PolicyLossKind kind = PolicyLossKind::kPpoClip;
  Aggregation aggregation = Aggregation::kTokenMean;  ///< of ppo_clip and of the KL term
  double clip_low = 0.2;
  double clip_high = 0.2;
  double dual_clip = 3.0;  ///< c in min(L, −A·c) for A < 0
  double kl_coef = 0.0;    ///< of the k3 estimator against the reference; 0: `reference` is not read
};

/// What a loss is divided by, when rows with zero advantage have been left out of the tensors: their loss and gradient
/// are zero, but they count in the mean. 0: count what is given.
struct Denominators {
  double tokens = 0;
  double sequences = 0;
  double width = 0;
};

struct PolicyLoss {
  torch::Tensor loss;              ///< scalar, differentiable in logp
  double clip_fraction = 0;        ///< share of tokens that verl counts in pg_clipfrac
  double clip_fraction_lower = 0;  ///< share that verl counts in pg_clipfrac_lower: the dual clip; GMPO: A < 0
  double approximate_kl = 0;       ///< mean(old − logp) over tokens
};

/// logp, old, reference: log-probabilities of the response tokens [B, T]; advantages [B]; mask [B, T] with 1 at
/// response tokens. `old` and `reference` carry no gradient.
///
/// ppo_clip    d = clamp(logp − old, ±20), r = eᵈ;  L = max(−A·r, −A·clip(r, 1 − low, 1 + high)), for A < 0
///             min(L, −A·c);  aggregated
/// geo_mean    d' = s·min(s·d, s·clamp(d, −low, high)), s = sign A;  R = exp(mean over tokens of d');  mean of −A·R
///             over all sequences (those without tokens too; n/(n + 1e-8) for n tokens, as verl divides)
/// + kl_coef · clamp(e^k − k − 1, ±10), k = clamp(reference − logp, ±20), aggregated
PolicyLoss policy_loss(const torch::Tensor& logp, const torch::Tensor& old, const torch::Tensor& reference,
                       const torch::Tensor& advantages, const torch::Tensor& mask, const PolicyLossOptions& options,
                       const Denominators& denominators = {});

}  // namespace pionbench::rlvr
