#pragma once
/// Sixteen float32 at a time, compiled for AVX-512, AVX with FMA and plain x86-64 and chosen at run time
/// (PIONBENCH_CLONES), or for whatever else the compiler makes of it.

#include <algorithm>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// By feature: "arch=…" names would match those processors alone, not their successors.
#define PIONBENCH_CLONES __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define PIONBENCH_CLONES
#endif
#define PIONBENCH_INLINE __attribute__((always_inline)) inline

namespace pionbench::kernels {

constexpr std::int64_t kLanes = 16;
/// Sixteen floats at any address. The compiler makes one AVX-512 register of it, two of AVX or four of SSE.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));
using HalfLanes = float __attribute__((vector_size(32), aligned(4), may_alias));
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
  if (n % kLanes)  // seen early where n is a constant
    for (; j < n; ++j) out += x[j] * x[j];
  return out;
}

/// out ← rotated(x · factor · weight) · scale, halves against each other; out and x may not overlap.
PIONBENCH_INLINE void rotate_scaled(const float* x, float factor, const float* weight, const float* cos,
                                    const float* sin, std::int64_t size, float scale, float* out) {
  const auto half = size / 2;
  std::int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const Lanes a = load(x + i) * factor * load(weight + i), b = load(x + half + i) * factor * load(weight + half + i);
    store(out + i, (a * load(cos + i) - b * load(sin + i)) * scale);
    store(out + half + i, (b * load(cos + half + i) + a * load(sin + half + i)) * scale);
  }
  for (; half % kLanes && i < half; ++i) {
    const float a = x[i] * factor * weight[i], b = x[half + i] * factor * weight[half + i];
    out[i] = (a * cos[i] - b * sin[i]) * scale;
    out[half + i] = (b * cos[half + i] + a * sin[half + i]) * scale;
  }
}

/// Rows of a parallel loop: a thread is worth some ten thousand numbers.
inline std::int64_t grain(std::int64_t numbers_per_row) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, numbers_per_row));
}

}  // namespace pionbench::kernels
