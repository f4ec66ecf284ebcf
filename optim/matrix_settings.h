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

/// lr, momentum, momentum_rule, nesterov, weight_decay, update_scale, scale_rule, eps, eps_rule, precision, form,
/// ns_steps, heads, head_group, workspace_mib, and the auxiliary rows.
std::vector<Setting> matrix_settings();

/// One released code's choices. Momentum is 0.95, eps 1e-7, five steps and bfloat16 in all that were read.
struct Convention {
  double lr;
  double weight_decay;
  bool nesterov;
  double update_scale;
  const char* scale_rule = "sqrt_max";
  const char* momentum_rule = "ema";
  const char* eps_rule = "add";
  double aux_lr_ratio = 1.0;
};

/// A convention as a bundle. It names every hyperparameter in which two of them differ, so that a preset never
/// depends on a default.
Bundle preset(const char* name, const char* source, const Convention& convention);

/// The conventions of released Pion codes (bundle key "preset").
std::vector<Bundle> released_presets();

/// Options from resolved hyperparameters, everything but the map and the heads.
MatrixOptions matrix_options(const Values& hyper);

/// matrix_options with the chain, divisor and restarts of a coefficient set, ns_steps of it.
MatrixOptions orthogonal_options(const Values& hyper, const CoefficientSet& set);

using Groups = std::vector<torch::optim::OptimizerParamGroup>;
using MatrixFactory = std::function<std::unique_ptr<MatrixOptimizer>(const Groups& groups, const MatrixOptions& base)>;

/// A RoutedOptimizer whose matrices have the options `base`: one group per head layout, heads split where hyper says
/// "per-head", head_group of them to a block (1 where hyper has no such row). UserError naming the parameter that is
/// not a dense floating-point matrix or whose heads do not divide. `factory` builds relatives of MatrixOptimizer; by
/// default MatrixOptimizer itself.
std::unique_ptr<RoutedOptimizer> make_matrix_arm(const std::vector<Parameter>& parameters, const Values& hyper,
                                                 const MatrixOptions& base, const MatrixFactory& factory = {});

}  // namespace pionbench::optim
