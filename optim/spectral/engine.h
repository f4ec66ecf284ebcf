#pragma once
/// Evaluates a spectral map on matrices with matrix products.

#include <torch/torch.h>

#include <vector>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

/// What the Frobenius norm is divided by is ‖X‖ + eps (Keller Jordan, Pion) or max(‖X‖, eps) (torch.optim.Muon).
enum class EpsRule { kAdd, kMax };

/// kStandard  A ← X Xᵀ;  X ← aX + (bA + cA²)X in every step.
/// kGram      R ← X Xᵀ once, then on r × r matrices alone:  Z ← bR + cR²;  Q ← (a + Z)Q;  R ← (a + Z)²R;  X ← QX at
///            the end. All of them are polynomials of R, so they commute and stay symmetric.
/// kAuto      Gram where it is cheaper and its rounding harmless: float32 and float64, sides at least 1.5 apart.
///            In 16 bits the Gram form of Muon's polynomials fails without restarts.
enum class Form { kAuto, kStandard, kGram };

struct EngineOptions {
  double eps = 1e-7;
  EpsRule eps_rule = EpsRule::kAdd;
  /// Type of every product. bfloat16 rounds before the norm is taken, as the released codes do.
  torch::Dtype precision = torch::kFloat32;
  double norm_factor = 1.0;  ///< the divisor is norm_factor·‖X‖, then eps
  Form form = Form::kAuto;
  /// Gram form: after these many steps X ← QX and R is formed anew, which drops the rounding that large slopes amplify.
  std::vector<std::int64_t> restarts = {};
};

/// f(X / ‖X‖_F) for each matrix of a batch, in the type of X.
/// Shapes  x [batch..., m, n] -> the same, mapped on the orientation with rows ≤ cols.
/// Types   float32, float64, bfloat16, float16.
/// Cost    for sides r ≤ c and k steps: standard k(4r²c + 2r³) FLOP a matrix; Gram 4r²c(1 + restarts) + 2(4k − 3)r³.
/// A zero matrix maps to zero. x is not changed.
torch::Tensor apply_spectral_map(const torch::Tensor& x, const SpectralMap& map, const EngineOptions& options = {});

}  // namespace pionbench::optim
