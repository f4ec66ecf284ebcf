#pragma once
/// Evaluates a spectral map on matrices with matrix products: one engine for every polynomial that is data
/// (spectral/polynomial.h, spectral/coefficients.h).

#include <torch/torch.h>

#include <string>
#include <vector>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

/// What the Frobenius norm is divided by is ‖X‖ + eps (Keller Jordan, Pion) or max(‖X‖, eps) (torch.optim.Muon).
enum class EpsRule { kAdd, kMax };

/// kStandard  A ← X Xᵀ;  X ← aX + (bA + cA²)X in every step.
/// kGram      R ← X Xᵀ once, then on r × r matrices alone:  Z ← bR + cR²;  Q ← (a + Z)Q;  R ← (a + Z)²R;  X ← QX at
///            the end. All of them are polynomials of R, so they commute and stay symmetric.
/// kAuto      the cheaper one where its rounding is harmless: choose_form().
enum class Form { kAuto, kStandard, kGram };

/// Type of the products. kFloat32 is the default: the same numbers on every machine. kAuto takes what the device is
/// fast at and the map survives (choose_precision()); kTF32 is float32 whose products round their operands to ten
/// bits, on CUDA only (float32 elsewhere).
enum class Precision { kAuto, kFloat64, kFloat32, kTF32, kBFloat16, kFloat16 };

struct EngineOptions {
  double eps = 1e-7;
  EpsRule eps_rule = EpsRule::kAdd;
  /// bfloat16 and float16 round before the norm is taken, as the released codes do.
  Precision precision = Precision::kFloat32;
  double norm_factor = 1.0;  ///< the divisor is norm_factor·‖X‖, then eps
  Form form = Form::kAuto;
  /// Gram form: after these many steps X ← QX and R is formed anew, which drops the rounding that large slopes amplify.
  /// Empty: restart_plan() for the rounding of the type.
  std::vector<std::int64_t> restarts = {};
  Normalisation normalisation = Normalisation::kFrobenius;
  /// After the last step, is the result finite and its norm one that the map can give? If not, evaluate again: Gram
  /// form with restarts, then the standard form, then the standard form in float32. Costs one pass over the result.
  bool guard = true;
  /// Matrices of a batch are taken in turns so that the extra memory stays below this; one matrix is the least.
  std::int64_t workspace_bytes = std::int64_t{512} << 20;
};

/// What an evaluation did; counts add up over calls.
struct EngineReport {
  std::int64_t gram = 0;      ///< matrices evaluated in Gram form
  std::int64_t standard = 0;  ///< matrices evaluated in standard form
  std::int64_t guarded = 0;   ///< evaluations that the guard repeated
};

/// f(X / ‖X‖_F) for each matrix of a batch, in the type of X.
/// Shapes  x [batch..., m, n] -> the same, mapped on the orientation with rows ≤ cols.
/// Types   float32, float64, bfloat16, float16.
/// Cost    for sides r ≤ c and k steps: standard k(4r²c + 2r³) FLOP a matrix; Gram 4r²c(1 + restarts) + 2(4k − 3)r³.
///         Symmetric products of large matrices on the CPU are computed in blocks, one triangle only: up to 3/8 less.
/// Memory  2rc + 4r² elements of the products' type a matrix, and the result; workspace_bytes caps it over a batch.
/// A zero matrix maps to zero; a matrix with a NaN or an infinity gives NaN. x is not changed.
torch::Tensor apply_spectral_map(const torch::Tensor& x, const SpectralMap& map, const EngineOptions& options = {},
                                 EngineReport* report = nullptr);

/// Where kAuto stands for sides r ≤ c in a type: measured (docs/performance.md), the same on every machine.
Form choose_form(std::int64_t r, std::int64_t c, Precision precision, bool cubic);

/// What kAuto stands for on a device. CPU: bfloat16 from r = 256 on where the processor multiplies it natively
/// (AVX512-BF16), else float32. CUDA: float16, whose three more bits the Gram form needs.
Precision choose_precision(torch::DeviceType device, std::int64_t r);

/// After which steps the Gram form must start afresh so that a spurious eigenvalue −rounding of R never enters a step
/// larger than 0.06: r ← r(a + br + cr²)², followed from −rounding. For 16 bits (4e-4): none for Pion with k_p ≤ 3, {3}
/// for Muon, {2, 4} for Polar Express. For float32 (4e-7) Muon needs none, twelve steps of slope 2 need {9}.
/// Source  Dao-AILab/gram-newton-schulz, restart_autotune.py, which follows the same recurrence.
std::vector<std::int64_t> restart_plan(const SpectralMap& map, double rounding);

const char* name_of(Precision precision);
/// UserError with the nearest name when there is none.
Precision parse_precision(const std::string& name);
torch::Dtype dtype_of(Precision precision);

}  // namespace pionbench::optim
