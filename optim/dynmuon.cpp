/// DynMuon: U Σᵖ Vᵀ with an exponent that falls from p_max to p_min over training.
///   p(t) = p_min + (p_max − p_min) / (1 + exp((t/T − τ)/w)),  t counts from 1
///   released  p ≥ ¼: M itself;  0 ≤ p < ¼: NS(M/‖M‖);  p < 0: ‖M‖ᵖ·C·NS(M/‖M‖),
///             C = I + δE + ½δ(δ − 1)E², E = X̂X̂ᵀ − I, δ = p/2: a Taylor form about I whose factor stays below 1.195
///             at p = −¼, where the exact one grows without bound as σ → 0
///   taylor    ‖M‖ᵖ·C·NS(M/‖M‖) for every p (the speedrun entry)
///   exact     U Σᵖ Vᵀ through the eigenvectors of the small Gram matrix in float64; directions below 1e-6 of the
///             strongest are dropped
/// Cost    released: Newton–Schulz and at most three more products; exact: 4r²c + O(r³) in float64.
/// Source  arXiv 2605.17109; fzwark/DynMuon, dynmuon.py. Its scale is √(rows/cols), without a maximum.

#include <cmath>

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {
namespace {

struct Schedule {
  double p_min, p_max, centre, width, total;
  double at(std::int64_t step) const {
    const double progress = static_cast<double>(step) / total;
    return p_min + (p_max - p_min) / (1 + std::exp((progress - centre) / width));
  }
};

enum class Transform { kReleased, kTaylor, kExact };

class DynMuon : public MatrixOptimizer {
 public:
  DynMuon(const Groups& groups, const MatrixOptions& base, const Schedule& schedule, Transform transform)
      : MatrixOptimizer(groups, base), schedule_(schedule), transform_(transform) {}

 protected:
  torch::Tensor map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t step) override {
    const double p = schedule_.at(step);
    const bool tall = directions.size(-2) > directions.size(-1);
    const auto x = tall ? directions.transpose(-2, -1) : directions;
    const auto out = transform_ == Transform::kExact ? power(x, p) : released(x, p, options);
    return (tall ? out.transpose(-2, -1) : out).to(directions.scalar_type());
  }

 private:
  torch::Tensor released(const torch::Tensor& x, double p, const MatrixOptions& options) const {
    const bool by_branch = transform_ == Transform::kReleased;
    if (by_branch && p >= 0.25) return x;
    const auto y = apply_spectral_map(x, options.spectral_map(), options.engine());
    if (by_branch && p >= 0) return y;
    const auto norm = torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true);
    const auto unit = torch::where(norm > 0, x / norm, x);
    auto e = torch::matmul(unit, unit.transpose(-2, -1));  // X̂X̂ᵀ − I
    e.diagonal(0, -2, -1).sub_(1);
    const double delta = p / 2;
    const auto ey = torch::matmul(e, y);
    const auto corrected = y + delta * ey + 0.5 * delta * (delta - 1) * torch::matmul(e, ey);
    return torch::where(norm > 0, norm.pow(p) * corrected, torch::zeros_like(corrected));
  }

  static torch::Tensor power(const torch::Tensor& x, double p) {
    const auto wide = x.to(torch::kFloat64);
    const auto scale = wide.abs().amax(at::IntArrayRef{-2, -1}, /*keepdim=*/true);
    const auto unit = torch::where(scale > 0, wide / scale, wide);
    const auto [values, vectors] = torch::linalg_eigh(torch::matmul(unit, unit.transpose(-2, -1)));
    const auto s = values.clamp_min(0).sqrt();
    const auto keep = s > 1e-6 * s.amax(-1, /*keepdim=*/true);
    // U Σᵖ Vᵀ = U Σᵖ⁻¹ Uᵀ X; the scale taken out above comes back as scaleᵖ.
    const auto factor = torch::where(keep, s.pow(p - 1), torch::zeros_like(s)).unsqueeze(-2);
    const auto mapped = torch::matmul(vectors * factor, torch::matmul(vectors.transpose(-2, -1), unit));
    return torch::where(scale > 0, mapped * scale.pow(p), torch::zeros_like(mapped));
  }

  Schedule schedule_;
  Transform transform_;
};

}  // namespace

