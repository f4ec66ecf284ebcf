#pragma once
/// Signal-to-noise ratio of a gradient over many parameters, from independent micro-batches: optim::GradientSnr's
/// unbiased estimate for all of them together, with one copy of the gradient in its own type instead of one in float64.
///   noise  v = k/(k − 1) · (mean ‖Gᵢ‖² − ‖mean G‖²);   signal = ‖mean G‖² − v/k;   SNR = signal / v
/// Norms are summed in float64.

#include <torch/torch.h>

#include <vector>

namespace pionbench::rlvr {

class GradientSnrMeter {
 public:
  /// One micro-batch's gradient of every parameter; the same shapes each time, nothing undefined.
  void add(const std::vector<torch::Tensor>& gradients);
  /// k ≥ 2 samples, else std::logic_error. NaN where every gradient was zero, infinity without noise.
  double value() const;

 private:
  std::int64_t samples_ = 0;
  double squares_ = 0;  ///< Σ ‖Gᵢ‖²
  std::vector<torch::Tensor> sums_;
};

}  // namespace pionbench::rlvr
