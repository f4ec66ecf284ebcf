#pragma once
/// The parts of a block between its matrix products, each as one pass over memory in either direction: differentiable,
/// float32 on the CPU by kernels, anything else by torch's own operations. On a small model these parts, taken as some
/// forty operations of torch, cost as much as the products.

#include <torch/torch.h>

namespace pionbench::rlvr {

/// x over its last axis, RMS-normalised in float32 (float64 for float64), cast back to x's type, times `weight` cast to
/// it: in this order, as in transformers.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps);

/// (x1, x2) -> (x1·cos − x2·sin, x2·cos + x1·sin) over the two halves of the last axis.
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin);

/// Heads as projected, [..., H + 2K, E]: queries and keys RMS-normalised (weights [E]) and rotated, values as they are.
/// cos, sin [n, 1, E] with the same value in both halves; the rows of heads run through them again and again.
torch::Tensor normalise_and_rotate(const torch::Tensor& heads, const torch::Tensor& q_norm, const torch::Tensor& k_norm,
                                   const torch::Tensor& cos, const torch::Tensor& sin, std::int64_t query_heads,
                                   double eps);

/// [..., 2F] -> [..., F]: silu of the first half times the second.
torch::Tensor silu_times(const torch::Tensor& gate_up);

}  // namespace pionbench::rlvr
