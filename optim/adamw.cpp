/// AdamW: torch's own, over every parameter.
///   m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  W ← (1 − ηλ)W − η·m̂/(√v̂ + ε), hats bias-corrected
/// State   2·numel per parameter.
/// Source  Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101; torch.optim.AdamW.

#include "optim/registry.h"

namespace pionbench::optim {

OptimizerEntry adamw_entry() {
  OptimizerInfo info;
  info.name = "adamw";
  info.title = "AdamW";
  info.equation = "m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  W ← (1 − ηλ)W − η·m̂/(√v̂ + ε)";
  info.source = "arXiv 1711.05101; torch.optim.AdamW";
  info.state = "two buffers of the parameter's shape";
  info.cost = "O(mn), no matrix product";
  info.table.settings = {
      real_setting("lr", 1e-3, 0, 1e3, "learning rate η"),
      real_setting("beta1", 0.9, 0, 0.999999, "decay of the first moment"),
      real_setting("beta2", 0.999, 0, 0.99999999, "decay of the second moment"),
      real_setting("eps", 1e-8, 0, 1, "added to the root of the second moment"),
      real_setting("weight_decay", 0.01, 0, 1e3, "decoupled decay λ: W ← (1 − ηλ)W"),
  };
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            return std::make_unique<RoutedOptimizer>(nullptr, make_adamw(parameters, hyper, get_real(hyper, "lr"), ""),
                                                     parameters);
          }};
}

}  // namespace pionbench::optim
