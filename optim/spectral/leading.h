#pragma once
/// Maps that let only a few directions pass, without a chain of products: block power iteration for the leading
/// singular triplets, the polynomial on numbers, and a low-rank update.
///
///   V ← orth(XᵀX V), 8 columns;  (θᵢ, uᵢ, vᵢ) Ritz triplets of X/‖X‖;  f(X/‖X‖) ≈ Σ f(θᵢ) uᵢ vᵢᵀ over θᵢ > s
///
/// where s is the largest value up to which |f| stays below tolerance/4. With Σσ² = 1 at most 1/s² values exceed s:
/// one for Pion at k_p = 0 (s = .73), six at k_p = 1 (s = .38). 40 at k_p = 2 are too many for eight columns.
///
/// Error   With residuals ρᵢ = ‖Xᵀuᵢ − θᵢvᵢ‖, ‖f(X) − Σ…‖_F ≤ sup|f'|·√Σρᵢ² + f(rest), since an odd function of
///         singular values is Lipschitz in the Frobenius norm with its own constant. The iteration stops when the first
///         term is below tolerance/2. If the energy that the found directions leave, 1 − Σθᵢ², cannot hold another
///         value above s (always so for k_p = 0 once one is found), the second is below tolerance/4 for certain. If
///         not, it rests on chance: fresh random columns in every call, three passes at least. A direction that holds
///         half of X's energy is overlooked when all of them are nearly orthogonal to it, less than 1e-4 even if the
///         rest of the energy sits in the worst place.
/// Cost    One pass over X per iteration, 32·m·n FLOP; 3 passes from a warm start, 3 to 6 from a cold one.
/// Source  subspace iteration with Rayleigh–Ritz; Y. Saad, Numerical Methods for Large Eigenvalue Problems, ch. 5.

#include <torch/torch.h>

#include <vector>

#include "optim/spectral/engine.h"

namespace pionbench::optim {

/// What of a map decides whether few directions pass.
struct FilterProfile {
  double tolerance = 1e-3;
  double silent = 0;          ///< s: |f| ≤ tolerance/4 on [0, s]
  double slope = 0;           ///< sup |f'| on [0, 1]
  std::int64_t passable = 0;  ///< ⌊1/s²⌋: how many singular values of a matrix of norm 1 can exceed s
};
/// Costs a millisecond: keep it.
FilterProfile filter_profile(const SpectralMap& map, double tolerance = 1e-3);

/// Do eight columns suffice for [m, n], and are they worth it? At most six directions pass; the smaller side is at
/// least 24 and n at most 16·m: beyond, the chain of products costs no more (measured: 32 × 1024, 1.2 times the chain).
bool few_directions(const FilterProfile& profile, std::int64_t m, std::int64_t n);

/// The low-rank value of f(X/‖X‖) for one matrix.
struct LeadingUpdate {
  torch::Tensor left;      ///< [k, m]: f(θᵢ)·uᵢ
  torch::Tensor right;     ///< [k, n]: vᵢ
  torch::Tensor basis;     ///< [8, n], orthonormal or zero rows: the next call's warm start
  bool certified = false;  ///< false: not settled within the passes allowed; use the engine
  int passes = 0;
};

/// x [m, n] float32 each, of any row stride; basis undefined or [8, n]; `seed` must differ from call to call.
/// CPU: matrices in parallel when there are as many as threads, else rows of one. Other devices: batched products of
/// equal shapes. Divisor as in the engine (eps, eps_rule, norm_factor).
std::vector<LeadingUpdate> leading_updates(const std::vector<torch::Tensor>& x, const std::vector<torch::Tensor>& bases,
                                           const std::vector<std::uint64_t>& seeds, const SpectralMap& map,
                                           const FilterProfile& profile, const EngineOptions& options);

namespace detail {
/// leading_updates() of devices other than the CPU: x [batch, m, n]. Here so that a test can hold both to each other.
std::vector<LeadingUpdate> leading_updates_batched(const torch::Tensor& x, const std::vector<torch::Tensor>& bases,
                                                   const std::vector<std::uint64_t>& seeds, const SpectralMap& map,
                                                   const FilterProfile& profile, const EngineOptions& options);
}  // namespace detail

/// w ← decay·w + factor·Σ leftᵢ rightᵢᵀ, in place; w [m, n] of any row stride, float32 on the CPU or any type
/// elsewhere.
void apply_leading_update(torch::Tensor w, const LeadingUpdate& update, double decay, double factor);

}  // namespace pionbench::optim
