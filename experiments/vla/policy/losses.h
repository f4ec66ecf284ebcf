#pragma once
/// What the two action heads are trained on. Chunks are [B, T, D]: T actions of D numbers, normalised (normaliser.h).

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace pionbench::vla {

/// VLA-Adapter: mean |a − b| over everything.
torch::Tensor chunk_l1_loss(const torch::Tensor& predicted, const torch::Tensor& target);

/// Flow matching as VLANeXt runs it: x_σ = (1 − σ)·a + σ·ε, and the network predicts the velocity v = ε − a. So
/// x_σ − σ·v = a, and the path runs from noise (σ = 1) to the action (σ = 0).
struct FlowSample {
  torch::Tensor noisy;     ///< x_σ
  torch::Tensor velocity;  ///< ε − a
};
/// `sigma` [B] in [0, 1]; `noise` like `actions`.
FlowSample flow_sample(const torch::Tensor& actions, const torch::Tensor& noise, const torch::Tensor& sigma);

/// The chunk that a predicted velocity stands for: x_σ − σ·v.
torch::Tensor clean_estimate(const torch::Tensor& noisy, const torch::Tensor& velocity, const torch::Tensor& sigma);

/// The orthonormal DCT-II over T steps as a matrix [T, T]: row k is √(2/T)·cos(π(2t + 1)k / 2T), row 0 by 1/√2 of it.
torch::Tensor dct_matrix(std::int64_t steps, const torch::TensorOptions& options);

/// VLANeXt's auxiliary loss: mean over everything of w_k·(DCT(â) − DCT(a))², with w = 5 for the first eighth of the
/// coefficients and 0 for the rest.
torch::Tensor dct_loss(const torch::Tensor& estimate, const torch::Tensor& target);

/// MSE of the velocity + dct_weight · dct_loss of the clean estimate.
torch::Tensor flow_loss(const torch::Tensor& velocity, const FlowSample& sample, const torch::Tensor& actions,
                        const torch::Tensor& sigma, double dct_weight);

/// σ at the borders of n Euler steps: linspace(1, 0.001, n), then 0. n + 1 numbers; the last step is 0.001 wide.
std::vector<double> flow_grid(std::int64_t steps);

}  // namespace pionbench::vla
