/// Stub: sign momentum, the smallest optimizer that keeps every promise. Copy it to optim/<name>.cpp to start.
///   M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·sign(M)
/// Shapes  W, G, M: [m, n]; heads change nothing, the sign acts on each element.
/// State   one buffer of W's shape.  Cost  5mn, no matrix product.
/// Source  Bernstein et al. 2018, https://arxiv.org/abs/1802.04434 (Signum)
///
/// Compiled and held to the promises of tests/optim/properties.h, but no part of the library: it is not registered.

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {

OptimizerEntry stub_entry();  // yours is declared in registry.h

namespace {

class SignMomentum : public MatrixOptimizer {
 public:
  using MatrixOptimizer::MatrixOptimizer;

 protected:
  /// `directions` [parameters, heads, rows, cols]: what the step rule of matrix_optimizer.h averaged.
  torch::Tensor map(const torch::Tensor& directions, const MatrixOptions&, std::int64_t) override {
    return directions.sign();
  }
};

}  // namespace

OptimizerEntry stub_entry() {
  OptimizerInfo info;
  info.name = "stub";
  info.title = "Sign momentum";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·sign(M)";
  info.source = "arXiv 1802.04434";
  info.state = "one buffer of the weight's shape";
  info.cost = "5mn";
  info.table.settings = {
      real_setting("lr", 1e-4, 0, 1e3, "learning rate η"),
      real_setting("momentum", 0.9, 0, 0.999999, "μ"),
      real_setting("weight_decay", 0.0, 0, 1e3, "decoupled decay λ: W ← (1 − ηλ)W"),
      real_setting("update_scale", 1.0, 0, 1e6, "s"),
      choice_setting("heads", "whole", {"whole", "per-head"}, "no difference here; experiments set it for every arm"),
  };
  const auto auxiliary = auxiliary_settings();
  info.table.settings.insert(info.table.settings.end(), auxiliary.begin(), auxiliary.end());
  info.table.bundle_sets = {{"preset",
                             "",
                             "the conventions of a released code",
                             {{"signum", "arXiv 1802.04434, section 5", {{"lr", 1e-4}, {"momentum", 0.9}}}}}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto base = MatrixOptions(get_real(hyper, "lr"))
                                  .momentum(get_real(hyper, "momentum"))
                                  .nesterov(false)
                                  .weight_decay(get_real(hyper, "weight_decay"))
                                  .update_scale(get_real(hyper, "update_scale"))
                                  .scale_rule(ScaleRule::kNone);
            return make_matrix_arm(parameters, hyper, base, [](const Groups& groups, const MatrixOptions& options) {
              return std::make_unique<SignMomentum>(groups, options);
            });
          }};
}

}  // namespace pionbench::optim
