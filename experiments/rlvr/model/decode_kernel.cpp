#include "experiments/rlvr/model/decode_kernel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pionbench::rlvr {
namespace {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// By feature: "arch=…" names would match those processors alone, not their successors.
#define PIONBENCH_CLONES __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define PIONBENCH_CLONES
#endif
#define PIONBENCH_INLINE __attribute__((always_inline)) inline

constexpr std::int64_t kLanes = 16;
/// Sixteen floats at any address. The compiler makes one AVX-512 register of it, two of AVX or four of SSE.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));
using IntLanes = std::int32_t __attribute__((vector_size(64), aligned(4), may_alias));

// By reference: without AVX-512 for the whole file, a value of this type has no calling convention.
PIONBENCH_INLINE const Lanes& load(const float* at) {
  return *reinterpret_cast<const Lanes*>(at);
}
PIONBENCH_INLINE void store(float* at, const Lanes& x) {
  *reinterpret_cast<Lanes*>(at) = x;
}

PIONBENCH_INLINE float total(const Lanes& x) {
  using Eight = float __attribute__((vector_size(32)));
  using Four = float __attribute__((vector_size(16)));
  const Eight eight = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  const Four four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/// x ← eˣ by Cephes' expf. Below −87 it gives what −87 gives: 1e-38.
PIONBENCH_INLINE void exponentiate(Lanes& x) {
  const Lanes low = Lanes{} - 87.0f, high = Lanes{} + 88.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Lanes scaled = x * 1.44269504088896341f, half = Lanes{} + 0.5f;
  const IntLanes n = __builtin_convertvector(scaled + (scaled < Lanes{} ? -half : half), IntLanes);
  const Lanes whole = __builtin_convertvector(n, Lanes);
  const Lanes r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  Lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const IntLanes power = (n + 127) << 23;
  x = p * reinterpret_cast<const Lanes&>(power);
}

PIONBENCH_INLINE float square_sum(const float* x, std::int64_t n) {
  Lanes sum = {};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) sum += load(x + j) * load(x + j);
  float out = total(sum);
  for (; j < n; ++j) out += x[j] * x[j];
  return out;
}

/// out ← rotated(x / rms(x) · weight); out and x may not overlap. Halves of a head are rotated against each other.
PIONBENCH_INLINE void normalise_and_rotate(const float* x, const float* weight, double eps, const float* cos,
                                           const float* sin, std::int64_t size, float scale, float* out) {
  const auto factor =
      static_cast<float>(1 / std::sqrt(static_cast<double>(square_sum(x, size)) / static_cast<double>(size) + eps));
  const auto half = size / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = x[i] * factor * weight[i], b = x[half + i] * factor * weight[half + i];
    out[i] = (a * cos[i] - b * sin[i]) * scale;
    out[half + i] = (b * cos[half + i] + a * sin[half + i]) * scale;
  }
}

/// G query heads that share keys and values: q [G, E], k and v [length, E], scores [G, room for length], out [G, E].
template <int G>
PIONBENCH_INLINE void attend(const float* q, const float* k, const float* v, std::int64_t length, std::int64_t size,
                             float* scores, std::int64_t room, float* out) {
  for (std::int64_t t = 0; t < length; ++t) {
    Lanes sum[G] = {};
    const float* key = k + t * size;
    std::int64_t e = 0;
    for (; e + kLanes <= size; e += kLanes) {
      const Lanes x = load(key + e);
      for (int g = 0; g < G; ++g) sum[g] += x * load(q + g * size + e);
    }
    for (int g = 0; g < G; ++g) {
      float score = total(sum[g]);
      for (std::int64_t rest = e; rest < size; ++rest) score += key[rest] * q[g * size + rest];
      scores[g * room + t] = score;
    }
  }
  float inverse[G];
  for (int g = 0; g < G; ++g) {
    float* row = scores + g * room;
    const float largest = *std::max_element(row, row + length);
    // What stands behind the length becomes −∞ for whole lanes, and 0 by the exponential's floor below.
    for (std::int64_t t = length; t % kLanes; ++t) row[t] = largest - 1000;
    Lanes sum = {};
    for (std::int64_t t = 0; t < length; t += kLanes) {
      Lanes weights = load(row + t) - largest;
      exponentiate(weights);
      store(row + t, weights);
      sum += weights;
    }
    inverse[g] = 1 / total(sum);
  }
  std::int64_t e = 0;
  for (; e + kLanes <= size; e += kLanes) {
    Lanes sum[G] = {};
    for (std::int64_t t = 0; t < length; ++t) {
      const Lanes x = load(v + t * size + e);
      for (int g = 0; g < G; ++g) sum[g] += x * scores[g * room + t];
    }
    for (int g = 0; g < G; ++g) store(out + g * size + e, sum[g] * inverse[g]);
  }
  for (; e < size; ++e)
    for (int g = 0; g < G; ++g) {
      float sum = 0;
      for (std::int64_t t = 0; t < length; ++t) sum += v[t * size + e] * scores[g * room + t];
      out[g * size + e] = sum * inverse[g];
    }
}

