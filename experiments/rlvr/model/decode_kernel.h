#pragma once
/// What decoding does between matrix products, in float32 on the CPU, each as one pass over memory: a torch operation
/// on a few thousand numbers costs more to call than to compute, and a block of Qwen3 has some thirty of them.
/// Exponentials by Cephes' polynomial, relative error below 2e-7.
///
/// Sizes as in decoder.h: S slots, C capacity, D hidden, F ffn, H query heads, K key/value heads, E head size (even).

#include <cstdint>
#include <vector>

namespace pionbench::rlvr {

struct AttentionSizes {
  std::int64_t slots, query_heads, kv_heads, head_dim, capacity;
};

/// Where slots hold the same keys and values: those of the first length[s] positions of slot s are, bit for bit, also
/// those of slot[s], and are read there. What several slots read in one place comes out of a near cache. Empty:
/// nowhere.
struct SharedPrefixes {
  std::vector<std::int64_t> slot, length;  ///< [S] each
};

/// One new token per slot: RMS norm of query and key heads, rotation, keys and values into the cache, softmax
/// attention.
///   qkv [S, (H + 2K)·E] as projected; norms [(H + K)·E]; cos, sin [S, E]; positions [S]
///   keys, values [S, K, C, E]: written at each slot's position and read up to it, no further
///   prefixes: positions before those of this step; the result does not depend on them
///   out [S, H·E]
void decode_attention(const AttentionSizes& sizes, const float* qkv, const float* norms, double eps, const float* cos,
                      const float* sin, const std::int64_t* positions, const SharedPrefixes& prefixes, float* keys,
                      float* values, float* out);

/// x [S, D] -> out [S, D]: x / √(mean x² + eps) · weight.
void rms_norm_rows(const float* x, const float* weight, double eps, std::int64_t rows, std::int64_t width, float* out);

/// gate_up [S, 2F] -> out [S, F]: silu(gate) · up.
void silu_times(const float* gate_up, std::int64_t rows, std::int64_t ffn, float* out);

}  // namespace pionbench::rlvr
