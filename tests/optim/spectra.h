#pragma once
/// Inputs and oracles shared by the tests of spectral maps.

#include <torch/torch.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "optim/spectral/coefficients.h"
#include "optim/spectral/engine.h"

namespace pionbench::optim {

/// U diag(f(s)) Vᵀ of one matrix by LAPACK's float64 SVD. f takes (s, its index in descending order).
inline torch::Tensor by_svd(const torch::Tensor& x, const std::function<double(double, std::int64_t)>& f) {
  const auto [u, s, vh] = torch::linalg_svd(x.detach().to(torch::kFloat64), /*full_matrices=*/false);
  auto mapped = s.clone();
  auto* values = mapped.data_ptr<double>();
  for (std::int64_t i = 0; i < s.numel(); ++i) values[i] = f(values[i], i);
  return torch::matmul(u * mapped, vh);
}

/// An m × n float64 matrix with the singular values given and random singular vectors.
inline torch::Tensor with_spectrum(std::int64_t m, std::int64_t n, const std::vector<double>& spectrum) {
  const auto r = static_cast<std::int64_t>(spectrum.size());
  const auto u = std::get<0>(torch::linalg_qr(torch::randn({m, r}, torch::kFloat64)));
  const auto v = std::get<0>(torch::linalg_qr(torch::randn({n, r}, torch::kFloat64)));
  return torch::matmul(u * torch::tensor(spectrum, torch::kFloat64), v.t());
}

/// The engine as a coefficient set wants it, without eps.
inline EngineOptions engine_for(const CoefficientSet& set, Precision precision) {
  EngineOptions options;
  options.eps = 0;
  options.precision = precision;
  options.norm_factor = set.norm_factor;
  options.restarts = set.restarts;
  options.normalisation = set.normalisation;
  return options;
}

inline double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.detach().to(torch::kFloat64) - b.detach().to(torch::kFloat64)).abs().max().item<double>();
}

/// Every kind of matrix that a map has to bear, float64, by name.
inline std::vector<std::pair<std::string, torch::Tensor>> hard_inputs() {
  return {{"tall", torch::randn({48, 16}, torch::kFloat64)},
          {"wide", torch::randn({16, 48}, torch::kFloat64)},
          {"square", torch::randn({24, 24}, torch::kFloat64)},
          {"row", torch::randn({1, 30}, torch::kFloat64)},
          {"column", torch::randn({30, 1}, torch::kFloat64)},
          {"rank_deficient", with_spectrum(20, 32, {1.0, 0.3, 0.1})},
          {"ill_conditioned", with_spectrum(20, 40, {1.0, 0.6, 0.05, 0.01, 0.001})},
          {"huge", 1e15 * with_spectrum(24, 18, {1.0, 0.7, 0.2, 0.1})},
          {"tiny", 1e-15 * with_spectrum(18, 24, {1.0, 0.7, 0.2, 0.1})}};
}

}  // namespace pionbench::optim
