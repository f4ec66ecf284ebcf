/// Frozen: the control arm. The matrices that a matrix optimizer would own are not updated; AdamW trains the rest
/// as in every other arm. What this arm reaches, no matrix optimizer has earned.

#include "optim/registry.h"

namespace pionbench::optim {

OptimizerEntry frozen_entry() {
  OptimizerInfo info;
  info.name = "frozen";
  info.title = "Control";
  info.equation = "W ← W for matrices; AdamW for embeddings, output layer and vectors";
  info.source = "control of this benchmark";
  info.state = "none for matrices";
  info.cost = "none for matrices";
  info.table.settings = auxiliary_settings();
  info.table.settings.insert(info.table.settings.begin(),
                             {real_setting("lr", 1e-3, 0, 1e3, "learning rate η of the rest"),
                              real_setting("weight_decay", 0.01, 0, 1e3, "decoupled decay λ of the rest")});
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            return std::make_unique<RoutedOptimizer>(nullptr, make_auxiliary(parameters, hyper), parameters);
          }};
}

}  // namespace pionbench::optim
