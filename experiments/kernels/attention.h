#pragma once
/// Attention over short sequences, in either direction one kernel that reads queries, keys and values as they were
/// projected. At some 70 tokens and heads of 16 numbers, torch's attention spends most of its time around the products:
/// on reshaping, on turning the mask into numbers, on copies of what several sets of queries share.

#include <torch/torch.h>

namespace pionbench::kernels {

/// softmax(Q Kᵀ / √E) V for each of `heads` heads of E = d / heads numbers; differentiable in qkv and context.
///
/// qkv      [G·D, N, 3d]: queries, keys and values of N tokens; the tokens attend to each other
/// context  [G, S, 2d], or undefined: keys and values of S more tokens, which D consecutive rows of qkv share
/// allowed  bool [G, N or 1, S + N], or undefined: what a token may attend to, the context first; at least one of them
/// returns  [G·D, N, d]
///
/// float32 on the CPU with E a multiple of 16 by the kernel, anything else by torch's own operations. Results do not
/// depend on the number of threads.
torch::Tensor attention(const torch::Tensor& qkv, const torch::Tensor& context, const torch::Tensor& allowed,
                        std::int64_t heads);

}  // namespace pionbench::kernels
