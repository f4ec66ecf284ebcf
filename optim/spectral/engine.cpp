#include "optim/spectral/engine.h"

namespace pionbench::optim {

torch::Tensor apply_spectral_map(const torch::Tensor& input, const SpectralMap& map, const EngineOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto rows = input.size(-2), cols = input.size(-1);
  const bool tall = rows > cols;  // the small side makes the Gram matrix
  auto x = (tall ? input.transpose(-2, -1) : input)
               .to(options.precision, /*non_blocking=*/false, /*copy=*/true)
               .reshape({-1, tall ? cols : rows, tall ? rows : cols})
               .contiguous();  // [batch, r, c], r ≤ c
  auto norm = torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true);
  norm = options.eps_rule == EpsRule::kAdd ? norm + options.eps : norm.clamp_min(options.eps);
  x.div_(norm);
  for (const auto& [a, b, c] : map) {
    const auto gram = torch::bmm(x, x.transpose(1, 2));                            // [batch, r, r]
    const auto poly = c == 0 ? gram * b : torch::baddbmm(gram, gram, gram, b, c);  // bA + cA²
    x = a == 0 ? torch::bmm(poly, x) : torch::baddbmm(x, poly, x, a, 1);           // aX + (bA + cA²)X
  }
  if (tall) x = x.transpose(1, 2);
  return x.reshape(input.sizes()).to(input.scalar_type());
}

}  // namespace pionbench::optim
