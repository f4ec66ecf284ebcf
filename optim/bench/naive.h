#pragma once
/// What the engine is measured against: the same maps written down in libtorch without any of its means.

#include <torch/torch.h>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

/// The released formula for one matrix: bfloat16 from the first operation.
inline torch::Tensor naive_map(const torch::Tensor& direction, const SpectralMap& map) {
  auto x = direction.to(torch::kBFloat16);
  const bool tall = x.size(0) > x.size(1);
  if (tall) x = x.t();
  x = x / (x.norm() + 1e-7);
  for (const auto& [a, b, c] : map) {
    const auto gram = torch::matmul(x, x.t());
    const auto poly = b * gram + c * torch::matmul(gram, gram);
    x = a * x + torch::matmul(poly, x);
  }
  return (tall ? x.t() : x).to(direction.scalar_type());
}

/// Gram form in float32: no symmetry, no batching, no choice.
inline torch::Tensor plain_gram_map(const torch::Tensor& direction, const SpectralMap& map) {
  const bool tall = direction.size(0) > direction.size(1);
  const auto wide = tall ? direction.t() : direction;
  const auto x = wide / (wide.norm() + 1e-7);
  auto r = torch::matmul(x, x.t());
  torch::Tensor q;
  for (const auto& [a, b, c] : map) {
    auto factor = b * r + c * torch::matmul(r, r);
    factor.diagonal().add_(a);
    q = q.defined() ? torch::matmul(factor, q) : factor;
    r = torch::matmul(factor, torch::matmul(factor, r));
  }
  const auto out = torch::matmul(q, x);
  return tall ? out.t() : out;
}

}  // namespace pionbench::optim
