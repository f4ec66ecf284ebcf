/// Muon: momentum orthogonalised by Newton–Schulz (NS) steps, the step rule of optim/matrix_optimizer.h with
///   f = (3.4445, −4.7750, 2.0315) five times: every singular value from 0.01 up lands in [0.68, 1.21].
/// Source  K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
///
/// Presets differ in more than names (each file read; see the note beside it). "torch" and "torch-match-rms" are
/// torch.optim.Muon's two adjust_lr_fn modes; "moonlight" is arXiv 2502.16982.

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {
namespace {

std::vector<Bundle> presets() {
  using namespace std::string_literals;
  const auto convention = [](double lr, double weight_decay, const char* momentum_rule, bool nesterov,
                             double update_scale, const char* scale_rule, const char* eps_rule) {
    return Values{{"lr", lr},
                  {"momentum", 0.95},
                  {"momentum_rule", std::string(momentum_rule)},
                  {"nesterov", nesterov},
                  {"weight_decay", weight_decay},
                  {"update_scale", update_scale},
                  {"scale_rule", std::string(scale_rule)},
                  {"eps", 1e-7},
                  {"eps_rule", std::string(eps_rule)},
                  {"precision", "bfloat16"s},
                  {"ns_steps", std::int64_t{5}},
                  {"aux_lr_ratio", 1.0}};
  };
  std::vector<Bundle> out = {
      {"keller-jordan", "KellerJordan/Muon, muon.py",
       convention(0.02, 0.0, "ema", true, 1.0, "sqrt_ratio", "add")},
      {"torch", "torch.optim.Muon, adjust_lr_fn \"original\"",
       convention(1e-3, 0.1, "ema", true, 1.0, "sqrt_ratio", "max")},
      {"torch-match-rms", "torch.optim.Muon, adjust_lr_fn \"match_rms_adamw\"",
       convention(1e-3, 0.1, "ema", true, 0.2, "sqrt_max", "max")},
      {"moonlight", "MoonshotAI/Moonlight, toy_train.py",
       convention(1e-3, 0.1, "sum", true, 0.2, "sqrt_max", "add")},
  };
  const auto released = released_presets();
  out.insert(out.end(), released.begin(), released.end());
  return out;
}

}  // namespace

OptimizerEntry muon_entry() {
  OptimizerInfo info;
  info.name = "muon";
  info.title = "Muon";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·√max(m, n)·NS₅(M / ‖M‖)";
  info.source = "https://kellerjordan.github.io/posts/muon/";
  info.table.settings = matrix_settings();
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", presets()}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            return make_matrix_arm(parameters, hyper, muon_map(get_int(hyper, "ns_steps")));
          }};
}

}  // namespace pionbench::optim
