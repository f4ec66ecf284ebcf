#include "optim/spectral/leading.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace pionbench::optim {
namespace {

constexpr int kBlock = 8;
constexpr int kLanes = 16;
constexpr int kMaxPasses = 16;
constexpr int kPassesByChance = 3;

/// Sixteen floats at any address. The compiler makes one AVX-512 register of it, two of AVX or four of SSE.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// By feature: "arch=…" names would match those processors alone, not their successors.
#define PIONBENCH_CLONES __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define PIONBENCH_CLONES
#endif

#define PIONBENCH_EACH_COLUMN(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

__attribute__((always_inline)) inline double total(const Lanes& x) {
  double out = 0;
  for (int lane = 0; lane < kLanes; ++lane) out += x[lane];
  return out;
}

/// One pass over rows of X: y ← X V, z ← z + Xᵀ(X V). Four rows at a time: they are read from memory once and stay in
/// the first-level cache for both products, so an iteration costs one stream over X.
/// x [rows, n] of row stride `stride`; v, z [kBlock, n] of row stride `ld`; y [rows, kBlock]. Returns Σ x².
PIONBENCH_CLONES double gram_pass(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t n,
                                  const float* v, float* z, std::int64_t ld, float* y) {
  const std::int64_t body = n - n % kLanes;
  double energy = 0;
  for (std::int64_t first = 0; first < rows; first += 4) {
    const float* row[4];
    float product[4][kBlock] = {};
    const std::int64_t count = std::min<std::int64_t>(4, rows - first);
    // Rows beyond the end repeat the first one with product 0.
    for (std::int64_t i = 0; i < 4; ++i) row[i] = x + (first + (i < count ? i : 0)) * stride;
    for (std::int64_t pair = 0; pair < count; pair += 2) {
      const float *a = row[pair], *b = row[pair + 1];
      // Named sums, not an array: an array would live on the stack and cost a load and a store per product.
      Lanes square_a = {}, square_b = {};
#define PIONBENCH_DECLARE(k) Lanes sum_a##k = {}, sum_b##k = {};
      PIONBENCH_EACH_COLUMN(PIONBENCH_DECLARE)
      for (std::int64_t j = 0; j < body; j += kLanes) {
        const Lanes xa = *reinterpret_cast<const Lanes*>(a + j), xb = *reinterpret_cast<const Lanes*>(b + j);
        square_a += xa * xa;
        square_b += xb * xb;
#define PIONBENCH_MULTIPLY(k)                                         \
  {                                                                   \
    const Lanes vk = *reinterpret_cast<const Lanes*>(v + (k)*ld + j); \
    sum_a##k += xa * vk;                                              \
    sum_b##k += xb * vk;                                              \
  }
        PIONBENCH_EACH_COLUMN(PIONBENCH_MULTIPLY)
      }
      double total_a = total(square_a), total_b = total(square_b);
#define PIONBENCH_FINISH(k)                               \
  product[pair][k] = static_cast<float>(total(sum_a##k)); \
  if (pair + 1 < count) product[pair + 1][k] = static_cast<float>(total(sum_b##k));
      PIONBENCH_EACH_COLUMN(PIONBENCH_FINISH)
      for (std::int64_t j = body; j < n; ++j) {
        for (int k = 0; k < kBlock; ++k) {
          product[pair][k] += a[j] * v[k * ld + j];
          if (pair + 1 < count) product[pair + 1][k] += b[j] * v[k * ld + j];
        }
        total_a += static_cast<double>(a[j]) * a[j];
        total_b += static_cast<double>(b[j]) * b[j];
      }
      energy += total_a + (pair + 1 < count ? total_b : 0);
    }
    for (std::int64_t j = 0; j < body; j += kLanes) {
      const Lanes x0 = *reinterpret_cast<const Lanes*>(row[0] + j), x1 = *reinterpret_cast<const Lanes*>(row[1] + j);
      const Lanes x2 = *reinterpret_cast<const Lanes*>(row[2] + j), x3 = *reinterpret_cast<const Lanes*>(row[3] + j);
#define PIONBENCH_ADD(k)                                                                                 \
  {                                                                                                      \
    Lanes& target = *reinterpret_cast<Lanes*>(z + (k)*ld + j);                                           \
    target = target + x0 * product[0][k] + x1 * product[1][k] + x2 * product[2][k] + x3 * product[3][k]; \
  }
      PIONBENCH_EACH_COLUMN(PIONBENCH_ADD)
    }
    for (std::int64_t j = body; j < n; ++j)
      for (int k = 0; k < kBlock; ++k)
        for (int i = 0; i < 4; ++i) z[k * ld + j] += row[i][j] * product[i][k];
    for (std::int64_t i = 0; i < count; ++i) std::copy_n(product[i], kBlock, y + (first + i) * kBlock);
  }
  return energy;
}

PIONBENCH_CLONES double dot(const float* a, const float* b, std::int64_t n) {
  const std::int64_t body = n - n % kLanes;
  double total = 0;
  // Chunks keep float32 sums short.
  for (std::int64_t begin = 0; begin < body; begin += 1024) {
    Lanes sum = {};
    for (std::int64_t j = begin; j < std::min(body, begin + 1024); j += kLanes)
      sum += *reinterpret_cast<const Lanes*>(a + j) * *reinterpret_cast<const Lanes*>(b + j);
    for (int lane = 0; lane < kLanes; ++lane) total += sum[lane];
  }
  for (std::int64_t j = body; j < n; ++j) total += static_cast<double>(a[j]) * b[j];
  return total;
}

/// out ← Sᵀ in, for [kBlock, n] of row stride `ld`.
PIONBENCH_CLONES void rotate(const float* in, const double (*s)[kBlock], float* out, std::int64_t n, std::int64_t ld) {
  for (int i = 0; i < kBlock; ++i) {
    float* target = out + i * ld;
    std::fill_n(target, n, 0.0F);
    for (int k = 0; k < kBlock; ++k) {
      const auto weight = static_cast<float>(s[k][i]);
      const float* source = in + k * ld;
      for (std::int64_t j = 0; j < n; ++j) target[j] += weight * source[j];
    }
  }
}

PIONBENCH_CLONES void rank_update(float* w, std::int64_t stride, std::int64_t begin, std::int64_t end, std::int64_t n,
                                  const float* left, std::int64_t rows, const float* right, std::int64_t k, float decay,
                                  float factor) {
  for (std::int64_t i = begin; i < end; ++i) {
    float* row = w + i * stride;
    if (k == 0) {
      for (std::int64_t j = 0; j < n; ++j) row[j] *= decay;
      continue;
    }
    const float scale = factor * left[i];
    for (std::int64_t j = 0; j < n; ++j) row[j] = decay * row[j] + scale * right[j];
    for (std::int64_t r = 1; r < k; ++r) {
      const float more = factor * left[r * rows + i];
      const float* direction = right + r * n;
      for (std::int64_t j = 0; j < n; ++j) row[j] += more * direction[j];
    }
  }
}

/// Rows of [kBlock, n] made orthonormal, twice through modified Gram–Schmidt; what vanishes becomes zero.
PIONBENCH_CLONES void orthonormalise(float* v, std::int64_t n, std::int64_t ld) {
  for (int i = 0; i < kBlock; ++i) {
    float* row = v + i * ld;
    const double before = std::sqrt(dot(row, row, n));
    if (before > 0)
      for (std::int64_t j = 0; j < n; ++j) row[j] = static_cast<float>(row[j] / before);
    for (int round = 0; round < 2; ++round)
      for (int k = 0; k < i; ++k) {
        const float* other = v + k * ld;
        const auto part = static_cast<float>(dot(row, other, n));
        for (std::int64_t j = 0; j < n; ++j) row[j] -= part * other[j];
      }
    const double length = std::sqrt(dot(row, row, n));
    const auto scale = length > 1e-4 ? static_cast<float>(1 / length) : 0.0F;
    for (std::int64_t j = 0; j < n; ++j) row[j] *= scale;
  }
}

/// ‖a − factor·b‖.
PIONBENCH_CLONES double distance_to_multiple(const float* a, const float* b, float factor, std::int64_t n) {
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += 256) {
    float sum = 0;
    for (std::int64_t j = begin; j < std::min(n, begin + 256); ++j)
      sum += (a[j] - factor * b[j]) * (a[j] - factor * b[j]);
    total += sum;
  }
  return std::sqrt(total);
}

/// Uniform on (−1, 1), a function of (seed, counter): splitmix64.
float random_at(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return static_cast<float>(static_cast<std::int64_t>(z >> 40) - (1 << 23)) / static_cast<float>(1 << 23);
}

using Small = double[kBlock][kBlock];

/// Cyclic Jacobi: t = S diag(values) Sᵀ, values descending, eigenvectors in columns of s.
void eigen(Small& t, double (&values)[kBlock], Small& s) {
  Small rotation = {};
  for (int i = 0; i < kBlock; ++i) rotation[i][i] = 1;
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off = 0, diagonal = 0;
    for (int i = 0; i < kBlock; ++i) {
      diagonal += t[i][i] * t[i][i];
      for (int j = 0; j < i; ++j) off += t[i][j] * t[i][j];
    }
    if (off <= 1e-30 * diagonal) break;
    for (int p = 0; p < kBlock; ++p)
      for (int q = p + 1; q < kBlock; ++q) {
        if (t[p][q] == 0) continue;
        const double angle = (t[q][q] - t[p][p]) / (2 * t[p][q]);
        const double tangent = (angle >= 0 ? 1 : -1) / (std::abs(angle) + std::sqrt(angle * angle + 1));
        const double cosine = 1 / std::sqrt(tangent * tangent + 1), sine = tangent * cosine;
        for (int k = 0; k < kBlock; ++k) {
          const double a = t[k][p], b = t[k][q];
          t[k][p] = cosine * a - sine * b;
          t[k][q] = sine * a + cosine * b;
        }
        for (int k = 0; k < kBlock; ++k) {
          const double a = t[p][k], b = t[q][k];
          t[p][k] = cosine * a - sine * b;
          t[q][k] = sine * a + cosine * b;
        }
        for (int k = 0; k < kBlock; ++k) {
          const double a = rotation[k][p], b = rotation[k][q];
          rotation[k][p] = cosine * a - sine * b;
          rotation[k][q] = sine * a + cosine * b;
        }
      }
  }
  std::array<int, kBlock> order;
  for (int i = 0; i < kBlock; ++i) order[static_cast<std::size_t>(i)] = i;
  std::sort(order.begin(), order.end(), [&](int i, int j) { return t[i][i] > t[j][j]; });
  for (int i = 0; i < kBlock; ++i) {
    const int from = order[static_cast<std::size_t>(i)];
    values[i] = t[from][from];
    for (int k = 0; k < kBlock; ++k) s[k][i] = rotation[k][from];
  }
}

double divisor(double norm, const EngineOptions& options) {
  const double scaled = norm * options.norm_factor;
  return options.eps_rule == EpsRule::kAdd ? scaled + options.eps : std::max(scaled, options.eps);
}

/// What the Ritz values say about one matrix.
struct Verdict {
  int active = 0;
  bool settled = false;
};

/// θ, ρ [kBlock] of X / divisor, θ descending; `energy` = Σσ² of the same.
Verdict judge(const double (&theta)[kBlock], const double (&rho)[kBlock], double energy, int pass,
              const FilterProfile& profile) {
  Verdict out;
  double residual = 0, found = 0;
  bool still = true;
  for (int i = 0; i < kBlock; ++i) {
    if (theta[i] > profile.silent) {
      ++out.active;
      residual += rho[i] * rho[i];
      found += theta[i] * theta[i];
    } else if (theta[i] + rho[i] > profile.silent) {
      still = false;  // it may yet climb above s
    }
  }
  const bool certain = std::sqrt(std::max(0.0, energy - found)) <= profile.silent;
  const bool accurate = profile.slope * std::sqrt(residual) <= profile.tolerance / 2;
  out.settled = accurate && (certain || (still && pass >= kPassesByChance));
  return out;
}

/// One matrix on the CPU. `threads` > 1: its rows are shared out.
LeadingUpdate leading_update(const torch::Tensor& x, const torch::Tensor& basis, std::uint64_t seed,
                             const SpectralMap& map, const FilterProfile& profile, const EngineOptions& options,
                             std::int64_t threads) {
  const auto m = x.size(0), n = x.size(1), stride = x.stride(0);
  const auto* data = x.const_data_ptr<float>();
  const auto floats = x.options();
  const std::int64_t parts = std::max<std::int64_t>(1, std::min(threads, m / 32));

  // Rows a multiple of 4096 bytes apart would make every store to one look like a conflict with the load of the next:
  // 1.34 ms a pass at 2048 × 1024 instead of 1.08.
  const std::int64_t ld = (n + kLanes - 1) / kLanes * kLanes + kLanes;
  auto v = torch::empty({kBlock, ld}, floats), z = torch::empty({parts, kBlock, ld}, floats);
  auto rotated = torch::empty({2, kBlock, ld}, floats), y = torch::empty({m, kBlock}, floats);
  auto* vp = v.mutable_data_ptr<float>();
  auto* zp = z.mutable_data_ptr<float>();
  auto* yp = y.mutable_data_ptr<float>();
  auto ritz = rotated[0];
  auto* wp = ritz.mutable_data_ptr<float>();
  auto* zwp = wp + kBlock * ld;  // XᵀX times them

  // Half the columns from the last call, half new: what has become strong since must not hide.
  const std::int64_t warm = basis.defined() ? kBlock / 2 : 0;
  for (std::int64_t i = 0; i < kBlock; ++i) {
    if (i < warm)
      std::copy_n(basis.const_data_ptr<float>() + i * n, n, vp + i * ld);
    else
      for (std::int64_t j = 0; j < n; ++j) vp[i * ld + j] = random_at(seed, static_cast<std::uint64_t>(i * n + j));
  }
  orthonormalise(vp, n, ld);

  LeadingUpdate out;
  Verdict verdict;
  double theta[kBlock], rho[kBlock], values[kBlock];
  Small t, s;
  std::vector<double> energies(static_cast<std::size_t>(parts));
  while (!verdict.settled && out.passes < kMaxPasses) {
    ++out.passes;
    z.zero_();
    const auto run = [&](std::int64_t part) {
      const auto begin = m * part / parts, end = m * (part + 1) / parts;
      energies[static_cast<std::size_t>(part)] = gram_pass(data + begin * stride, stride, end - begin, n, vp,
                                                           zp + part * kBlock * ld, ld, yp + begin * kBlock);
    };
    if (parts == 1) {
      run(0);
    } else {
      at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto part = begin; part < end; ++part) run(part);
      });
      for (std::int64_t part = 1; part < parts; ++part)
        for (std::int64_t i = 0; i < kBlock * ld; ++i) zp[i] += zp[part * kBlock * ld + i];
    }
    double energy = 0;
    for (const double part : energies) energy += part;
    for (int i = 0; i < kBlock; ++i)
      for (int j = 0; j <= i; ++j) t[i][j] = t[j][i] = dot(vp + i * ld, zp + j * ld, n);
    eigen(t, values, s);
    rotate(vp, s, wp, n, ld);
    rotate(zp, s, zwp, n, ld);
    const double d = divisor(std::sqrt(energy), options);
    for (int i = 0; i < kBlock; ++i) {
      const double sigma = std::sqrt(std::max(values[i], 0.0));
      theta[i] = d > 0 ? sigma / d : 0;
      const double off = distance_to_multiple(zwp + i * ld, wp + i * ld, static_cast<float>(values[i]), n);
      rho[i] = sigma > 0 && d > 0 ? off / (sigma * d) : 0;
    }
    verdict = judge(theta, rho, d > 0 ? energy / (d * d) : 0, out.passes, profile);
    if (verdict.settled) break;
    std::swap(vp, zwp);
    orthonormalise(vp, n, ld);
  }

