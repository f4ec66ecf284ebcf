#pragma once
/// Spectral maps as data. A map sends each singular value s of a matrix to f(s) and keeps the singular vectors:
/// X = U diag(s) Vᵀ  ↦  U diag(f(s)) Vᵀ. f is a chain of odd quintics, evaluated on matrices by products alone
/// (spectral/engine.h) and on numbers here. Standard library only.

#include <cstdint>
#include <string>
#include <vector>

namespace pionbench::optim {

/// p(s) = a·s + b·s³ + c·s⁵.
struct OddQuintic {
  double a, b, c;
  double operator()(double s) const { return s * (a + s * s * (b + s * s * c)); }
  bool operator==(const OddQuintic&) const = default;
};

/// Muon's Newton–Schulz step (K. Jordan et al. 2024): slope 3.4445 at 0, so five steps lift s by 485; it does not
/// converge to 1 but stays within [0.68, 1.21] from s = 0.01 on.
inline constexpr OddQuintic kMuonStep{3.4445, -4.7750, 2.0315};
/// Pion's promotion f_p: fixes 1, f' = 1.875(1 − s²)², the steepest monotone odd quintic of that kind.
inline constexpr OddQuintic kPromotionStep{1.875, -1.25, 0.375};
/// Pion's suppression f_s: fixes 0 and 1, f' = 7.5 s²(1 − s²); repels from √(2/3) = 0.8165.
inline constexpr OddQuintic kSuppressionStep{0.0, 2.5, -1.5};

/// What is done to the matrix before the first step, besides the division by its norm.
enum class Normalisation {
  kFrobenius,  ///< X / (norm_factor·‖X‖ + eps)
  /// Almost-orthogonal rows (Prach & Lampert 2022; Turbo-Muon): with A = XXᵀ, row i times (Σ_j |A_ij|)^(−1/2). All
  /// singular values are then at most 1, and orthogonal rows at 1 already. It does not keep the singular vectors:
  /// such a set is not a function of the spectrum alone.
  kAol,
};

/// Steps in the order of application.
using SpectralMap = std::vector<OddQuintic>;

/// kMuonStep `steps` times.
SpectralMap muon_map(std::int64_t steps = 5);
/// k_p promotions, then steps − k_p suppressions. Requires 0 ≤ k_p ≤ steps, else UserError.
SpectralMap pion_map(std::int64_t k_p, std::int64_t steps = 5);

/// f(s) in double precision.
double evaluate(const SpectralMap& map, double s);

}  // namespace pionbench::optim
