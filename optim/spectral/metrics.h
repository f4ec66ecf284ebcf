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

/// s₁ / s_min; infinity where s_min is below 1e-8·s₁, which is all that a Gram matrix can resolve. Takes singular
/// values.
torch::Tensor condition_number(const torch::Tensor& singular_values);

/// How many singular values exceed ½: the directions that a filter let pass. Takes singular values of a mapped matrix.
torch::Tensor directions_passed(const torch::Tensor& singular_values);

/// ‖X Xᵀ − I‖_F / √r for sides r ≤ c (of the orientation with rows ≤ cols): 0 for orthonormal rows. O(r²c).
torch::Tensor orthogonality_error(const torch::Tensor& x);

/// ‖mean G‖² / mean ‖G − mean G‖², the signal-to-noise ratio of one gradient, estimated from `samples` [k, ...] of
/// independent micro-batches without bias: ‖mean‖² is too large by the noise of the mean, variance / k. One number;
/// negative when the estimate of the signal is; infinity without noise. k ≥ 2, else std::invalid_argument.
double gradient_snr(const torch::Tensor& samples);

/// Variance over heads (n − 1) of the blocks' Frobenius norms. Takes blocks [heads, rows, cols]; one number; at least 2
/// heads, else 0.
double cross_head_variance(const torch::Tensor& blocks);

/// √(mean x²) over all elements, one number.
double rms(const torch::Tensor& x);

}  // namespace pionbench::optim
