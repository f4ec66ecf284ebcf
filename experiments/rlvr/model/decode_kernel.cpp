#include "experiments/rlvr/model/decode_kernel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
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

/// Keys and values [length, E] of one head: the first `shared` positions, a multiple of kLanes, where another slot has
/// them too, the rest where they are this slot's own. Both pointers are to position 0.
struct Context {
  const float *shared_keys, *shared_values, *keys, *values;
  std::int64_t shared, length;

  PIONBENCH_INLINE const float* keys_at(std::int64_t t) const { return t < shared ? shared_keys : keys; }
  PIONBENCH_INLINE const float* values_at(std::int64_t t) const { return t < shared ? shared_values : values; }
};

/// N vectors of the output at `e`: out[g, e…] = Σ_t scores[g, t] · v[t, e…] · inverse[g]. With few of them several
/// positions are summed apart: one sum would wait four cycles for each addition.
/// Meanwhile `next`, as much of it as this context's own part, is fetched a position at a time: all of it at once waits
/// for the lines that are still on their way.
template <typename Vector, int G, int N>
PIONBENCH_INLINE void weigh(const Context& c, std::int64_t size, std::int64_t e, const float* scores, std::int64_t room,
                            const float* inverse, const float* next, float* out) {
  constexpr int kApart = G * N >= 8 ? 1 : G * N >= 4 ? 2 : 4;
  static_assert(kLanes % kApart == 0);
  constexpr std::int64_t kWidth = sizeof(Vector) / sizeof(float);
  Vector sum[kApart][N][G] = {};
  const auto add = [&](const float* v, std::int64_t t, Vector(&to)[N][G]) __attribute__((always_inline)) {
    for (int n = 0; n < N; ++n) {
      const Vector x = *reinterpret_cast<const Vector*>(v + t * size + e + n * kWidth);
      for (int g = 0; g < G; ++g) to[n][g] += x * scores[g * room + t];
    }
  };
  std::int64_t t = 0;
  for (; t < c.shared; t += kApart)
    for (int i = 0; i < kApart; ++i) add(c.shared_values, t + i, sum[i]);
  for (; t + kApart <= c.length; t += kApart)
    for (int i = 0; i < kApart; ++i) {
      if (next) fetch(next + (t + i - c.shared) * size, size);
      add(c.values, t + i, sum[i]);
    }
  for (; t < c.length; ++t) add(c.values, t, sum[0]);
  for (int n = 0; n < N; ++n)
    for (int g = 0; g < G; ++g) {
      Vector whole = sum[0][n][g];
      for (int i = 1; i < kApart; ++i) whole += sum[i][n][g];
      *reinterpret_cast<Vector*>(out + g * size + e + n * kWidth) = whole * inverse[g];
    }
}