OptimizerEntry dynmuon_entry() {
  OptimizerInfo info;
  info.name = "dynmuon";
  info.title = "DynMuon";
  info.version = 2;
  info.equation = "W ← (1 − ηλ)W − η·s·√(m/n)·U Σ^p(t) Vᵀ of M, p falling from p_max to p_min";
  info.source = "arXiv 2605.17109; fzwark/DynMuon";
  info.state = kMomentumState;
  info.cost = "released: Muon's, and 6r²c FLOP once p is below 0; exact: 4r²c + O(r³) in float64";
  info.table.settings = matrix_settings();
  const std::vector<Setting> own = {
      choice_setting("transform", "released", {"released", "taylor", "exact"},
                     "the released branches, their Taylor form for every p, or the true Σᵖ"),
      real_setting("p_max", 1.0, -4, 4, "exponent at the start"),
      real_setting("p_min", -0.25, -4, 4, "exponent at the end"),
      real_setting("p_centre", 0.02, 0, 1, "τ, share of training at which p is half-way"),
      real_setting("p_width", 0.08, 1e-6, 10, "w, width of the fall"),
      int_setting("total_steps", 20000, 1, 1000000000, "T, optimizer steps of the whole training"),
      choice_setting("coefficients", "you", coefficient_names(Response::kOrthogonal), "polynomial chain of NS"),
  };
  info.table.settings.insert(info.table.settings.end(), own.begin(), own.end());
  const Convention released{.lr = 0.01,
                            .weight_decay = 0.01,
                            .nesterov = false,
                            .update_scale = 1.0,
                            .scale_rule = "sqrt_aspect",
                            .momentum_rule = "sum",
                            .eps = 1e-8,
                            .aux_beta2 = 0.95};
  const Convention speedrun{.lr = 0.02,
                            .weight_decay = 0.025,
                            .nesterov = true,
                            .update_scale = 1.0,
                            .scale_rule = "sqrt_ratio",
                            .momentum_rule = "sum",
                            .ns_steps = 12};
  const auto shape = [](const char* transform, double p_max, double centre, double width, const char* coefficients) {
    return Values{{"transform", std::string(transform)},
                  {"p_max", p_max},
                  {"p_min", -0.25},
                  {"p_centre", centre},
                  {"p_width", width},
                  {"coefficients", std::string(coefficients)}};
  };
  info.table.bundle_sets = {
      {"preset",
       "",
       "the conventions of a released code; total_steps stays the training's own",
       {preset("dynmuon", "fzwark/DynMuon, constructor defaults", released, shape("released", 1.0, 0.02, 0.08, "you")),
        preset("dynmuon-readme", "fzwark/DynMuon, the run of its README", released,
               shape("released", 1.0, 0.04, 0.04, "you")),
        preset("dynmuon-speedrun", "DynMuon's entry in KellerJordan/modded-nanogpt, track 3", speedrun,
               shape("taylor", 0.25, 0.04, 0.04, "dynmuon"))}}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto factory = [&](const Groups& groups, const MatrixOptions& base) {
              const Schedule schedule{get_real(hyper, "p_min"), get_real(hyper, "p_max"), get_real(hyper, "p_centre"),
                                      get_real(hyper, "p_width"), static_cast<double>(get_int(hyper, "total_steps"))};
              const auto& transform = get_text(hyper, "transform");
              return std::make_unique<DynMuon>(groups, base, schedule,
                                               transform == "exact"    ? Transform::kExact
                                               : transform == "taylor" ? Transform::kTaylor
                                                                       : Transform::kReleased);
            };
            const auto& set = find_coefficients(get_text(hyper, "coefficients"));
            return make_matrix_arm(parameters, hyper, orthogonal_options(hyper, set), factory);
          }};
}

}  // namespace pionbench::optim
