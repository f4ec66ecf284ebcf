#include "optim/matrix_settings.h"

#include <cmath>
#include <map>

#include "core/error.h"

namespace pionbench::optim {
namespace {

/// Matrices under the √(rows/cols) of their blocks where the scale is that; otherwise all under 1.
std::map<double, std::vector<torch::Tensor>> split_by_factor(const std::vector<torch::Tensor>& tensors,
                                                             std::int64_t heads, HeadSide side, bool by_aspect) {
  std::map<double, std::vector<torch::Tensor>> out;
  for (const auto& w : tensors) {
    double factor = 1;
    if (by_aspect && w.dim() == 2) {
      const double aspect = static_cast<double>(w.size(0)) / static_cast<double>(w.size(1));
      const double split = static_cast<double>(heads);
      factor = std::sqrt(side == HeadSide::kOutput ? aspect / split : aspect * split);
    }
    out[factor].push_back(w);
  }
  return out;
}

}  // namespace

std::vector<Setting> matrix_settings() {
  std::vector<Setting> rows = {
      real_setting("lr", 0.02, 0, 1e3, "learning rate η"),
      real_setting("momentum", 0.95, 0, 0.999999, "μ"),
      choice_setting("momentum_rule", "ema", {"ema", "sum"}, "M ← μM + (1 − μ)G, or M ← μM + G"),
      bool_setting("nesterov", true, "map the average of G and M instead of M"),
      real_setting("weight_decay", 0.01, 0, 1e3, "decoupled decay λ: W ← (1 − ηλ)W"),
      real_setting("update_scale", 1.0, 0, 1e6, "s in η·s·√(…)"),
      choice_setting("scale_rule", "sqrt_max", {"sqrt_max", "sqrt_ratio", "sqrt_aspect", "none"},
                     "√max(rows, cols), √max(1, rows/cols), √(rows/cols), or 1; rows and cols of the mapped block"),
      real_setting("eps", 1e-7, 0, 1, "guards the Frobenius norm"),
      choice_setting("eps_rule", "add", {"add", "max"}, "divide by ‖X‖ + eps, or by max(‖X‖, eps)"),
      choice_setting("precision", "float32", {"float32", "bfloat16", "float16", "tf32", "auto"},
                     "type of the matrix products; auto: what the device is fast at and the map survives"),
      choice_setting("form", "auto", {"auto", "standard", "gram"},
                     "products of X itself, or of its small Gram matrix; auto: the cheaper where rounding allows"),
      int_setting("ns_steps", 5, 1, 30, "steps of the polynomial chain"),
      choice_setting("heads", "whole", {"whole", "per-head"},
                     "map attention projections whole, or head by head (others stay whole)"),
      int_setting("head_group", 1, 1, 1 << 20, "per-head: this many neighbouring heads are mapped as one block"),
      int_setting("workspace_mib", 512, 1, 1 << 20,
                  "extra memory of a step's products, in MiB; one matrix is the least"),
  };
  const auto auxiliary = auxiliary_settings();
  rows.insert(rows.end(), auxiliary.begin(), auxiliary.end());
  return rows;
}

Bundle preset(const char* name, const char* source, const Convention& c, const Values& more) {
  Values values = more;
  values.insert({{"lr", c.lr},
                 {"momentum", 0.95},
                 {"momentum_rule", std::string(c.momentum_rule)},
                 {"nesterov", c.nesterov},
                 {"weight_decay", c.weight_decay},
                 {"update_scale", c.update_scale},
                 {"scale_rule", std::string(c.scale_rule)},
                 {"eps", c.eps},
                 {"eps_rule", std::string(c.eps_rule)},
                 {"precision", std::string("bfloat16")},
                 {"ns_steps", c.ns_steps},
                 {"aux_lr_ratio", c.aux_lr_ratio},
                 {"aux_beta1", 0.9},
                 {"aux_beta2", c.aux_beta2},
                 {"aux_eps", c.aux_eps}});
  return {name, source, values};
}

std::vector<Bundle> released_presets() {
  return {
      preset("pion-release", "OPTML-Group/Pion, pion.py at the root",
             {.lr = 0.02, .weight_decay = 0.01, .nesterov = true, .update_scale = 2.0}),
      preset("pion-rl", "OPTML-Group/Pion, RL/verl",
             {.lr = 1e-6, .weight_decay = 0.01, .nesterov = false, .update_scale = 5.0}),
      preset("pion-vla", "OPTML-Group/Pion, VLA/VLAAdapter",
             {.lr = 1e-4, .weight_decay = 0.01, .nesterov = true, .update_scale = 0.2}),
      preset("pion-vlanext", "OPTML-Group/Pion, VLA/VLANeXt: the rest at a tenth of lr",
             {.lr = 1e-4, .weight_decay = 0.01, .nesterov = true, .update_scale = 0.2, .aux_lr_ratio = 0.1}),
      preset("pion-openpi", "OPTML-Group/Pion, VLA/openpi",
             {.lr = 2.5e-5, .weight_decay = 0.01, .nesterov = false, .update_scale = 2.0}),
  };
}

std::vector<Bundle> fused_presets(const char* whole, const char* per_head, const Values& more) {
  const Convention rl{.lr = 1e-6, .weight_decay = 0.01, .nesterov = false, .update_scale = 5.0};
  const auto bundle = [&](const char* name, const char* heads, const char* help) {
    Values values = more;
    values["heads"] = std::string(heads);
    return preset(name, help, rl, values);
  };
  return {bundle(whole, "whole", "OPTML-Group/Pion, RL/verl: pion-rl on whole matrices; lr of its scripts"),
          bundle(per_head, "per-head", "OPTML-Group/Pion, RL/verl: pion-rl head by head; lr of its scripts")};
}

std::vector<Bundle> with_values(std::vector<Bundle> bundles, const Values& more) {
  for (auto& bundle : bundles)
    for (const auto& [name, value] : more) bundle.values[name] = value;
  return bundles;
}

MatrixOptions matrix_options(const Values& hyper) {
  const auto& scale_rule = get_text(hyper, "scale_rule");
  EngineOptions engine;
  engine.eps = get_real(hyper, "eps");
  engine.eps_rule = get_text(hyper, "eps_rule") == "add" ? EpsRule::kAdd : EpsRule::kMax;
  engine.precision = parse_precision(get_text(hyper, "precision"));
  engine.form = get_text(hyper, "form") == "gram"       ? Form::kGram
                : get_text(hyper, "form") == "standard" ? Form::kStandard
                                                        : Form::kAuto;
  engine.workspace_bytes = get_int(hyper, "workspace_mib") << 20;
  return MatrixOptions(get_real(hyper, "lr"))
      .momentum(get_real(hyper, "momentum"))
      .momentum_rule(get_text(hyper, "momentum_rule") == "ema" ? MomentumRule::kEma : MomentumRule::kSum)
      .nesterov(get_bool(hyper, "nesterov"))
      .weight_decay(get_real(hyper, "weight_decay"))
      .update_scale(get_real(hyper, "update_scale"))
      .scale_rule(scale_rule == "sqrt_max"     ? ScaleRule::kSqrtMax
                  : scale_rule == "sqrt_ratio" ? ScaleRule::kSqrtRatio
                                               : ScaleRule::kNone)  // sqrt_aspect: make_matrix_arm
      .engine(engine);
}

MatrixOptions orthogonal_options(const Values& hyper, const CoefficientSet& set) {
  auto options = matrix_options(hyper).spectral_map(take_steps(set, get_int(hyper, "ns_steps")));
  options.engine().norm_factor = set.norm_factor;
  options.engine().restarts = set.restarts;
  options.engine().normalisation = set.normalisation;
  return options;
}

std::unique_ptr<MatrixOptimizer> make_matrices(const std::vector<Parameter>& parameters, const Values& hyper,
                                               const MatrixOptions& base, const MatrixFactory& factory) {
  const bool per_head = get_text(hyper, "heads") == "per-head";
  const auto group_setting = hyper.find("head_group");
  const std::int64_t head_group = group_setting == hyper.end() ? 1 : std::get<std::int64_t>(group_setting->second);

  // One group per head layout; parameters keep their order within it.
  std::map<std::pair<std::int64_t, HeadSide>, std::vector<torch::Tensor>> layouts;
  for (const auto& p : matrices_of(parameters)) {
    const std::string where = "parameter \"" + p.name + "\" of shape " + c10::str(p.tensor.sizes()) + ": ";
    if (p.tensor.dim() != 2)
      throw UserError(where +
                      "a matrix optimizer needs two dimensions; flatten it, or give it role vector or embedding");
    if (!p.tensor.is_floating_point() || p.tensor.is_complex() || p.tensor.layout() != torch::kStrided)
      throw UserError(where + "type " + c10::toString(p.tensor.scalar_type()) +
                      "; a matrix optimizer needs a dense floating-point tensor");
    if (!per_head || p.role == Role::kMatrix) {
      layouts[{1, HeadSide::kOutput}].push_back(p.tensor);
      continue;
    }
    const auto side = p.role == Role::kHeadsIn ? HeadSide::kInput : HeadSide::kOutput;
    if (p.heads < 1 || p.tensor.size(side == HeadSide::kOutput ? 0 : 1) % p.heads)
      throw UserError(where + std::to_string(p.heads) + " heads do not divide the side they split");
    if (p.heads % head_group)
      throw UserError(where + "its " + std::to_string(p.heads) +
                      " heads do not divide into groups of head_group = " + std::to_string(head_group));
    layouts[{p.heads / head_group, side}].push_back(p.tensor);
  }
  const bool by_aspect = hyper.contains("scale_rule") && get_text(hyper, "scale_rule") == "sqrt_aspect";
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const auto& [layout, tensors] : layouts)
    for (const auto& [factor, same] : split_by_factor(tensors, layout.first, layout.second, by_aspect))
      groups.emplace_back(same, std::make_unique<MatrixOptions>(MatrixOptions(base)
                                                                    .heads(layout.first)
                                                                    .head_side(layout.second)
                                                                    .update_scale(base.update_scale() * factor)));
  if (groups.empty()) return nullptr;
  return factory ? factory(groups, base) : std::make_unique<MatrixOptimizer>(groups, base);
}

std::unique_ptr<RoutedOptimizer> make_matrix_arm(const std::vector<Parameter>& parameters, const Values& hyper,
                                                 const MatrixOptions& base, const MatrixFactory& factory) {
  return std::make_unique<RoutedOptimizer>(make_matrices(parameters, hyper, base, factory),
                                           make_auxiliary(parameters, hyper), parameters);
}

}  // namespace pionbench::optim
