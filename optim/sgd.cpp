/// SGD: torch's own, over every parameter; a control without any normalisation.
///   M ← μM + G;  W ← W − η·M, with decay λ added to the gradient (coupled, as torch does)
/// State   one buffer per parameter.  Source  torch.optim.SGD.

#include "optim/registry.h"

namespace pionbench::optim {

OptimizerEntry sgd_entry() {
  OptimizerInfo info;
  info.name = "sgd";
  info.title = "SGD";
  info.equation = "G ← G + λW;  M ← μM + G;  W ← W − η·M";
  info.source = "torch.optim.SGD";
  info.state = "one buffer of the parameter's shape";
  info.cost = "O(mn), no matrix product";
  info.table.settings = {
      real_setting("lr", 1e-2, 0, 1e3, "learning rate η"),
      real_setting("momentum", 0.9, 0, 0.999999, "μ"),
      bool_setting("nesterov", false, "step along G + μM"),
      real_setting("weight_decay", 0.0, 0, 1e3, "coupled decay λ"),
  };
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            std::vector<torch::Tensor> tensors;
            for (const auto& p : parameters)
              if (p.tensor.requires_grad()) tensors.push_back(p.tensor);
            auto options = torch::optim::SGDOptions(get_real(hyper, "lr"))
                               .momentum(get_real(hyper, "momentum"))
                               .nesterov(get_bool(hyper, "nesterov"))
                               .weight_decay(get_real(hyper, "weight_decay"));
            return std::make_unique<RoutedOptimizer>(
                nullptr, tensors.empty() ? nullptr : std::make_unique<torch::optim::SGD>(tensors, options), parameters);
          }};
}

}  // namespace pionbench::optim
