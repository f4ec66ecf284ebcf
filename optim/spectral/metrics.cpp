#include "optim/spectral/metrics.h"

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

double rms(const torch::Tensor& x) {
  if (x.numel() == 0) return 0;
  return torch::linalg_vector_norm(x.detach(), 2, {}, false, torch::kFloat64).item<double>() /
         std::sqrt(static_cast<double>(x.numel()));
}

}  // namespace pionbench::optim
