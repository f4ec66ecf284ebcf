/// Muon: momentum orthogonalised by Newton–Schulz (NS) steps, the step rule of optim/matrix_optimizer.h with
///   f = (3.4445, −4.7750, 2.0315) five times: every singular value from 0.01 up lands in [0.68, 1.21].
/// Source  K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
///
/// Presets differ in more than names (each file was read). "torch" and "torch-match-rms" are
/// torch.optim.Muon's two adjust_lr_fn modes; "moonlight" is arXiv 2502.16982; "dion" is the Muon of Dion's authors,
/// whose scale √(rows/cols) shrinks wide matrices. "MuonAdamW" and "PerHeadMuonAdamW" are the fused classes of the Pion
/// release. torch.optim.Muon has no AdamW of its own: its presets use torch.optim.AdamW's defaults for the rest.

#include "optim/matrix_settings.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"

namespace pionbench::optim {
namespace {

std::vector<Bundle> presets() {
  std::vector<Bundle> out = {
      preset("keller-jordan", "KellerJordan/Muon, muon.py",
             {.lr = 0.02,
              .weight_decay = 0.0,
              .nesterov = true,
              .update_scale = 1.0,
              .scale_rule = "sqrt_ratio",
              .aux_lr_ratio = 0.015,  // 3e-4
              .aux_beta2 = 0.95,
              .aux_eps = 1e-10}),
      preset("torch", "torch.optim.Muon, adjust_lr_fn \"original\"",
             {.lr = 1e-3,
              .weight_decay = 0.1,
              .nesterov = true,
              .update_scale = 1.0,
              .scale_rule = "sqrt_ratio",
              .eps_rule = "max"}),
      preset("torch-match-rms", "torch.optim.Muon, adjust_lr_fn \"match_rms_adamw\"",
             {.lr = 1e-3, .weight_decay = 0.1, .nesterov = true, .update_scale = 0.2, .eps_rule = "max"}),
      preset("moonlight", "MoonshotAI/Moonlight, toy_train.py",
             {.lr = 1e-3,
              .weight_decay = 0.1,
              .nesterov = true,
              .update_scale = 0.2,
              .momentum_rule = "sum",
              .aux_beta2 = 0.95}),
  };
  for (const auto& more : {released_presets(), fused_presets("MuonAdamW", "PerHeadMuonAdamW", {})})
    out.insert(out.end(), more.begin(), more.end());
  out = with_values(out, {{"coefficients", std::string("muon")}});
  const Convention dion{.lr = 0.01,
                        .weight_decay = 0.01,
                        .nesterov = false,
                        .update_scale = 1.0,
                        .scale_rule = "sqrt_aspect",
                        .momentum_rule = "sum",
                        .eps = 1e-8,
                        .aux_beta2 = 0.95};
  out.insert(out.begin() + 4, preset("dion", "microsoft/dion, dion/muon.py, adjust_lr \"spectral_norm\"", dion,
                                     {{"coefficients", std::string("polar-express")}}));
  return out;
}

}  // namespace

OptimizerEntry muon_entry() {
  OptimizerInfo info;
  info.name = "muon";
  info.title = "Muon";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·√max(m, n)·NS₅(M / ‖M‖)";
  info.source = "https://kellerjordan.github.io/posts/muon/";
  info.state = kMomentumState;
  info.cost = kMapCost;
  info.table.settings = matrix_settings();
  info.table.settings.push_back(
      choice_setting("coefficients", "muon", coefficient_names(Response::kOrthogonal),
                     "polynomial chain; a fixed chain is cut at ns_steps, and its last step repeats beyond its end"));
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", presets()}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            return make_matrix_arm(parameters, hyper,
                                   orthogonal_options(hyper, find_coefficients(get_text(hyper, "coefficients"))));
          }};
}

}  // namespace pionbench::optim
