#pragma once
/// What a matrix's spectrum says, as free functions. Each takes a batch [batch..., m, n] and returns [batch...] in
/// float64; zero matrices give 0. Singular values come from the eigenvalues of the small Gram matrix in float64:
/// 2r²c + (4/3)r³ FLOP for sides r ≤ c; relative accuracy 1e-8 of the largest one, which is ample for entropies and
/// energies and not meant for inverses.
///
/// Cost of spectral_summary, which is every spectral metric of a matrix, milliseconds on two cores (torch 2.13;
/// tests/bench/metrics_bench.cpp has the rows), beside a float32 SVD and five Newton-Schulz steps in float32:
///                     128 × 512   256 × 1024   512 × 512   16 of 64 × 512
///   summary           1.0         5.6          17          5.7
///   singular values   4.5         18           18          35
///   Newton-Schulz     1.1         6.4          16          3.8
/// About as much as Muon's map of the same matrix. rms, relative_change and GradientSnr::add are a few passes over
/// memory.

#include <torch/torch.h>

#include <cstdint>

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

/// How many singular values exceed `threshold`: the directions that a filter let pass. Takes singular values of a
/// mapped matrix, that is of an update divided by η·s·√(…).
torch::Tensor directions_passed(const torch::Tensor& singular_values, double threshold = 0.5);

/// All of the above from one eigenvalue decomposition; each [batch...], float64.
struct SpectralSummary {
  torch::Tensor frobenius_norm, spectral_norm, effective_rank, stable_rank, condition_number, top_energy,
      directions_passed;
};
/// `top` is the k of top_energy.
SpectralSummary spectral_summary(const torch::Tensor& x, std::int64_t top = 1);

/// ‖X Xᵀ − I‖_F / √r for sides r ≤ c (of the orientation with rows ≤ cols): 0 for orthonormal rows. O(r²c).
torch::Tensor orthogonality_error(const torch::Tensor& x);

/// ‖mean G‖² / mean ‖G − mean G‖², the signal-to-noise ratio of one gradient, estimated from `samples` [k, ...] of
/// independent micro-batches without bias: ‖mean‖² is too large by the noise of the mean, variance / k. One number;
/// negative when the estimate of the signal is; infinity without noise. k ≥ 2, else std::invalid_argument.
double gradient_snr(const torch::Tensor& samples);

/// The same estimate from micro-batches one at a time, by Welford's recurrence: one float64 copy of the gradient and
/// three passes over it a sample, whatever their number. For gradient accumulation: add each micro-batch's own gradient
/// (the difference of .grad before and after backward), then read value().
class GradientSnr {
 public:
  /// Every sample has the first one's shape, else std::invalid_argument.
  void add(const torch::Tensor& gradient);
  std::int64_t samples() const { return samples_; }
  /// As gradient_snr; fewer than two samples: std::invalid_argument.
  double value() const;

 private:
  std::int64_t samples_ = 0;
  torch::Tensor mean_;               // float64, undefined before the first sample
  torch::Tensor squared_deviation_;  // Σ ‖G − mean‖², on the gradients' device: add() waits for nothing
};

/// Variance over heads (n − 1) of the blocks' Frobenius norms. Takes blocks [heads, rows, cols]; one number; at least 2
/// heads, else 0.
double cross_head_variance(const torch::Tensor& blocks);

/// √(mean x²) over all elements, one number. Of an update over η: what Adam-like step sizes are compared by.
double rms(const torch::Tensor& x);

/// ‖W_after − W_before‖ / ‖W_before‖, one number; 0 where nothing moved, infinity where W_before is zero and moved.
double relative_change(const torch::Tensor& before, const torch::Tensor& after);

}  // namespace pionbench::optim
