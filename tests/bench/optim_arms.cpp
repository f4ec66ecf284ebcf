/// Steps one parameter with one optimizer at a time, on request: the half of tests/bench/optim_peers.py that is C++.
/// One process holds all arms, so that a script can take them in turn with arms of another process and compare pairs.
///
///   case M N ROLE HEADS KIND        a parameter [M, N]; ROLE matrix, heads_out or heads_in; KIND of gradient below
///   arm NAME OPTIMIZER key=value…   an arm of the registry ("muon", "pion", …), or one of the naive forms below
///   step NAME                       prints the seconds of one step(); the gradient changes from step to step
///   error NAME                      prints the relative error of a first step's update against float64
///   memory NAME                     prints the bytes a step took beyond what it began with, at its peak
///
/// Naive forms, the released formula written down in libtorch:
///   naive-bfloat16  EMA momentum, bfloat16 from the first operation, 5 × (X Xᵀ, A², aX + PX), head by head in a loop
///   plain-gram      float32, R = X Xᵀ once, then r × r products, without symmetry, batching or anything else
/// Kinds of gradient: noise (Gaussian), mixed (four directions of 1, .8, .6, .4 and as much noise), dominant (one
/// direction with three quarters of the energy).

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/error.h"
#include "optim/bench/naive.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"

namespace pionbench::optim {
namespace {

struct Case {
  std::int64_t m = 0, n = 0, heads = 1;
  Role role = Role::kMatrix;
  std::string kind;
  torch::Tensor signal;
  std::vector<torch::Tensor> gradients;
};

Case make_case(std::int64_t m, std::int64_t n, Role role, std::int64_t heads, const std::string& kind) {
  torch::manual_seed(1);
  Case out{m, n, heads, role, kind, {}, {}};
  const auto unit = [](std::int64_t rows, std::int64_t cols) {
    return std::get<0>(torch::linalg_qr(torch::randn({rows, cols})));
  };
  const double size = std::sqrt(static_cast<double>(m * n));
  torch::Tensor signal = torch::zeros({m, n});
  double noise = 1;
  if (kind == "mixed") {
    const auto energies = torch::tensor({1.0, 0.8, 0.6, 0.4}, torch::kFloat32);
    signal = torch::matmul(unit(m, 4) * energies, unit(n, 4).t());
    signal *= size / signal.norm().item<double>();
  } else if (kind == "dominant") {
    signal = torch::matmul(unit(m, 1), unit(n, 1).t()) * size * std::sqrt(0.75);
    noise = 0.5;
  }
  for (int i = 0; i < 4; ++i) out.gradients.push_back(signal + noise * torch::randn({m, n}));
  return out;
}

/// One arm on its own copy of the parameter.
class Arm {
 public:
  Arm(const Case& of, const std::string& optimizer, const Values& hyper)
      : case_(of), weight_(torch::zeros({of.m, of.n}).set_requires_grad(true)) {
    const auto int_of = [&](const char* key, std::int64_t fallback) {
      return hyper.count(key) ? std::get<std::int64_t>(hyper.at(key)) : fallback;
    };
    const bool per_head = hyper.count("heads") && std::get<std::string>(hyper.at("heads")) == "per-head";
    heads_ = per_head ? of.heads : 1;
    k_p_ = int_of("k_p", -1);
    if (optimizer == "naive-bfloat16" || optimizer == "plain-gram") {
      naive_ = optimizer;
      momentum_ = torch::zeros_like(weight_);
      return;
    }
    optimizer_ = make_optimizer(optimizer, {{"w", weight_, of.role, Modality::kOther, of.heads}}, hyper);
  }

