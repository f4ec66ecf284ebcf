#include "experiments/rlvr/gradient_snr.h"

#include <limits>
#include <stdexcept>

namespace pionbench::rlvr {
namespace {

double square_sum(const std::vector<torch::Tensor>& tensors) {
  double out = 0;
  for (const auto& x : tensors) {
    const double norm = torch::linalg_vector_norm(x, 2, {}, false, torch::kFloat64).item<double>();
    out += norm * norm;
  }
  return out;
}

}  // namespace

void GradientSnrMeter::add(const std::vector<torch::Tensor>& gradients) {
  const torch::NoGradGuard no_grad;
  ++samples_;
  squares_ += square_sum(gradients);
  if (sums_.empty()) {
    for (const auto& g : gradients) sums_.push_back(g.detach().clone());
    return;
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) sums_[i].add_(gradients[i]);
}

double GradientSnrMeter::value() const {
  if (samples_ < 2) throw std::logic_error("gradient SNR needs at least two samples");
  const auto k = static_cast<double>(samples_);
  const double mean_square = square_sum(sums_) / (k * k);
  // Rounding of the sum can bring the difference below zero where there is no noise.
  const double noise = std::max(0.0, k / (k - 1) * (squares_ / k - mean_square));
  const double signal = mean_square - noise / k;
  if (noise > 0) return signal / noise;
  return signal > 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace pionbench::rlvr