/// G query heads that share keys and values: q [G, E], scores [G, room for length], out [G, E].
/// `next`: the keys that are read after these. Size: E where it is known, else 0.
template <int G, std::int64_t Size>
PIONBENCH_INLINE void attend(const float* q, const Context& c, const float* next, std::int64_t any_size, float* scores,
                             std::int64_t room, float* out) {
  const auto length = c.length, size = Size ? Size : any_size;
  std::int64_t t = 0;
  for (; t + kLanes <= length; t += kLanes) {
    const float *k = c.keys_at(t), *v = c.values_at(t);
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
      multiply_add(c.keys + t * size, q + g * size, size, sum);
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
  std::int64_t e = 0;
  const auto weigh_from = [&]<typename Vector, int N>() __attribute__((always_inline)) {
    weigh<Vector, G, N>(c, size, e, scores, room, inverse, e == 0 ? next : nullptr, out);
    e += N * static_cast<std::int64_t>(sizeof(Vector) / sizeof(float));
  };
  while (e + 4 * kLanes <= size) weigh_from.template operator()<Lanes, 4>();
  while (e + 2 * kLanes <= size) weigh_from.template operator()<Lanes, 2>();
  while (e + kLanes <= size) weigh_from.template operator()<Lanes, 1>();
  while (e + 8 <= size) weigh_from.template operator()<HalfLanes, 1>();
  for (; e < size; ++e)
    for (int g = 0; g < G; ++g) {
      float sum = 0;
      for (std::int64_t at = 0; at < length; ++at) sum += c.values_at(at)[at * size + e] * scores[g * room + at];
      out[g * size + e] = sum * inverse[g];
    }
}

/// One slot's and one key/value head's part of decode_attention.
struct Part {
  const float *q, *k, *v;                    ///< as projected: [G, E], [E], [E]
  const float *q_norm, *k_norm, *cos, *sin;  ///< [G, E], [E], [E], [E]
  float *keys, *values;                      ///< [C, E] of this slot
  const float *shared_keys, *shared_values;  ///< [C, E] of the slot that the first `shared` positions are read from
  std::int64_t shared, position;
  const float* next;  ///< the keys that are read after these
  float* out;         ///< [G, E]
};

/// scratch [G·E + 4·room].
template <std::int64_t Size>
PIONBENCH_INLINE void attend_part(const AttentionSizes& s, const Part& part, double eps, float* scratch,
                                  std::int64_t room) {
  const auto size = Size ? Size : s.head_dim, groups = s.query_heads / s.kv_heads;
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  float *q = scratch, *scores = scratch + groups * size;
  for (std::int64_t g = 0; g < groups; ++g)
    rotate_scaled(part.q + g * size, inverse_rms(part.q + g * size, size, eps), part.q_norm + g * size, part.cos,
                  part.sin, size, scale, q + g * size);
  rotate_scaled(part.k, inverse_rms(part.k, size, eps), part.k_norm, part.cos, part.sin, size, 1,
                part.keys + part.position * size);
  std::copy_n(part.v, size, part.values + part.position * size);
  const Context context{part.shared_keys, part.shared_values, part.keys, part.values, part.shared, part.position + 1};
  const auto some = [&]<int G>(std::int64_t g) __attribute__((always_inline)) {
    attend<G, Size>(q + g * size, context, part.next, size, scores, room, part.out + g * size);
    return G;
  };
  for (std::int64_t g = 0; g < groups;)
    g += groups - g >= 4   ? some.template operator()<4>(g)
         : groups - g >= 2 ? some.template operator()<2>(g)
                           : some.template operator()<1>(g);
}

// A head's products unroll where its size is known: that of the embedded models, and Qwen3's.
PIONBENCH_CLONES void attend_64(const AttentionSizes& s, const Part& part, double eps, float* scratch,
                                std::int64_t room) {
  attend_part<64>(s, part, eps, scratch, room);
}
PIONBENCH_CLONES void attend_128(const AttentionSizes& s, const Part& part, double eps, float* scratch,
                                 std::int64_t room) {
  attend_part<128>(s, part, eps, scratch, room);
}
PIONBENCH_CLONES void attend_any(const AttentionSizes& s, const Part& part, double eps, float* scratch,
                                 std::int64_t room) {
  attend_part<0>(s, part, eps, scratch, room);
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
                      const float* sin, const std::int64_t* positions, const SharedPrefixes& prefixes, float* keys,
                      float* values, float* out) {
  const auto size = s.head_dim, width = (s.query_heads + 2 * s.kv_heads) * size, cells = s.capacity * size;
  const auto groups = s.query_heads / s.kv_heads;
  const auto room = (s.capacity + kLanes - 1) / kLanes * kLanes;
  const auto from = [&](std::int64_t slot) {
    return prefixes.slot.empty() ? slot : prefixes.slot[static_cast<std::size_t>(slot)];
  };
  const auto shared = [&](std::int64_t slot) {
    return prefixes.slot.empty() ? 0 : prefixes.length[static_cast<std::size_t>(slot)] / kLanes * kLanes;
  };
  // Slots that read the same positions, one after the other.
  std::vector<std::int64_t> order(static_cast<std::size_t>(s.slots));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, from);
  const auto attend = size == 64 ? attend_64 : size == 128 ? attend_128 : attend_any;
  at::parallel_for(0, s.slots, grain(s.query_heads * size * 32), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(static_cast<std::size_t>(groups * size + 4 * room));
    for (std::int64_t h = 0; h < s.kv_heads; ++h)
      for (std::int64_t i = begin; i < end; ++i) {
        const auto slot = order[static_cast<std::size_t>(i)];
        const auto own = (slot * s.kv_heads + h) * cells, others = (from(slot) * s.kv_heads + h) * cells;
        const auto next_h = i + 1 < end ? h : (h + 1) % s.kv_heads;
        const auto next_slot = order[static_cast<std::size_t>(i + 1 < end ? i + 1 : begin)];
        const float *q = qkv + slot * width + h * groups * size, *k = qkv + slot * width + (s.query_heads + h) * size;
        attend(s,
               {.q = q,
                .k = k,
                .v = k + s.kv_heads * size,
                .q_norm = norms + h * groups * size,
                .k_norm = norms + (s.query_heads + h) * size,
                .cos = cos + slot * size,
                .sin = sin + slot * size,
                .keys = keys + own,
                .values = values + own,
                .shared_keys = keys + others,
                .shared_values = values + others,
                .shared = shared(slot),
                .position = positions[slot],
                .next = keys + (next_slot * s.kv_heads + next_h) * cells + shared(next_slot) * size,
                .out = out + (slot * s.query_heads + h * groups) * size},
               eps, scratch.data(), room);
      }
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
