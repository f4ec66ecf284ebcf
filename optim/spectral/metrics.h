#pragma once
/// What a matrix's spectrum says, as free functions. Each takes a batch [batch..., m, n] and returns [batch...] in
/// float64; zero matrices give 0. Singular values come from the eigenvalues of the small Gram matrix in float64:
/// O(r²c + r³) for sides r ≤ c, several times cheaper than an SVD; relative accuracy 1e-8 of the largest one, which
/// is ample for entropies and energies and not meant for inverses.

#include <torch/torch.h>

namespace pionbench::optim {

/// Singular values, descending: [batch..., min(m, n)], float64.
torch::Tensor singular_values(const torch::Tensor& x);

/// exp(−Σ pᵢ ln pᵢ), pᵢ = sᵢ / Σ s (Roy & Vetterli 2007; the Pion blog's erank). Takes singular values.
torch::Tensor effective_rank(const torch::Tensor& singular_values);

/// ‖X‖_F² / s₁². Takes singular values.
torch::Tensor stable_rank(const torch::Tensor& singular_values);

/// Σ_{i<k} sᵢ² / ‖X‖_F²: the share of energy in the k strongest directions. Takes singular values.
torch::Tensor top_energy(const torch::Tensor& singular_values, std::int64_t k = 1);

/// √(mean x²) over all elements, one number.
double rms(const torch::Tensor& x);

}  // namespace pionbench::optim
