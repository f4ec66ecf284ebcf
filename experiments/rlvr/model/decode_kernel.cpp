#include "experiments/rlvr/model/decode_kernel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "experiments/kernels/lanes.h"

namespace pionbench::rlvr {

using namespace kernels;

namespace {

/// 1 / √(mean x² + eps).
PIONBENCH_INLINE float inverse_rms(const float* x, std::int64_t size, double eps) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(square_sum(x, size)) / static_cast<double>(size) + eps));
}

/// Sums of the lanes of four vectors, each as four partial sums: [a₀..a₃ b₀..b₃ c₀..c₃ d₀..d₃].
PIONBENCH_INLINE void quarter(const Lanes& a, const Lanes& b, const Lanes& c, const Lanes& d, Lanes& out) {
  const Lanes ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                   __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  const Lanes cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                   __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  out = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
        __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/// The sixteen sums whose quarters are in q[0..3], in order. One such tree costs 46 operations, sixteen sums lane by
/// lane some 190: as much as the products of a head of 64.
PIONBENCH_INLINE void sixteen_sums(const Lanes* q, Lanes& out) {
  Lanes half[2];
  for (int i = 0; i < 2; ++i)
    half[i] =
        __builtin_shufflevector(q[2 * i], q[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
        __builtin_shufflevector(q[2 * i], q[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
  out = __builtin_shufflevector(half[0], half[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
        __builtin_shufflevector(half[0], half[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

/// sum += x · y over the head, lane by lane; what a head leaves below eight numbers is added to lane 0.
PIONBENCH_INLINE void multiply_add(const float* x, const float* y, std::int64_t size, Lanes& sum) {
  std::int64_t e = 0;
  for (; e + kLanes <= size; e += kLanes) sum += load(x + e) * load(y + e);
  if (e + 8 <= size) {
    const HalfLanes product = *reinterpret_cast<const HalfLanes*>(x + e) * *reinterpret_cast<const HalfLanes*>(y + e);
    sum += __builtin_shufflevector(product, HalfLanes{}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    e += 8;
  }
  for (; e < size; ++e) sum[0] += x[e] * y[e];
}

/// One position of keys or values towards the first-level cache: what is read next comes from far away otherwise, in
/// pieces too short for the processor to foresee.
PIONBENCH_INLINE void fetch(const float* at, std::int64_t size) {
  for (std::int64_t e = 0; e < size; e += 16) __builtin_prefetch(at + e, 0, 3);
}

/// N vectors of the output at `e`: out[g, e…] = Σ_t scores[g, t] · v[t, e…] · inverse[g]. With few of them several
/// positions are summed apart: one sum would wait four cycles for each addition.
template <typename Vector, int G, int N>
PIONBENCH_INLINE void weigh(const float* v, std::int64_t length, std::int64_t size, std::int64_t e, const float* scores,
                            std::int64_t room, const float* inverse, float* out) {
  constexpr int kApart = G * N >= 8 ? 1 : G * N >= 4 ? 2 : 4;
  constexpr std::int64_t kWidth = sizeof(Vector) / sizeof(float);
  Vector sum[kApart][N][G] = {};
  const auto add = [&](std::int64_t t, Vector(&to)[N][G]) __attribute__((always_inline)) {
    for (int n = 0; n < N; ++n) {
      const Vector x = *reinterpret_cast<const Vector*>(v + t * size + e + n * kWidth);
      for (int g = 0; g < G; ++g) to[n][g] += x * scores[g * room + t];
    }
  };
  std::int64_t t = 0;
  for (; t + kApart <= length; t += kApart)
    for (int i = 0; i < kApart; ++i) add(t + i, sum[i]);
  for (; t < length; ++t) add(t, sum[0]);
  for (int n = 0; n < N; ++n)
    for (int g = 0; g < G; ++g) {
      Vector whole = sum[0][n][g];
      for (int i = 1; i < kApart; ++i) whole += sum[i][n][g];
      *reinterpret_cast<Vector*>(out + g * size + e + n * kWidth) = whole * inverse[g];
    }
}

/// G query heads that share keys and values: q [G, E], k and v [length, E], scores [G, room for length], out [G, E].
/// `next`: the keys that are read after these.
template <int G>
PIONBENCH_INLINE void attend(const float* q, const float* k, const float* v, const float* next, std::int64_t length,
                             std::int64_t size, float* scores, std::int64_t room, float* out) {
  std::int64_t t = 0;
  for (; t + kLanes <= length; t += kLanes) {
    Lanes quarters[G][4];
    for (int block = 0; block < 4; ++block) {
      Lanes sums[G][4] = {};
      for (int i = 0; i < 4; ++i) {
        const auto at = (t + block * 4 + i) * size;
        fetch(v + at, size);
        for (int g = 0; g < G; ++g) multiply_add(k + at, q + g * size, size, sums[g][i]);
      }
      for (int g = 0; g < G; ++g) quarter(sums[g][0], sums[g][1], sums[g][2], sums[g][3], quarters[g][block]);
    }
    for (int g = 0; g < G; ++g) {
      Lanes row;
      sixteen_sums(quarters[g], row);
      store(scores + g * room + t, row);
    }
  }
  for (; t < length; ++t)
    for (int g = 0; g < G; ++g) {
      Lanes sum = {};
      multiply_add(k + t * size, q + g * size, size, sum);
      scores[g * room + t] = total(sum);
    }
  float inverse[G];
  for (int g = 0; g < G; ++g) {
    float* row = scores + g * room;
    float largest = row[0];
    std::int64_t i = 0;
    if (length >= kLanes) {
      Lanes most = load(row);
      for (i = kLanes; i + kLanes <= length; i += kLanes) most = load(row + i) > most ? load(row + i) : most;
      for (std::int64_t lane = 0; lane < kLanes; ++lane) largest = std::max(largest, most[lane]);
    }
    for (; i < length; ++i) largest = std::max(largest, row[i]);
    // What stands behind the length becomes −∞ for whole lanes, and 0 by the exponential's floor below.
    for (std::int64_t rest = length; rest % kLanes; ++rest) row[rest] = largest - 1000;
    Lanes sum = {};
    for (std::int64_t at = 0; at < length; at += kLanes) {
      Lanes weights = load(row + at) - largest;
      exponentiate(weights);
      store(row + at, weights);
      sum += weights;
    }
    inverse[g] = 1 / total(sum);
  }
  for (std::int64_t at = 0; at < length; ++at) fetch(next + at * size, size);
  std::int64_t e = 0;
  for (; e + 4 * kLanes <= size; e += 4 * kLanes) weigh<Lanes, G, 4>(v, length, size, e, scores, room, inverse, out);
  for (; e + 2 * kLanes <= size; e += 2 * kLanes) weigh<Lanes, G, 2>(v, length, size, e, scores, room, inverse, out);
  for (; e + kLanes <= size; e += kLanes) weigh<Lanes, G, 1>(v, length, size, e, scores, room, inverse, out);
  for (; e + 8 <= size; e += 8) weigh<HalfLanes, G, 1>(v, length, size, e, scores, room, inverse, out);
  for (; e < size; ++e)
    for (int g = 0; g < G; ++g) {
      float sum = 0;
      for (std::int64_t at = 0; at < length; ++at) sum += v[at * size + e] * scores[g * room + at];
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
    rotate_scaled(qkv + h * size, inverse_rms(qkv + h * size, size, eps), norms + h * size, cos, sin, size, scale,
                  q + h * size);
  const auto length = position + 1;
  for (std::int64_t h = 0; h < s.kv_heads; ++h) {
    float *k = keys + h * s.capacity * size, *v = values + h * s.capacity * size;
    const auto at = s.query_heads + h;
    rotate_scaled(qkv + at * size, inverse_rms(qkv + at * size, size, eps), norms + at * size, cos, sin, size, 1,
                  k + position * size);
    std::copy_n(qkv + (at + s.kv_heads) * size, size, v + position * size);
    const float* next = k + s.capacity * size;  // of the next head, or of the next slot's first
    for (std::int64_t g = 0; g < groups;) {
      const auto first = (h * groups + g) * size;
      const auto left = groups - g;
      if (left >= 4) {
        attend<4>(q + first, k, v, next, length, size, scores, room, out + first);
        g += 4;
      } else if (left >= 2) {
        attend<2>(q + first, k, v, next, length, size, scores, room, out + first);
        g += 2;
      } else {
        attend<1>(q + first, k, v, next, length, size, scores, room, out + first);
        g += 1;
      }
    }
  }
}

PIONBENCH_CLONES void normalise_row(const float* x, const float* weight, double eps, std::int64_t width, float* out) {
  const float factor = inverse_rms(x, width, eps);
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
