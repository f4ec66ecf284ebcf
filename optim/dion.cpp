/// Dion: a low-rank orthonormal update from one power iteration, with error feedback.
///   M ← M + G;  P = orth(M Q);  R = Mᵀ P;  M ← M − (1 − μ)·P Rᵀ;  Q ← R with unit columns
///   W ← (1 − ηλ)W − η·s·√(rows/cols)·P Qᵀ
/// Shapes  P [rows, k], Q [cols, k], k = ⌈rank_fraction · min(rows, cols)⌉; with heads, each block has its own.
/// State   one buffer of W's shape, and cols·k numbers.
/// Cost    8·rows·cols·k FLOP and a QR of rows × k, in float32.
/// A column of R without length keeps its old direction, so that a zero gradient does not end the power iteration; in
/// the release Q would stay 0 from then on. Where M has fewer than k directions, the columns beyond its rank hold
/// rounding noise that the normalisation brings to full length, as in the release: choose rank_fraction by the rank.
/// Source  arXiv 2504.05295; microsoft/dion, dion_simple.py. orth is a QR here; the release uses a randomized
///         Cholesky-QR, which spans the same space.

#include <cmath>

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {
namespace {

class Dion : public MatrixOptimizer {
 public:
  Dion(const Groups& groups, const MatrixOptions& base, double mu, double eps, double rank_fraction, std::uint64_t seed)
      : MatrixOptimizer(groups, base), mu_(mu), eps_(eps), rank_fraction_(rank_fraction), seed_(seed) {}

 protected:
  /// M itself: the group's momentum rule is the plain sum, the decay of Dion is its error feedback.
  torch::Tensor map(const torch::Tensor& directions, const MatrixOptions&, std::int64_t) override { return directions; }

  torch::Tensor adjust(const torch::Tensor& m, MatrixParamState& state, const MatrixOptions& options) override {
    const auto rows = m.size(1), cols = m.size(2);
    const auto single = m.to(torch::kFloat32);
    if (!state.second_buffer().defined()) state.second_buffer(initial_right_factor(m));
    auto& q = state.second_buffer();                                                // [heads, cols, k]
    const auto p = std::get<0>(torch::linalg_qr(torch::matmul(single, q)));         // [heads, rows, k]
    const auto r = torch::matmul(single.transpose(1, 2), p);                        // [heads, cols, k]
    const auto feedback = torch::matmul(p, r.transpose(1, 2)).to(m.scalar_type());  // [heads, rows, cols]
    state.momentum_buffer().sub_(merge_heads(feedback, options.head_side()), 1 - mu_);
    const auto lengths = torch::linalg_vector_norm(r, 2, at::IntArrayRef{1}, /*keepdim=*/true);
    const auto unit = torch::where(lengths > 0, r / (lengths + eps_), torch::zeros_like(r));
    q = torch::where(lengths > 0, unit, q);
    const double scale = std::sqrt(static_cast<double>(rows) / static_cast<double>(cols));
    return (torch::matmul(p, unit.transpose(1, 2)) * scale).to(m.scalar_type());
  }

 private:
  torch::Tensor initial_right_factor(const torch::Tensor& m) const {
    const auto rows = m.size(1), cols = m.size(2);
    const auto rank = static_cast<std::int64_t>(std::ceil(rank_fraction_ * static_cast<double>(std::min(rows, cols))));
    auto generator = at::detail::createCPUGenerator(seed_);
    const auto q = torch::randn({m.size(0), cols, std::max<std::int64_t>(rank, 1)}, generator);
    return (q / torch::linalg_vector_norm(q, 2, at::IntArrayRef{1}, /*keepdim=*/true)).to(m.device());
  }

  double mu_, eps_, rank_fraction_;
  std::uint64_t seed_;
};

}  // namespace

OptimizerEntry dion_entry() {
  OptimizerInfo info;
  info.name = "dion";
  info.title = "Dion";
  info.version = 2;
  info.equation =
      "M ← M + G;  P = orth(MQ);  R = MᵀP;  M ← M − (1 − μ)PRᵀ;  Q ← R/‖columns‖;  W ← (1 − ηλ)W − η·s·√(m/n)·PQᵀ";
  info.source = "arXiv 2504.05295; microsoft/dion";
  info.state = "one buffer of the weight's shape, and nk numbers of each block";
  info.cost = "8mnk FLOP and a QR of m × k, in float32";
  info.table.settings = {
      real_setting("lr", 0.01, 0, 1e3, "learning rate η"),
      real_setting("momentum", 0.95, 0, 0.999999, "μ: what the error feedback leaves of the directions stepped along"),
      real_setting("weight_decay", 0.01, 0, 1e3, "decoupled decay λ: W ← (1 − ηλ)W"),
      real_setting("update_scale", 1.0, 0, 1e6, "s in η·s·√(rows/cols)"),
      real_setting("eps", 1e-8, 0, 1, "added to the lengths of R's columns"),
      real_setting("rank_fraction", 1.0, 1e-6, 1, "k as a share of the smaller side of a block"),
      int_setting("dion_seed", 0, 0, 1LL << 31, "of the first right factor"),
      choice_setting("heads", "whole", {"whole", "per-head"}, "attention projections whole, or head by head"),
  };
  const auto auxiliary = auxiliary_settings();
  info.table.settings.insert(info.table.settings.end(), auxiliary.begin(), auxiliary.end());
  const auto bundle = [](const char* name, double rank_fraction) {
    return Bundle{name,
                  "microsoft/dion, dion_simple.py and its configurations",
                  {{"lr", 0.01},
                   {"momentum", 0.95},
                   {"weight_decay", 0.01},
                   {"update_scale", 1.0},
                   {"eps", 1e-8},
                   {"rank_fraction", rank_fraction},
                   {"aux_lr_ratio", 1.0},
                   {"aux_beta1", 0.9},
                   {"aux_beta2", 0.95},
                   {"aux_eps", 1e-8}}};
  };
  info.table.bundle_sets = {{"preset",
                             "",
                             "the conventions of a released code",
                             {bundle("dion", 1.0), bundle("dion-half-rank", 0.5), bundle("dion-quarter-rank", 0.25)}}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            const auto base = MatrixOptions(get_real(hyper, "lr"))
                                  .momentum(1.0)
                                  .momentum_rule(MomentumRule::kSum)
                                  .nesterov(false)
                                  .weight_decay(get_real(hyper, "weight_decay"))
                                  .update_scale(get_real(hyper, "update_scale"))
                                  .scale_rule(ScaleRule::kNone);
            const auto factory = [&](const Groups& groups, const MatrixOptions& options) {
              return std::make_unique<Dion>(groups, options, get_real(hyper, "momentum"), get_real(hyper, "eps"),
                                            get_real(hyper, "rank_fraction"),
                                            static_cast<std::uint64_t>(get_int(hyper, "dion_seed")));
            };
            return make_matrix_arm(parameters, hyper, base, factory);
          }};
}

}  // namespace pionbench::optim