  out.certified = verdict.settled;
  out.basis = ritz.narrow(1, 0, n).clone();
  const std::int64_t k = out.certified ? verdict.active : 0;
  out.left = torch::empty({k, m}, floats);
  out.right = out.basis.narrow(0, 0, k);
  auto* lp = out.left.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < k; ++i) {
    const double scale = evaluate(map, theta[i]) / std::sqrt(values[i]);
    for (std::int64_t row = 0; row < m; ++row) {
      double sum = 0;  // (X V S)[row, i]
      for (int b = 0; b < kBlock; ++b) sum += yp[row * kBlock + b] * s[b][i];
      lp[i * m + row] = static_cast<float>(scale * sum);
    }
  }
  return out;
}

}  // namespace

/// Three passes between looks at the residuals.
std::vector<LeadingUpdate> detail::leading_updates_batched(const torch::Tensor& x,
                                                           const std::vector<torch::Tensor>& bases,
                                                           const std::vector<std::uint64_t>& seeds,
                                                           const SpectralMap& map, const FilterProfile& profile,
                                                           const EngineOptions& options) {
  const auto batch = x.size(0), n = x.size(2);
  std::vector<torch::Tensor> starts;
  for (std::int64_t i = 0; i < batch; ++i) {
    const auto index = static_cast<std::size_t>(i);
    auto start = torch::empty({kBlock, n}, torch::kFloat32);
    auto* p = start.mutable_data_ptr<float>();
    for (std::int64_t j = 0; j < kBlock * n; ++j) p[j] = random_at(seeds[index], static_cast<std::uint64_t>(j));
    start = start.to(x.device());
    if (bases[index].defined()) start.narrow(0, 0, kBlock / 2).copy_(bases[index].narrow(0, 0, kBlock / 2));
    starts.push_back(start.t());
  }
  auto v = std::get<0>(torch::linalg_qr(torch::stack(starts)));  // [batch, n, 8]
  const auto energy = x.square().sum({1, 2}, false, torch::kFloat64).cpu();
  std::vector<LeadingUpdate> out(static_cast<std::size_t>(batch));
  torch::Tensor z;  // XᵀX V
  for (int pass = kPassesByChance; pass <= kMaxPasses; pass += kPassesByChance) {
    for (int i = 0; i < kPassesByChance; ++i) {
      if (z.defined()) v = std::get<0>(torch::linalg_qr(z));
      z = torch::bmm(x.transpose(1, 2), torch::bmm(x, v));
    }
    const auto [ascending, vectors] = torch::linalg_eigh(torch::bmm(v.transpose(1, 2), z));
    const auto values = ascending.flip(-1);
    const auto s = vectors.flip(-1);
    const auto w = torch::bmm(v, s), zw = torch::bmm(z, s);
    const auto off = (zw - w * values.unsqueeze(1)).norm(2, 1);  // [batch, 8]
    const auto on_host = torch::stack({values, off}, 1).to(torch::kCPU, torch::kFloat64);
    bool all = true;
    for (std::int64_t i = 0; i < batch; ++i) {
      auto& one = out[static_cast<std::size_t>(i)];
      const double d = divisor(std::sqrt(energy[i].item<double>()), options);
      double theta[kBlock], rho[kBlock];
      for (int k = 0; k < kBlock; ++k) {
        const double sigma = std::sqrt(std::max(on_host[i][0][k].item<double>(), 0.0));
        theta[k] = d > 0 ? sigma / d : 0;
        rho[k] = sigma > 0 && d > 0 ? on_host[i][1][k].item<double>() / (sigma * d) : 0;
      }
      const auto verdict = judge(theta, rho, d > 0 ? energy[i].item<double>() / (d * d) : 0, pass, profile);
      one.passes = pass;
      one.certified = verdict.settled;
      one.basis = w[i].t().contiguous();
      const std::int64_t k = one.certified ? verdict.active : 0;
      auto scale = torch::empty({k}, torch::kFloat32);
      for (std::int64_t j = 0; j < k; ++j) scale[j] = evaluate(map, theta[j]) / (theta[j] * d);
      one.right = one.basis.narrow(0, 0, k);
      one.left = torch::matmul(x[i], w[i].narrow(1, 0, k)).t() * scale.to(x.device()).unsqueeze(1);
      all = all && verdict.settled;
    }
    if (all) break;
  }
  return out;
}

