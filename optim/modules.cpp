/// Modules: the matrices of each module of a model by an optimizer of their own; AdamW for all the rest, as in every
/// arm. A robot policy's "Pion" is such a mixture: Muon on vision, language and connectors, Pion on the action head.
///   vision, language, action, other = adamw | muon | pion | lowrank_muon | frozen
/// Everything else is shared: one lr, one decay, one scale for all of them (OPTML-Group/Pion does the same), unless
/// action_lr_ratio gives the action head's matrices a rate of their own: updates of equal size are compared so. `k_p`
/// and `heads` concern Pion's matrices, `rank` those of LowRankMuon, the betas of the rest those of AdamW, whose
/// matrices take lr itself and not lr·aux_lr_ratio.
///
/// Source: OPTML-Group/Pion, VLA/VLAAdapter/vla-scripts/finetune_pion.py and VLA/VLANeXt/scripts/train_pion.py;
/// per-head Muon does not exist there.

#include <map>

#include "optim/matrix_settings.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"

namespace pionbench::optim {
namespace {

const std::vector<std::string> kRules = {"adamw", "muon", "pion", "lowrank_muon", "frozen"};

const char* module_of(Modality modality) {
  switch (modality) {
    case Modality::kVision:
      return "vision";
    case Modality::kLanguage:
      return "language";
    case Modality::kAction:
      return "action";
    case Modality::kOther:
      break;
  }
  return "other";
}

std::unique_ptr<torch::optim::Optimizer> make_part(const std::string& rule, const std::vector<Parameter>& matrices,
                                                   Values hyper, double lr_ratio) {
  hyper["lr"] = get_real(hyper, "lr") * lr_ratio;
  if (rule == "adamw") return make_adamw(matrices, hyper, get_real(hyper, "lr"), "aux_");
  if (rule == "frozen") return nullptr;
  if (rule == "pion") {
    const auto map = pion_map(get_int(hyper, "k_p"), get_int(hyper, "ns_steps"));
    return make_matrices(matrices, hyper,
                         matrix_options(hyper).spectral_map(map).fast_path(get_bool(hyper, "fast_path")));
  }
  Values whole = hyper;
  whole["heads"] = std::string("whole");
  if (rule == "lowrank_muon")
    return make_matrices(matrices, whole, matrix_options(whole).spectral_map(muon_map(get_int(whole, "ns_steps"))),
                         low_rank_factory(whole));
  return make_matrices(matrices, whole, orthogonal_options(whole, find_coefficients("muon")));
}

std::unique_ptr<RoutedOptimizer> make(const std::vector<Parameter>& parameters, const Values& hyper) {
  const double action_ratio = get_real(hyper, "action_lr_ratio");
  std::map<std::pair<std::string, bool>, std::vector<Parameter>> by_rule;  // and whether the rate is the head's own
  for (const auto& p : matrices_of(parameters))
    by_rule[{get_text(hyper, module_of(p.modality)), p.modality == Modality::kAction && action_ratio != 1}].push_back(
        p);
  std::vector<RoutedOptimizer::Part> parts;
  for (const auto& rule : kRules)
    for (const bool own_rate : {false, true})
      if (const auto it = by_rule.find({rule, own_rate}); it != by_rule.end())
        parts.push_back(
            {own_rate ? rule + "_action" : rule, make_part(rule, it->second, hyper, own_rate ? action_ratio : 1)});
  parts.push_back({"auxiliary", make_auxiliary(parameters, hyper)});
  return std::make_unique<RoutedOptimizer>(std::move(parts), parameters);
}

/// The three of the release's trainers that route by module.
std::vector<Bundle> vla_presets() {
  auto out = with_values(released_presets(), {{"k_p", std::int64_t{0}}, {"rank", std::int64_t{128}}});
  std::erase_if(out, [](const Bundle& b) { return b.name == "pion-release" || b.name == "pion-rl"; });
  return out;
}

}  // namespace

OptimizerEntry modules_entry() {
  OptimizerInfo info;
  info.name = "modules";
  info.title = "By module";
  info.equation = "matrices of vision, language, action head and the rest: each by the optimizer named for it";
  info.source = "arXiv 2605.19282, Table A6; OPTML-Group/Pion, VLA";
  info.state = "that of each optimizer for its matrices";
  info.cost = "that of each optimizer for its matrices";
  const auto rule = [](const char* module, const char* otherwise, const char* help) {
    return choice_setting(module, otherwise, kRules, help);
  };
  info.table.settings = {rule("vision", "muon", "optimizer of the vision module's matrices"),
                         rule("language", "muon", "optimizer of the language module's matrices"),
                         rule("action", "pion", "optimizer of the action head's matrices"),
                         rule("other", "muon", "optimizer of all other matrices: connectors")};
  info.table.settings.push_back(
      real_setting("action_lr_ratio", 1.0, 0, 1e3, "learning rate of the action head's matrices, as a multiple of lr"));
  const auto shared = matrix_settings();
  info.table.settings.insert(info.table.settings.end(), shared.begin(), shared.end());
  info.table.settings.push_back(
      int_setting("k_p", 0, 0, 30, "Pion: promotion steps; the other ns_steps − k_p suppress"));
  info.table.settings.push_back(bool_setting("fast_path", true, "Pion: power iteration where k_p ≤ 1"));
  for (auto& setting : low_rank_settings()) info.table.settings.push_back(std::move(setting));
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", vla_presets()}};
  return {info, make};
}

}  // namespace pionbench::optim
