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

torch::Tensor directions_passed(const torch::Tensor& s, double threshold) {
  return (s > threshold).sum(-1).to(torch::kFloat64);
}

SpectralSummary spectral_summary(const torch::Tensor& x, std::int64_t top) {
  const auto s = singular_values(x);
  return {torch::linalg_vector_norm(s, 2, at::IntArrayRef{-1}),
          s.amax(-1),
          effective_rank(s),
          stable_rank(s),
          condition_number(s),
          top_energy(s, top),
          directions_passed(s)};
}

torch::Tensor orthogonality_error(const torch::Tensor& input) {
  const torch::NoGradGuard no_grad;
  auto x = input.detach().to(torch::kFloat64);
  if (x.size(-2) > x.size(-1)) x = x.transpose(-2, -1);
  auto difference = torch::matmul(x, x.transpose(-2, -1));
  difference.diagonal(0, -2, -1).sub_(1);
  return torch::linalg_vector_norm(difference, 2, at::IntArrayRef{-2, -1}) / std::sqrt(static_cast<double>(x.size(-2)));
}

double gradient_snr(const torch::Tensor& samples) {
  GradientSnr snr;
  for (std::int64_t i = 0; i < samples.size(0); ++i) snr.add(samples[i]);
  return snr.value();
}

void GradientSnr::add(const torch::Tensor& gradient) {
  const torch::NoGradGuard no_grad;
  const auto sample = gradient.detach().to(torch::kFloat64);
  if (!mean_.defined()) {
    mean_ = sample.clone();
    squared_deviation_ = torch::zeros({}, sample.options());
    samples_ = 1;
    return;
  }
  if (sample.sizes() != mean_.sizes())
    throw std::invalid_argument("GradientSnr::add: got shape " + c10::str(sample.sizes()) + ", earlier samples have " +
                                c10::str(mean_.sizes()));
  ++samples_;
  const auto n = static_cast<double>(samples_);
  const auto deviation = sample - mean_;
  // Σ(x − mean)² grows by ‖x − old mean‖²·(n − 1)/n.
  squared_deviation_.add_(deviation.square().sum(), (n - 1) / n);
  mean_.add_(deviation, 1 / n);
}

double GradientSnr::value() const {
  if (samples_ < 2) throw std::invalid_argument("gradient SNR needs at least two samples");
  const auto k = static_cast<double>(samples_);
  const double variance = squared_deviation_.item<double>() / (k - 1);
  const double signal = mean_.square().sum().item<double>() - variance / k;
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

double relative_change(const torch::Tensor& before, const torch::Tensor& after) {
  const auto old = before.detach().to(torch::kFloat64);
  const double moved = (after.detach().to(torch::kFloat64) - old).norm().item<double>();
  return moved == 0 ? 0 : moved / old.norm().item<double>();
}

}  // namespace pionbench::optim
