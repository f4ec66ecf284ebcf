/// LPMuon: Muon without its strongest directions. The step rule of optim/matrix_optimizer.h with a low-pass,
///   f: singular values of M/‖M‖ up to 0.42 ↦ about 1, above 0.58 ↦ about 0.
/// The control for Pion's claim: what is left when the direction that Pion keeps is the one taken away. Singular values
/// are those of M/‖M‖_F, whose squares sum to 1, so at most 3 directions of a matrix or head exceed 0.5: LPMuon is Muon
/// minus at most three directions.
/// The chain is five different quintics, fitted here because the paper publishes none: spectral/fit.h, docs/lpmuon.md.
/// Its length is fixed, so there is no ns_steps.
/// Source  arXiv 2605.19282, appendix L (loss terms and τ = ½). Its experiment is per head: heads = per-head.

#include "optim/matrix_settings.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"

namespace pionbench::optim {

OptimizerEntry lpmuon_entry() {
  OptimizerInfo info;
  info.name = "lpmuon";
  info.title = "LPMuon";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·√max(m, n)·f(M / ‖M‖),  f ≈ 1 up to ½, ≈ 0 above";
  info.source = "arXiv 2605.19282; coefficients fitted here";
  info.state = kMomentumState;
  info.cost = kMapCost;
  info.table.settings = matrix_settings();
  std::erase_if(info.table.settings, [](const Setting& s) { return s.name == "ns_steps"; });
  auto presets = released_presets();
  for (auto& bundle : presets) bundle.values.erase("ns_steps");
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", std::move(presets)}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto& set = find_coefficients("lpmuon");
            auto options = matrix_options(hyper).spectral_map(set.steps);
            options.engine().restarts = set.restarts;
            return make_matrix_arm(parameters, hyper, options);
          }};
}

}  // namespace pionbench::optim
