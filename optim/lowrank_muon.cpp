/// LowRankMuon: Muon on the k strongest directions, the rest dropped. The step rule of optim/matrix_optimizer.h with
///   svd     f: the k largest singular values ↦ 1, the others ↦ 0 (no Newton–Schulz)
///   sketch  Y = MΩ, Ω Gaussian [n, k];  B = orth(Y);  f(M) = B·NS₅(BᵀM)
/// Cost    svd: 4r²c + O(r³) through the eigenvectors of the small Gram matrix, in float64, instead of a full SVD;
///         sketch: 6mnk + O((m + n)k²).
/// A direction below 1e-6 of the strongest is noise of the Gram matrix and is dropped.
/// Source  arXiv 2605.19282 and OPTML-Group/Pion, class LowRankMuon (svd, rank 128); the sketch is arXiv 2509.11983's
///         as described there: its released script samples columns instead.

#include "optim/matrix_settings.h"
#include "optim/registry.h"

namespace pionbench::optim {
namespace {

class LowRankMuon : public MatrixOptimizer {
 public:
  LowRankMuon(const Groups& groups, const MatrixOptions& base, std::int64_t rank, bool sketch, std::uint64_t seed)
      : MatrixOptimizer(groups, base), rank_(rank), sketch_(sketch), seed_(seed) {}

 protected:
  torch::Tensor map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t step) override {
    const bool tall = directions.size(-2) > directions.size(-1);
    const auto x = tall ? directions.transpose(-2, -1) : directions;  // [..., r, c], r ≤ c
    const auto kept = sketch_ ? by_sketch(x, options, step) : by_eigenvectors(x);
    return (tall ? kept.transpose(-2, -1) : kept).to(directions.scalar_type());
  }

 private:
  torch::Tensor by_eigenvectors(const torch::Tensor& x) const {
    const auto wide = x.to(torch::kFloat64);
    const auto scale = wide.abs().amax(at::IntArrayRef{-2, -1}, /*keepdim=*/true);
    const auto unit = torch::where(scale > 0, wide / scale, wide);
    const auto [values, vectors] = torch::linalg_eigh(torch::matmul(unit, unit.transpose(-2, -1)));  // ascending
    const auto r = x.size(-2), k = std::min(rank_, r);
    const auto s = values.narrow(-1, r - k, k).clamp_min(0).sqrt();  // [..., k]
    const auto u = vectors.narrow(-1, r - k, k);                     // [..., r, k]
    const auto keep = s > 1e-6 * s.amax(-1, /*keepdim=*/true);
    const auto inverse = torch::where(keep, 1 / s, torch::zeros_like(s)).unsqueeze(-2);
    return torch::matmul(u * inverse, torch::matmul(u.transpose(-2, -1), unit));  // U_k S_k⁻¹ U_kᵀ X
  }

  torch::Tensor by_sketch(const torch::Tensor& x, const MatrixOptions& options, std::int64_t step) const {
    // A function of (seed, step) alone, so that a resumed run draws what an uninterrupted one would.
    auto generator = at::detail::createCPUGenerator(seed_ * 1000003ull + static_cast<std::uint64_t>(step));
    const auto k = std::min(rank_, x.size(-2));
    const auto omega = torch::randn({x.size(-1), k}, generator).to(x.device());
    const auto single = x.to(torch::kFloat32);
    const auto basis = std::get<0>(torch::linalg_qr(torch::matmul(single, omega)));  // [..., r, k]
    const auto projected = torch::matmul(basis.transpose(-2, -1), single);           // [..., k, c]
    return torch::matmul(basis, apply_spectral_map(projected, options.spectral_map(), options.engine()));
  }

  std::int64_t rank_;
  bool sketch_;
  std::uint64_t seed_;
};

}  // namespace

std::vector<Setting> low_rank_settings() {
  return {
      int_setting("rank", 128, 1, 1 << 20, "directions kept; at most the smaller side of a block"),
      choice_setting("method", "svd", {"svd", "sketch"}, "exact, or through a Gaussian sketch"),
      int_setting("sketch_seed", 0, 0, 1LL << 31, "of the sketch"),
  };
}

MatrixFactory low_rank_factory(const Values& hyper) {
  return [rank = get_int(hyper, "rank"), sketch = get_text(hyper, "method") == "sketch",
          seed = static_cast<std::uint64_t>(get_int(hyper, "sketch_seed"))](const Groups& groups,
                                                                            const MatrixOptions& base) {
    return std::make_unique<LowRankMuon>(groups, base, rank, sketch, seed);
  };
}

OptimizerEntry lowrank_muon_entry() {
  OptimizerInfo info;
  info.name = "lowrank_muon";
  info.title = "LowRankMuon";
  info.equation = "M ← μM + (1 − μ)G;  W ← (1 − ηλ)W − η·s·√max(m, n)·U_k V_kᵀ, the k strongest directions of M";
  info.source = "arXiv 2605.19282; OPTML-Group/Pion; sketch: arXiv 2509.11983";
  info.state = kMomentumState;
  info.cost = "momentum 3mn; svd: 4r²c + O(r³) FLOP in float64; sketch of rank k: 6mnk + O((m + n)k²)";
  info.table.settings = matrix_settings();
  for (auto& setting : low_rank_settings()) info.table.settings.push_back(std::move(setting));
  auto presets = with_values(released_presets(), {{"rank", std::int64_t{128}}, {"method", std::string("svd")}});
  presets.push_back(
      preset("low-rank-muon", "arXiv 2509.11983; dengzhanwang/Low-rank-Muon with the paper's Gaussian sketch",
             {.lr = 0.02, .weight_decay = 0.01, .nesterov = true, .update_scale = 1.0, .scale_rule = "sqrt_ratio"},
             {{"rank", std::int64_t{200}}, {"method", std::string("sketch")}}));
  info.table.bundle_sets = {{"preset", "", "the conventions of a released code", std::move(presets)}};
  return {info, [](const std::vector<Parameter>& parameters, const Values& hyper) {
            return make_matrix_arm(parameters, hyper,
                                   matrix_options(hyper).spectral_map(muon_map(get_int(hyper, "ns_steps"))),
                                   low_rank_factory(hyper));
          }};
}

}  // namespace pionbench::optim
