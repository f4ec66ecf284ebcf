#pragma once
/// One token per row of logits, drawn or the likeliest.
///
/// On a CPU row by row (data/sampling.h). Elsewhere by tensor operations where the logits are, so that tokens and their
/// log-probabilities alone come to the host: of Qwen3's vocabulary a row is 600 kB. Both take the same token but where
/// a uniform number falls within rounding of a boundary.

#include <torch/torch.h>

#include <vector>

#include "experiments/rlvr/data/sampling.h"

namespace pionbench::rlvr {

/// In place of a uniform number: take the likeliest.
constexpr double kGreedy = -1;

struct Picked {
  std::vector<std::int64_t> tokens;
  std::vector<float> logp;  ///< log softmax(logits / T) before truncation; T = 1 where the likeliest is taken
};

/// logits [n, V] float32; draws [n]: uniform in [0, 1), or kGreedy. temperature 0: the likeliest everywhere, and
/// `draws` are not read.
Picked pick(const torch::Tensor& logits, double temperature, const Truncation& truncation,
            const std::vector<double>& draws);

/// The part that is drawn, by tensor operations: draws [n] float64 on the logits' device -> tokens [n] and log softmax
/// (logits / T) of them [n]. Works in slices of rows, with some 400 MB of its own at most. Ties as in Truncation.
std::pair<torch::Tensor, torch::Tensor> draw_rows(const torch::Tensor& logits, double temperature,
                                                  const Truncation& truncation, const torch::Tensor& draws);

}  // namespace pionbench::rlvr
