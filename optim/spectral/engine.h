#pragma once
/// Evaluates a spectral map on matrices with matrix products.

#include <torch/torch.h>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

/// What the Frobenius norm is divided by is ‖X‖ + eps (Keller Jordan, Pion) or max(‖X‖, eps) (torch.optim.Muon).
enum class EpsRule { kAdd, kMax };

struct EngineOptions {
  double eps = 1e-7;
  EpsRule eps_rule = EpsRule::kAdd;
  /// Type of every product. bfloat16 rounds before the norm is taken, as the released codes do.
  torch::Dtype precision = torch::kFloat32;
};

/// f(X / ‖X‖_F) for each matrix of a batch, in the type of X.
///   A ← X Xᵀ;  X ← aX + (bA + cA²)X   for every step (a, b, c), on the orientation with rows ≤ cols
/// Shapes  x [batch..., m, n] -> the same.  Types  float32, float64, bfloat16, float16.
/// Cost    k(4r²c + 2r³) FLOP a matrix, r ≤ c its sides; a step with a = c = 0 saves what it can.
/// A zero matrix maps to zero. x is not changed.
torch::Tensor apply_spectral_map(const torch::Tensor& x, const SpectralMap& map, const EngineOptions& options = {});

}  // namespace pionbench::optim