/// decode_attention for one slot. scratch [H·E + 4·room].
PIONBENCH_CLONES void attend_slot(const AttentionSizes& s, const float* qkv, const float* norms, double eps,
                                  const float* cos, const float* sin, std::int64_t position, float* keys, float* values,
                                  float* scratch, std::int64_t room, float* out) {
  const auto size = s.head_dim, groups = s.query_heads / s.kv_heads;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  float *q = scratch, *scores = scratch + s.query_heads * size;
  for (std::int64_t h = 0; h < s.query_heads; ++h)
    normalise_and_rotate(qkv + h * size, norms + h * size, eps, cos, sin, size, scale, q + h * size);
  const auto length = position + 1;
  for (std::int64_t h = 0; h < s.kv_heads; ++h) {
    float *k = keys + h * s.capacity * size, *v = values + h * s.capacity * size;
    const auto at = s.query_heads + h;
    normalise_and_rotate(qkv + at * size, norms + at * size, eps, cos, sin, size, 1, k + position * size);
    std::copy_n(qkv + (at + s.kv_heads) * size, size, v + position * size);
    for (std::int64_t g = 0; g < groups;) {
      const auto first = (h * groups + g) * size;
      const auto left = groups - g;
      if (left >= 4) {
        attend<4>(q + first, k, v, length, size, scores, room, out + first);
        g += 4;
      } else if (left >= 2) {
        attend<2>(q + first, k, v, length, size, scores, room, out + first);
        g += 2;
      } else {
        attend<1>(q + first, k, v, length, size, scores, room, out + first);
        g += 1;
      }
    }
  }
}

PIONBENCH_CLONES void normalise_row(const float* x, const float* weight, double eps, std::int64_t width, float* out) {
  const auto factor =
      static_cast<float>(1 / std::sqrt(static_cast<double>(square_sum(x, width)) / static_cast<double>(width) + eps));
  for (std::int64_t j = 0; j < width; ++j) out[j] = x[j] * factor * weight[j];
}

PIONBENCH_CLONES void silu_row(const float* gate, const float* up, std::int64_t n, float* out) {
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const Lanes x = load(gate + j);
    Lanes opposite = -x;
    exponentiate(opposite);
    store(out + j, x / (1.0f + opposite) * load(up + j));
  }
  for (; j < n; ++j) out[j] = gate[j] / (1.0f + std::exp(-gate[j])) * up[j];
}

/// Rows of a parallel loop: a thread is worth some ten thousand numbers.
std::int64_t grain(std::int64_t numbers_per_row) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, numbers_per_row));
}

}  // namespace

void decode_attention(const AttentionSizes& s, const float* qkv, const float* norms, double eps, const float* cos,
                      const float* sin, const std::int64_t* positions, float* keys, float* values, float* out) {
  const auto width = (s.query_heads + 2 * s.kv_heads) * s.head_dim, cache = s.kv_heads * s.capacity * s.head_dim;
  const auto room = (s.capacity + kLanes - 1) / kLanes * kLanes;
  at::parallel_for(0, s.slots, grain(s.query_heads * s.head_dim * 32), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(static_cast<std::size_t>(s.query_heads * s.head_dim + 4 * room));
    for (std::int64_t slot = begin; slot < end; ++slot)
      attend_slot(s, qkv + slot * width, norms, eps, cos + slot * s.head_dim, sin + slot * s.head_dim, positions[slot],
                  keys + slot * cache, values + slot * cache, scratch.data(), room,
                  out + slot * s.query_heads * s.head_dim);
  });
}

void rms_norm_rows(const float* x, const float* weight, double eps, std::int64_t rows, std::int64_t width, float* out) {
  at::parallel_for(0, rows, grain(width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) normalise_row(x + r * width, weight, eps, width, out + r * width);
  });
}

void silu_times(const float* gate_up, std::int64_t rows, std::int64_t ffn, float* out) {
  at::parallel_for(0, rows, grain(4 * ffn), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      silu_row(gate_up + r * 2 * ffn, gate_up + r * 2 * ffn + ffn, ffn, out + r * ffn);
  });
}

}  // namespace pionbench::rlvr
