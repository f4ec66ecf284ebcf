/// train [optimizer]: a network of three layers learns to tell two spirals apart. Exit 0 when it does, 1 when not.
#include <torch/torch.h>

#include <cstdio>

#include "core/error.h"
#include "optim/registry.h"

using namespace pionbench;

int main(int argc, char** argv) try {
  torch::manual_seed(1);
  const auto t = torch::linspace(0.5, 3.5, 200);
  const auto arm = torch::stack({t * torch::cos(2 * t), t * torch::sin(2 * t)}, 1);  // one spiral, [points, 2]
  const auto x = torch::cat({arm, -arm}), y = torch::cat({torch::zeros(200), torch::ones(200)}).to(torch::kLong);
  torch::nn::Sequential net(torch::nn::Linear(2, 64), torch::nn::Tanh(), torch::nn::Linear(64, 64), torch::nn::Tanh(),
                            torch::nn::Linear(64, 2));

  // The model says what each parameter is: matrices go to the optimizer named, all else to AdamW beside it.
  std::vector<optim::Parameter> parameters;
  for (const auto& p : net->named_parameters()) {
    const auto role = p.key() == "4.weight" ? optim::Role::kOutput : optim::Role::kMatrix;
    parameters.push_back({p.key(), p.value(), p.value().dim() < 2 ? optim::Role::kVector : role});
  }
  const auto optimizer = optim::make_optimizer(argc > 1 ? argv[1] : "muon", parameters, {{"lr", 0.01}});

  torch::Tensor logits;
  for (int step = 0; step <= 200; ++step) {
    optimizer->zero_grad();
    logits = net->forward(x);
    const auto loss = torch::nn::functional::cross_entropy(logits, y);
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item<double>());
    loss.backward();
    optimizer->set_lr_factor(1 - step / 250.0);
    optimizer->step();
  }
  return (logits.argmax(1) == y).to(torch::kFloat32).mean().item<double>() > 0.98 ? 0 : 1;
} catch (const UserError& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return e.exit_code();
}
