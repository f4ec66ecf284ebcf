/// NorMuon: Muon whose rows are brought to like size by a second moment.
///   O = NS₅(D / ‖D‖);  v ← β₂v + (1 − β₂)·mean_columns(O²), one number per row;  Ô = O / (√v + ε);
///   O ← Ô·‖O‖ / ‖Ô‖;  W ← (1 − ηλ)W − η·s·√(…)·O
/// v is not bias-corrected: the rescaling to ‖O‖ takes its common factor out.
/// State   one buffer of W's shape and one number per row (of each head).
/// Source  zichongli5/NorMuon, normuon.py; microsoft/dion, normuon.py.

#include "optim/matrix_settings.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"

namespace pionbench::optim {
namespace {

class NorMuon : public MatrixOptimizer {
 public:
  NorMuon(const Groups& groups, const MatrixOptions& base, double beta2, double eps)
      : MatrixOptimizer(groups, base), beta2_(beta2), eps_(eps) {}

 protected:
  torch::Tensor adjust(const torch::Tensor& update, MatrixParamState& state, const MatrixOptions&) override {
    const auto rows = update.square().mean(-1, /*keepdim=*/true);  // [heads, rows, 1]
    if (!state.second_buffer().defined()) state.second_buffer(torch::zeros_like(rows));
    state.second_buffer().lerp_(rows, 1 - beta2_);
    const auto scaled = update / (state.second_buffer().sqrt() + eps_);
    const auto size = [](const torch::Tensor& x) {
      return torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, true);
    };
    const auto after = size(scaled);
    return torch::where(after > 0, scaled * (size(update) / after), scaled);
  }

 private:
  double beta2_, eps_;
};

}  // namespace

OptimizerEntry normuon_entry() {
  OptimizerInfo info;
  info.name = "normuon";
  info.title = "NorMuon";
  info.version = 2;
  info.equation =
      "O = NS₅(M / ‖M‖);  v ← β₂v + (1 − β₂)·mean_columns(O²);  O ← O / (√v + ε), rescaled to ‖O‖;  W ← (1 − ηλ)W − "
      "η·s·√(…)·O";
  info.source = "zichongli5/NorMuon; microsoft/dion";
  info.state = "one buffer of the weight's shape, and one number per row of each block";
  info.cost = "Muon's, and 4mn";
  info.table.settings = matrix_settings();
  const std::vector<Setting> own = {
      real_setting("beta2", 0.95, 0, 0.999999, "β₂, decay of the rows' second moment"),
      real_setting("row_eps", 1e-10, 0, 1, "ε, added to the root of the second moment"),
      choice_setting("coefficients", "muon", coefficient_names(Response::kOrthogonal), "polynomial chain of NS"),
  };
  info.table.settings.insert(info.table.settings.end(), own.begin(), own.end());
  info.table.bundle_sets = {
      {"preset",
       "",
       "the conventions of a released code",
       {preset("normuon", "zichongli5/NorMuon, normuon.py",
               {.lr = 0.02,
                .weight_decay = 0.0,
                .nesterov = true,
                .update_scale = 1.0,
                .scale_rule = "sqrt_ratio",
                .aux_lr_ratio = 0.015,  // 3e-4
                .aux_beta2 = 0.95,
                .aux_eps = 1e-10},
               {{"beta2", 0.95}, {"row_eps", 1e-10}, {"coefficients", std::string("muon")}}),
        preset("dion", "microsoft/dion, dion/normuon.py, adjust_lr \"spectral_norm\"",
               {.lr = 0.01,
                .weight_decay = 0.01,
                .nesterov = false,
                .update_scale = 1.0,
                .scale_rule = "sqrt_aspect",
                .momentum_rule = "sum",
                .eps = 1e-8,
                .aux_beta2 = 0.95},
               {{"beta2", 0.95}, {"row_eps", 1e-8}, {"coefficients", std::string("polar-express")}})}}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto factory = [&](const Groups& groups, const MatrixOptions& base) {
              return std::make_unique<NorMuon>(groups, base, get_real(hyper, "beta2"), get_real(hyper, "row_eps"));
            };
            const auto& set = find_coefficients(get_text(hyper, "coefficients"));
            return make_matrix_arm(parameters, hyper, orthogonal_options(hyper, set), factory);
          }};
}

}  // namespace pionbench::optim
