#include "optim/spectral/engine.h"

#include <algorithm>

namespace pionbench::optim {
namespace {

/// x [batch, r, c], r ≤ c, already normalised.
torch::Tensor standard_form(torch::Tensor x, const SpectralMap& map) {
  for (const auto& [a, b, c] : map) {
    const auto gram = torch::bmm(x, x.transpose(1, 2));                            // [batch, r, r]
    const auto poly = c == 0 ? gram * b : torch::baddbmm(gram, gram, gram, b, c);  // bA + cA²
    x = a == 0 ? torch::bmm(poly, x) : torch::baddbmm(x, poly, x, a, 1);           // aX + (bA + cA²)X
  }
  return x;
}

torch::Tensor gram_form(torch::Tensor x, const SpectralMap& map, const std::vector<std::int64_t>& restarts) {
  torch::Tensor r, q;  // [batch, r, r]; q undefined stands for the identity
  for (std::size_t i = 0; i < map.size(); ++i) {
    const auto& [a, b, c] = map[i];
    if (i > 0 && std::find(restarts.begin(), restarts.end(), static_cast<std::int64_t>(i)) != restarts.end()) {
      x = torch::bmm(q, x);
      r = q = torch::Tensor();
    }
    if (!r.defined()) r = torch::bmm(x, x.transpose(1, 2));
    auto factor = c == 0 ? r * b : torch::baddbmm(r, r, r, b, c);  // a + bR + cR²
    if (a != 0) factor.diagonal(0, 1, 2).add_(a);
    q = q.defined() ? torch::bmm(factor, q) : factor;
    if (i + 1 < map.size()) r = torch::bmm(factor, torch::bmm(factor, r));
  }
  return q.defined() ? torch::bmm(q, x) : x;
}

bool use_gram(std::int64_t r, std::int64_t c, const EngineOptions& options) {
  if (options.form != Form::kAuto) return options.form == Form::kGram;
  const bool exact = options.precision == torch::kFloat32 || options.precision == torch::kFloat64;
  return exact && 2 * c >= 3 * r;
}

}  // namespace

torch::Tensor apply_spectral_map(const torch::Tensor& input, const SpectralMap& map, const EngineOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto rows = input.size(-2), cols = input.size(-1);
  const bool tall = rows > cols;  // the small side makes the Gram matrix
  const auto small = std::min(rows, cols), large = std::max(rows, cols);
  auto x = (tall ? input.transpose(-2, -1) : input)
               .to(options.precision, /*non_blocking=*/false, /*copy=*/true)
               .reshape({-1, small, large})
               .contiguous();
  auto norm = torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true) * options.norm_factor;
  norm = options.eps_rule == EpsRule::kAdd ? norm + options.eps : norm.clamp_min(options.eps);
  // With eps = 0 a zero matrix would divide by zero; it maps to zero.
  x = torch::where(norm > 0, x / norm, torch::zeros_like(x));
  x = use_gram(small, large, options) ? gram_form(x, map, options.restarts) : standard_form(x, map);
  if (tall) x = x.transpose(1, 2);
  return x.reshape(input.sizes()).to(input.scalar_type());
}

}  // namespace pionbench::optim
