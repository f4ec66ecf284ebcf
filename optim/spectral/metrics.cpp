#include "optim/spectral/metrics.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace pionbench::optim {
namespace {

/// a / b, 0 where b is 0.
torch::Tensor safe_divide(const torch::Tensor& a, const torch::Tensor& b) {
  return torch::where(b > 0, a / b.clamp_min(std::numeric_limits<double>::min()), torch::zeros_like(a));
}

}  // namespace

torch::Tensor singular_values(const torch::Tensor& input) {
  const torch::NoGradGuard no_grad;
  auto x = input.detach().to(torch::kFloat64);
  if (x.size(-2) > x.size(-1)) x = x.transpose(-2, -1);
  // Scaled first, so that squaring tiny gradients does not underflow.
  const auto scale = x.abs().amax(at::IntArrayRef{-2, -1}, /*keepdim=*/true);
  const auto unit = safe_divide(x, scale.expand_as(x));
  const auto eigenvalues = torch::linalg_eigvalsh(torch::matmul(unit, unit.transpose(-2, -1)));
  return eigenvalues.clamp_min(0).sqrt().flip(-1) * scale.squeeze(-1);
}

torch::Tensor effective_rank(const torch::Tensor& s) {
  const auto total = s.sum(-1, /*keepdim=*/true);
  const auto p = safe_divide(s, total.expand_as(s));
  const auto entropy = -torch::xlogy(p, p).sum(-1);
  return torch::where(total.squeeze(-1) > 0, entropy.exp(), torch::zeros_like(entropy));
}

torch::Tensor stable_rank(const torch::Tensor& s) {
  const auto energy = s.square();
  return safe_divide(energy.sum(-1), energy.amax(-1));
}

torch::Tensor top_energy(const torch::Tensor& s, std::int64_t k) {
  const auto energy = s.square();
  return safe_divide(energy.narrow(-1, 0, std::min<std::int64_t>(k, s.size(-1))).sum(-1), energy.sum(-1));
}

torch::Tensor condition_number(const torch::Tensor& s) {
  const auto largest = s.amax(-1), smallest = s.amin(-1);
  const auto infinite = torch::full_like(largest, std::numeric_limits<double>::infinity());
  const auto ratio = torch::where(smallest > 1e-8 * largest, safe_divide(largest, smallest), infinite);
  return torch::where(largest > 0, ratio, torch::zeros_like(ratio));
}

torch::Tensor directions_passed(const torch::Tensor& s) {
  return (s > 0.5).sum(-1).to(torch::kFloat64);
}

torch::Tensor orthogonality_error(const torch::Tensor& input) {
  const torch::NoGradGuard no_grad;
  auto x = input.detach().to(torch::kFloat64);
  if (x.size(-2) > x.size(-1)) x = x.transpose(-2, -1);
  auto difference = torch::matmul(x, x.transpose(-2, -1));
  difference.diagonal(0, -2, -1).sub_(1);
  return torch::linalg_vector_norm(difference, 2, at::IntArrayRef{-2, -1}) / std::sqrt(static_cast<double>(x.size(-2)));
}

double gradient_snr(const torch::Tensor& input) {
  const auto k = input.size(0);
  if (k < 2) throw std::invalid_argument("gradient_snr needs at least two samples");
  const auto samples = input.detach().to(torch::kFloat64).reshape({k, -1});
  const auto mean = samples.mean(0);
  const double variance = (samples - mean).square().sum().item<double>() / static_cast<double>(k - 1);
  const double signal = mean.square().sum().item<double>() - variance / static_cast<double>(k);
  return variance > 0 ? signal / variance : std::numeric_limits<double>::infinity();
}

double cross_head_variance(const torch::Tensor& blocks) {
  if (blocks.size(0) < 2) return 0;
  const auto norms = torch::linalg_vector_norm(blocks.detach().to(torch::kFloat64), 2, at::IntArrayRef{-2, -1});
  return norms.var(/*unbiased=*/true).item<double>();
}

double rms(const torch::Tensor& x) {
  if (x.numel() == 0) return 0;
  return torch::linalg_vector_norm(x.detach(), 2, {}, false, torch::kFloat64).item<double>() /
         std::sqrt(static_cast<double>(x.numel()));
}

}  // namespace pionbench::optim
