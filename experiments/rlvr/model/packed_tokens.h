#pragma once
/// Token sequences without what they repeat and without padding: the distinct tokens in one line, and where each
/// stands. Every layer but attention works on tokens one by one, so a prompt that n completions share is computed once
/// instead of n times, and no padding is computed at all.

#include <torch/torch.h>

namespace pionbench::rlvr {

struct PackedTokens {
  torch::Tensor tokens;     ///< [n] int64
  torch::Tensor positions;  ///< [n] int64, of each in its sequence
  torch::Tensor sequences;  ///< [B, T] which of the n stands at each place; behind a sequence's end: any
  torch::Tensor places;     ///< [n] one place b·T + t at which each stands
};

/// Packs the first `lengths[b]` tokens of each row. Rows next to each other share their first
/// min(shared[b], shared[b + 1]) tokens when these are equal. All int64, on one device: tokens [B, T'],
/// lengths [B] >= 1, shared [B] <= lengths. T is the longest length. Reads the tokens back to the host: O(B·T').
PackedTokens pack(const torch::Tensor& tokens, const torch::Tensor& lengths, const torch::Tensor& shared);

}  // namespace pionbench::rlvr