FilterProfile filter_profile(const SpectralMap& map, double tolerance) {
  FilterProfile out;
  out.tolerance = tolerance;
  constexpr int kPoints = 1 << 16;
  double before = 0;
  bool silent = true;
  for (int i = 1; i <= kPoints; ++i) {
    const double s = static_cast<double>(i) / kPoints, f = evaluate(map, s);
    out.slope = std::max(out.slope, std::abs(f - before) * kPoints);
    silent = silent && std::abs(f) <= tolerance / 4;
    if (silent) out.silent = s;
    before = f;
  }
  out.passable = out.silent > 0 ? static_cast<std::int64_t>(1 / (out.silent * out.silent)) : 1 << 30;
  return out;
}

bool few_directions(const FilterProfile& profile, std::int64_t m, std::int64_t n) {
  return profile.passable < kBlock - 1 && std::min(m, n) >= 24 && n <= 16 * m;
}

std::vector<LeadingUpdate> leading_updates(const std::vector<torch::Tensor>& x, const std::vector<torch::Tensor>& bases,
                                           const std::vector<std::uint64_t>& seeds, const SpectralMap& map,
                                           const FilterProfile& profile, const EngineOptions& options) {
  if (x.empty()) return {};
  if (!x.front().is_cpu()) return detail::leading_updates_batched(torch::stack(x), bases, seeds, map, profile, options);
  const auto count = static_cast<std::int64_t>(x.size());
  std::vector<LeadingUpdate> out(x.size());
  const auto one = [&](std::int64_t i, std::int64_t threads) {
    const auto index = static_cast<std::size_t>(i);
    out[index] = leading_update(x[index], bases[index], seeds[index], map, profile, options, threads);
  };
  const std::int64_t threads = at::get_num_threads();
  if (count >= threads) {
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      const torch::NoGradGuard no_grad;
      for (auto i = begin; i < end; ++i) one(i, 1);
    });
  } else {
    for (std::int64_t i = 0; i < count; ++i) one(i, threads);
  }
  return out;
}

void apply_leading_update(torch::Tensor w, const LeadingUpdate& update, double decay, double factor) {
  const auto k = update.left.size(0);
  if (k == 0 && decay == 1) return;
  if (!w.is_cpu() || w.scalar_type() != torch::kFloat32 || w.stride(1) != 1) {
    if (decay != 1) w.mul_(decay);
    if (k > 0) w.add_(torch::matmul(update.left.t(), update.right).to(w.scalar_type()), factor);
    return;
  }
  const auto m = w.size(0), n = w.size(1);
  auto* data = w.mutable_data_ptr<float>();
  const auto* left = update.left.const_data_ptr<float>();
  const auto* right = update.right.const_data_ptr<float>();
  at::parallel_for(0, m, std::max<std::int64_t>(1, 65536 / n), [&](std::int64_t begin, std::int64_t end) {
    rank_update(data, w.stride(0), begin, end, n, left, m, right, k, static_cast<float>(decay),
                static_cast<float>(factor));
  });
}

}  // namespace pionbench::optim
