#pragma once
/// Hyperparameters that Muon, Pion and their relatives share, and how they become parameter groups.

#include <memory>
#include <vector>

#include "core/setting.h"
#include "optim/matrix_optimizer.h"
#include "optim/parameter.h"
#include "optim/routing.h"

namespace pionbench::optim {

/// lr, momentum, momentum_rule, nesterov, weight_decay, update_scale, scale_rule, eps, eps_rule, precision, ns_steps,
/// heads, and the auxiliary rows.
std::vector<Setting> matrix_settings();

/// The conventions of released codes (bundle key "preset"). Each names every hyperparameter in which two of them
/// differ, so that a preset never depends on a default.
std::vector<Bundle> released_presets();

/// Options from resolved hyperparameters, everything but the map and the heads.
MatrixOptions matrix_options(const Values& hyper);

/// A RoutedOptimizer whose matrices run `map`: one group per head layout, heads split where hyper says "per-head".
std::unique_ptr<RoutedOptimizer> make_matrix_arm(const std::vector<Parameter>& parameters, const Values& hyper,
                                                 const SpectralMap& map);

}  // namespace pionbench::optim