  double step() {
    weight_.mutable_grad() = case_.gradients[static_cast<std::size_t>(steps_++ % 4)].clone();
    const auto start = std::chrono::steady_clock::now();
    if (optimizer_)
      optimizer_->step();
    else
      naive_step();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  /// ‖ΔW − exact‖ / ‖exact‖ of the first step, with learning rate 1 and no scale. Below 1e-3 the exact update counts as
  /// nothing, and the error is absolute.
  double first_step_error() {
    step();
    const auto map = k_p_ < 0 ? muon_map() : pion_map(k_p_);
    EngineOptions exact;
    exact.precision = Precision::kFloat64;
    exact.form = Form::kStandard;
    const auto side = case_.role == Role::kHeadsIn ? HeadSide::kInput : HeadSide::kOutput;
    const auto blocks = head_blocks(case_.gradients[0].to(torch::kFloat64), heads_, side);
    const auto expected = merge_heads(apply_spectral_map(blocks, map, exact), side);
    const auto ours = -weight_.detach().to(torch::kFloat64);
    return (ours - expected).norm().item<double>() / std::max(expected.norm().item<double>(), 1e-3);
  }

 private:
  void naive_step() {
    const torch::NoGradGuard no_grad;
    const auto grad = weight_.grad();
    momentum_.lerp_(grad, 0.05);
    const auto map = k_p_ < 0 ? muon_map() : pion_map(k_p_);
    const auto axis = case_.role == Role::kHeadsIn ? 1 : 0;
    std::vector<torch::Tensor> pieces;
    for (const auto& head : momentum_.chunk(heads_, axis))
      pieces.push_back(naive_ == "plain-gram" ? plain_gram_map(head, map) : naive_map(head, map));
    const auto update = heads_ == 1 ? pieces.front() : torch::cat(pieces, axis);
    weight_.mul_(1.0);  // the release decays even by nothing
    weight_.add_(update, -1.0);
  }

  const Case& case_;
  torch::Tensor weight_, momentum_;
  std::unique_ptr<RoutedOptimizer> optimizer_;
  std::string naive_;
  std::int64_t heads_ = 1, k_p_ = -1;
  int steps_ = 0;
};

Value parse_value(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  std::size_t used = 0;
  try {
    if (text.find_first_of(".e") == std::string::npos) {
      const std::int64_t whole = std::stoll(text, &used);
      if (used == text.size()) return whole;
    }
    const double real = std::stod(text, &used);
    if (used == text.size()) return real;
  } catch (const std::exception&) {
  }
  return text;
}

/// Peak resident size of the process so far, in bytes; reset by writing 5 to clear_refs.
std::int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoll(line.substr(6)) * 1024;
  return 0;
}

}  // namespace
}  // namespace pionbench::optim

int main() {
  using namespace pionbench;
  using namespace pionbench::optim;
  Case current;
  struct Recipe {
    std::string optimizer;
    Values hyper;
  };
  std::map<std::string, Recipe> recipes;
  std::map<std::string, std::unique_ptr<Arm>> arms;
  for (std::string line; std::getline(std::cin, line);) try {
      std::istringstream words(line);
      std::string verb, name;
      words >> verb;
      if (verb == "case") {
        std::int64_t m, n, heads;
        std::string role, kind;
        words >> m >> n >> role >> heads >> kind;
        arms.clear();
        recipes.clear();
        current = make_case(m, n,
                            role == "heads_out"  ? Role::kHeadsOut
                            : role == "heads_in" ? Role::kHeadsIn
                                                 : Role::kMatrix,
                            heads, kind);
        std::cout << "ok" << std::endl;
      } else if (verb == "arm") {
        Recipe recipe;
        words >> name >> recipe.optimizer;
        // Every arm: learning rate 1 and no scale, so that a first step is the mapped direction itself.
        const bool naive = recipe.optimizer == "naive-bfloat16" || recipe.optimizer == "plain-gram";
        if (!naive)
          recipe.hyper = {{"lr", 1.0},
                          {"weight_decay", 0.0},
                          {"update_scale", 1.0},
                          {"scale_rule", std::string("none")},
                          {"nesterov", false}};
        for (std::string pair; words >> pair;) {
          const auto equals = pair.find('=');
          recipe.hyper[pair.substr(0, equals)] = parse_value(pair.substr(equals + 1));
        }
        recipes[name] = recipe;
        arms[name] = std::make_unique<Arm>(current, recipe.optimizer, recipe.hyper);
        std::cout << "ok" << std::endl;
      } else if (verb == "step") {
        words >> name;
        std::cout << arms.at(name)->step() << std::endl;
      } else if (verb == "error") {
        words >> name;
        const auto& recipe = recipes.at(name);
        std::cout << Arm(current, recipe.optimizer, recipe.hyper).first_step_error() << std::endl;
      } else if (verb == "memory") {
        words >> name;
        arms.at(name)->step();
        std::ofstream("/proc/self/clear_refs") << 5;
        const auto before = peak_bytes();
        arms.at(name)->step();
        std::cout << peak_bytes() - before << std::endl;
      } else {
        throw UserError("unknown request \"" + verb + "\"; allowed: case, arm, step, error, memory");
      }
    } catch (const std::exception& e) {
      std::cout << "error " << e.what() << std::endl;
    }
  return 0;
}
