#pragma once
/// The spectral probe: what an update did to each matrix, seen from outside the optimizer, so every arm is measured
/// the same way. Outside the timed clock.

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "experiments/worker/events.h"
#include "optim/routing.h"

namespace pionbench {

/// The matrices as training found them. One copy of them, for the length of a run.
class InitialWeights {
 public:
  explicit InitialWeights(const std::vector<optim::Parameter>& parameters);
  /// `spectral` events at step 0: initial_weight_norm of each matrix, and of each head of attention projections.
  void report(EventWriter& events) const;
  /// Of a matrix among `parameters`.
  const torch::Tensor& of(const std::string& name) const { return weights_.at(name); }

 private:
  std::vector<optim::Parameter> matrices_;
  std::map<std::string, torch::Tensor> weights_;
};

/// Use: before(step), optimizer.step(), after(step).
///
/// One `spectral` event per matrix (head −1) with
///   grad_norm, grad_effective_rank, grad_top_energy     of the gradient
///   momentum_top_energy                                 of what the optimizer averages: above 2/3, one direction
///                                                       passes Pion's k_p = 0
///   update_rms_over_lr, update_norm, relative_change    of W_after − W_before (decay included); change over ‖W‖
///   displacement_norm                                   ‖W_after − W_0‖, given the initial weights
///   initial_head_variance, update_head_variance,        of attention projections: variance over heads of the norms
///   displacement_head_variance                          below
/// and one per head of attention projections with grad_norm, grad_top_energy, momentum_top_energy, update_norm,
/// displacement_norm.
/// One `metric` event with update_rms_over_lr and relative_change over all matrices together, and with what the step
/// did: optimizer/engine/{gram,standard,guarded} and optimizer/leading/{finished,passes,refused} count matrices or
/// heads (RoutedOptimizer::statistics); and where a model has several modalities, as means over the matrices of each
///   grad_effective_rank/<modality>, grad_effective_rank_share/<modality> (over min(m, n))
///   directions_passed/<modality>    singular values of the update above half of its scale lr·s·√max(m, n); given
///                                   `update_scale` s, for matrices that are mapped whole
/// Cost: a Gram eigendecomposition per matrix and head in float64, and one copy of
/// the matrices.
class Probe {
 public:
  /// `initial` may be null; then what is measured from it is left out.
  Probe(const std::vector<optim::Parameter>& parameters, const optim::RoutedOptimizer& optimizer, double lr,
        const InitialWeights* initial = nullptr, double update_scale = 0);
  void before();
  void after(std::int64_t step, EventWriter& events);

 private:
  std::vector<optim::Parameter> matrices_;
  const optim::RoutedOptimizer& optimizer_;
  double lr_;
  const InitialWeights* initial_;
  double update_scale_;
  std::vector<torch::Tensor> weights_before_;
  std::map<std::string, std::int64_t> statistics_before_;
};

}  // namespace pionbench
