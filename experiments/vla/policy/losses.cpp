#include "experiments/vla/policy/losses.h"

#include <cmath>
#include <numbers>

namespace pionbench::vla {
namespace {

constexpr double kLowWeight = 5, kLowShare = .125;

torch::Tensor per_chunk(const torch::Tensor& sigma) {
  return sigma.view({-1, 1, 1});
}

}  // namespace

torch::Tensor chunk_l1_loss(const torch::Tensor& predicted, const torch::Tensor& target) {
  return (predicted - target).abs().mean();
}

FlowSample flow_sample(const torch::Tensor& actions, const torch::Tensor& noise, const torch::Tensor& sigma) {
  const auto s = per_chunk(sigma);
  return {(1 - s) * actions + s * noise, noise - actions};
}

torch::Tensor clean_estimate(const torch::Tensor& noisy, const torch::Tensor& velocity, const torch::Tensor& sigma) {
  return noisy - per_chunk(sigma) * velocity;
}

torch::Tensor dct_matrix(std::int64_t steps, const torch::TensorOptions& options) {
  const auto wide = options.dtype(torch::kFloat64);
  const auto k = torch::arange(steps, wide).unsqueeze(1), t = torch::arange(steps, wide).unsqueeze(0);
  const auto n = static_cast<double>(steps);
  auto matrix = (std::numbers::pi / n * (t + .5) * k).cos() * std::sqrt(2 / n);
  matrix[0] *= std::sqrt(.5);
  return matrix.to(options.dtype());
}

torch::Tensor dct_loss(const torch::Tensor& estimate, const torch::Tensor& target) {
  const auto steps = target.size(1);
  const auto low = std::max<std::int64_t>(1, std::llround(kLowShare * static_cast<double>(steps)));
  const auto matrix = dct_matrix(steps, estimate.options().requires_grad(false)).narrow(0, 0, low);  // [low, T]
  const auto difference = torch::matmul(matrix, estimate - target);                                  // [B, low, D]
  return kLowWeight * difference.square().sum() / static_cast<double>(target.numel());
}

torch::Tensor flow_loss(const torch::Tensor& velocity, const FlowSample& sample, const torch::Tensor& actions,
                        const torch::Tensor& sigma, double dct_weight) {
  auto loss = torch::mse_loss(velocity, sample.velocity);
  if (dct_weight > 0) loss = loss + dct_weight * dct_loss(clean_estimate(sample.noisy, velocity, sigma), actions);
  return loss;
}

std::vector<double> flow_grid(std::int64_t steps) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < steps; ++i)
    out.push_back(steps == 1 ? 1 : 1 - .999 * static_cast<double>(i) / static_cast<double>(steps - 1));
  out.push_back(0);
  return out;
}

}  // namespace pionbench::vla
