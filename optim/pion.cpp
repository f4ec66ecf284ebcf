/// Pion: the step rule of optim/matrix_optimizer.h with a high-pass in place of Newton–Schulz,
///   f = f_s ∘ … ∘ f_s ∘ f_p ∘ … ∘ f_p:  k_p promotions (1.875, −1.25, 0.375), then ns_steps − k_p suppressions
///   (0, 2.5, −1.5).
/// Singular values are those of M/‖M‖_F, so their squares sum to 1. What lies above a cutoff goes to 1, the rest to 0:
///   k_p            0       1       2       3       4
///   cutoff         0.8165  0.5230  0.2957  0.1605  0.0860
///   passes at most 1       3       11      38      135   directions of a matrix or head
/// At the released k_p = 0 an update has rank one or (almost) vanishes: that is the formula, not a fault.
/// Cost    k_p ≤ 1 with fast_path: O(mn), spectral/leading.h. Otherwise the engine's.
/// Source  arXiv 2605.19282; OPTML-Group/Pion, pion.py and RL/verl/verl/utils/muon.py.

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {

OptimizerEntry pion_entry() {
  OptimizerInfo info;
  info.name = "pion";
  info.title = "Pion";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·√max(m, n)·f_s^(k_s)(f_p^(k_p)(M / ‖M‖))";
  info.source = "arXiv 2605.19282; OPTML-Group/Pion";
  info.state = "one buffer of the weight's shape and type; with fast_path and k_p ≤ 1 also 8n numbers of each block";
  info.cost = "k_p ≤ 1 with fast_path: 32mn FLOP a pass, about three; otherwise ";
  info.cost += kMapCost;
  info.version = 2;  // the fast path rounds differently
  info.table.settings = matrix_settings();
  info.table.settings.insert(info.table.settings.begin() + 1,
                             int_setting("k_p", 0, 0, 30, "promotion steps; the other ns_steps − k_p suppress"));
  info.table.settings.push_back(
      bool_setting("fast_path", true,
                   "k_p ≤ 1: power iteration for the few directions that pass, exact within 1e-3, not the chain"));
  auto presets = with_values(released_presets(), {{"k_p", std::int64_t{0}}});
  for (auto& bundle : fused_presets("DefaultPionAdamW", "PerHeadPionAdamW", {{"k_p", std::int64_t{0}}}))
    presets.push_back(std::move(bundle));
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", std::move(presets)}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto map = pion_map(get_int(hyper, "k_p"), get_int(hyper, "ns_steps"));
            return make_matrix_arm(parameters, hyper,
                                   matrix_options(hyper).spectral_map(map).fast_path(get_bool(hyper, "fast_path")));
          }};
}

}  // namespace pionbench::optim
