#pragma once
/// Hyperparameters that Muon, Pion and their relatives share, and how they become parameter groups.

#include <functional>
#include <memory>
#include <vector>

#include "core/setting.h"
#include "optim/matrix_optimizer.h"
#include "optim/parameter.h"
#include "optim/routing.h"
#include "optim/spectral/coefficients.h"

namespace pionbench::optim {

/// What OptimizerInfo says of the step rule that they share: matrix_optimizer.h, spectral/engine.h.
inline constexpr const char* kMomentumState = "one buffer of the weight's shape and type";
inline constexpr const char* kMapCost =
    "momentum 3mn; map of k steps: k(4r²c + 2r³) FLOP in standard form, 4r²c(1 + restarts) + 2(4k − 3)r³ in Gram form";

/// lr, momentum, momentum_rule, nesterov, weight_decay, update_scale, scale_rule, eps, eps_rule, precision, form,
/// ns_steps, heads, head_group, workspace_mib, and the auxiliary rows.
std::vector<Setting> matrix_settings();

/// One released code's choices. Momentum is 0.95 and products are in bfloat16 in all that were read.
struct Convention {
  double lr;
  double weight_decay;
  bool nesterov;
  double update_scale;
  const char* scale_rule = "sqrt_max";
  const char* momentum_rule = "ema";
  const char* eps_rule = "add";
  double eps = 1e-7;
  std::int64_t ns_steps = 5;
  double aux_lr_ratio = 1.0;
  double aux_beta2 = 0.999;  ///< β₁ is 0.9 everywhere
  double aux_eps = 1e-8;
};

/// A convention as a bundle, with `more` on top. It names every hyperparameter in which two of them differ, so that a
/// preset never depends on a default; `heads` alone stays the caller's, except in the fused presets below.
Bundle preset(const char* name, const char* source, const Convention& convention, const Values& more = {});

/// What every released Pion code does around its map (bundle key "preset").
std::vector<Bundle> released_presets();

/// pion-rl under the names of the release's fused classes, which also say how attention projections are split:
/// `whole` ("MuonAdamW") and `per_head` ("PerHeadMuonAdamW"), with `more` on top.
std::vector<Bundle> fused_presets(const char* whole, const char* per_head, const Values& more);

/// Each bundle with `more` on top.
std::vector<Bundle> with_values(std::vector<Bundle> bundles, const Values& more);

/// Options from resolved hyperparameters, everything but the map and the heads.
MatrixOptions matrix_options(const Values& hyper);

/// matrix_options with the chain, divisor and restarts of a coefficient set, ns_steps of it.
MatrixOptions orthogonal_options(const Values& hyper, const CoefficientSet& set);

using Groups = std::vector<torch::optim::OptimizerParamGroup>;
using MatrixFactory = std::function<std::unique_ptr<MatrixOptimizer>(const Groups& groups, const MatrixOptions& base)>;

/// A RoutedOptimizer whose matrices have the options `base`: one group per head layout, heads split where hyper says
/// "per-head", head_group of them to a block (1 where hyper has no such row); under scale_rule "sqrt_aspect" one per
/// block aspect, whose factor √(rows/cols) then stands in the group's update_scale. UserError naming the parameter that
/// is not a dense floating-point matrix or whose heads do not divide. `factory` builds relatives of MatrixOptimizer; by
/// default MatrixOptimizer itself.
std::unique_ptr<RoutedOptimizer> make_matrix_arm(const std::vector<Parameter>& parameters, const Values& hyper,
                                                 const MatrixOptions& base, const MatrixFactory& factory = {});

/// The matrix part of it alone: the matrices among `parameters`; null when there are none.
std::unique_ptr<MatrixOptimizer> make_matrices(const std::vector<Parameter>& parameters, const Values& hyper,
                                               const MatrixOptions& base, const MatrixFactory& factory = {});

/// Builds LowRankMuon from the hyperparameters rank, method and sketch_seed (lowrank_muon.cpp).
std::vector<Setting> low_rank_settings();
MatrixFactory low_rank_factory(const Values& hyper);

}  // namespace pionbench::optim
