#include "experiments/rlvr/model/fused.h"

#include <ATen/Parallel.h>

#include "experiments/kernels/lanes.h"
#include "experiments/rlvr/model/decode_kernel.h"

namespace pionbench::rlvr {

using namespace kernels;

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool has_kernels(const torch::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == torch::kFloat32;
}

float inverse_rms(const float* x, std::int64_t n, double eps) {
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) sum += static_cast<double>(x[j]) * static_cast<double>(x[j]);
  return static_cast<float>(1 / std::sqrt(sum / static_cast<double>(n) + eps));
}

/// With x̂ = x·r, r = 1/√(mean x² + eps) and g = dy·w:  dx = r·(g − x̂·mean(g·x̂));  dw += dy·x̂.
PIONBENCH_CLONES void rms_norm_backward_row(const float* x, const float* weight, const float* dy, double eps,
                                            std::int64_t n, float* dx, float* dweight) {
  Lanes squares = {}, products = {};
  float square = 0, product = 0;
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    squares += load(x + j) * load(x + j);
    products += load(dy + j) * load(weight + j) * load(x + j);
  }
  for (; j < n; ++j) square += x[j] * x[j], product += dy[j] * weight[j] * x[j];
  square += total(squares), product += total(products);
  const double size = static_cast<double>(n);
  const auto r = static_cast<float>(1 / std::sqrt(static_cast<double>(square) / size + eps));
  const auto share = static_cast<float>(static_cast<double>(product) * static_cast<double>(r * r) / size);
  for (j = 0; j < n; ++j) {
    dx[j] = r * (dy[j] * weight[j] - x[j] * share);
    dweight[j] += dy[j] * x[j] * r;
  }
}

PIONBENCH_CLONES void silu_times_backward_row(const float* gate, const float* up, const float* dy, std::int64_t n,
                                              float* dgate, float* dup) {
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const Lanes x = load(gate + j), d = load(dy + j);
    Lanes opposite = -x;
    exponentiate(opposite);
    const Lanes sigma = 1.0f / (1.0f + opposite), silu = x * sigma;
    store(dup + j, d * silu);
    store(dgate + j, d * load(up + j) * (sigma + silu * (1.0f - sigma)));
  }
  for (; j < n; ++j) {
    const float sigma = 1.0f / (1.0f + std::exp(-gate[j])), silu = gate[j] * sigma;
    dup[j] = dy[j] * silu;
    dgate[j] = dy[j] * up[j] * (sigma + silu * (1.0f - sigma));
  }
}

PIONBENCH_CLONES void rotate_row(const float* x, float factor, const float* weight, const float* cos, const float* sin,
                                 std::int64_t size, float* out) {
  rotate_scaled(x, factor, weight, cos, sin, size, 1, out);
}

PIONBENCH_CLONES void rotate_back_row(const float* dy, const float* cos, const float* sin, std::int64_t half,
                                      float* out) {
  for (std::int64_t i = 0; i < half; ++i) {
    out[i] = dy[i] * cos[i] + dy[half + i] * sin[half + i];
    out[half + i] = dy[half + i] * cos[half + i] - dy[i] * sin[i];
  }
}

/// Runs `row(r, sums)` for every row; what is added to sums [width] is summed over all rows. In blocks of a fixed size,
/// so that the sum does not depend on the number of threads.
template <class Row>
torch::Tensor sum_over_rows(std::int64_t rows, std::int64_t width, std::int64_t numbers_per_row, const Row& row) {
  constexpr std::int64_t kBlock = 512;
  const auto blocks = (rows + kBlock - 1) / kBlock;
  const auto sums = torch::zeros({blocks, width});
  at::parallel_for(0, blocks, grain(kBlock * numbers_per_row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      for (std::int64_t r = b * kBlock; r < std::min(rows, (b + 1) * kBlock); ++r)
        row(r, sums.data_ptr<float>() + b * width);
  });
  return blocks == 1 ? sums[0] : sums.sum(0);
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& weight,
                               double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    auto out = torch::empty_like(x);
    rms_norm_rows(x.data_ptr<float>(), weight.data_ptr<float>(), eps, x.numel() / x.size(-1), x.size(-1),
                  out.data_ptr<float>());
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto x = saved[0], weight = saved[1], dy = gradients[0].contiguous();
    const double eps = context->saved_data["eps"].toDouble();
    const auto width = x.size(-1);
    auto dx = torch::empty_like(x);
    const auto dweight = sum_over_rows(x.numel() / width, width, 4 * width, [&](std::int64_t r, float* sums) {
      rms_norm_backward_row(x.data_ptr<float>() + r * width, weight.data_ptr<float>(), dy.data_ptr<float>() + r * width,
                            eps, width, dx.data_ptr<float>() + r * width, sums);
    });
    return {dx, dweight, {}};
  }
};

struct SiluTimes : torch::autograd::Function<SiluTimes> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& gate_up) {
    context->save_for_backward({gate_up});
    auto sizes = gate_up.sizes().vec();
    sizes.back() /= 2;
    auto out = torch::empty(sizes);
    silu_times(gate_up.data_ptr<float>(), out.numel() / sizes.back(), sizes.back(), out.data_ptr<float>());
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto gate_up = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    const auto ffn = dy.size(-1);
    auto out = torch::empty_like(gate_up);
    at::parallel_for(0, dy.numel() / ffn, grain(4 * ffn), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const float* gate = gate_up.data_ptr<float>() + r * 2 * ffn;
        float* dgate = out.data_ptr<float>() + r * 2 * ffn;
        silu_times_backward_row(gate, gate + ffn, dy.data_ptr<float>() + r * ffn, ffn, dgate, dgate + ffn);
      }
    });
    return {out};
  }
};

struct NormaliseAndRotate : torch::autograd::Function<NormaliseAndRotate> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& heads, const torch::Tensor& q_norm,
                               const torch::Tensor& k_norm, const torch::Tensor& cos, const torch::Tensor& sin,
                               std::int64_t query_heads, double eps) {
    context->save_for_backward({heads, q_norm, k_norm, cos, sin});
    context->saved_data["query_heads"] = query_heads;
    context->saved_data["eps"] = eps;
    auto out = torch::empty_like(heads);
    const auto all = heads.size(-2), size = heads.size(-1), turned = (all + query_heads) / 2, angles = cos.size(0);
    const float* weights[] = {q_norm.data_ptr<float>(), k_norm.data_ptr<float>()};
    at::parallel_for(0, heads.numel() / (all * size), grain(4 * all * size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const float* x = heads.data_ptr<float>() + r * all * size;
        float* y = out.data_ptr<float>() + r * all * size;
        const auto angle = r % angles * size;
        for (std::int64_t h = 0; h < turned; ++h)
          rotate_row(x + h * size, inverse_rms(x + h * size, size, eps), weights[h >= query_heads],
                     cos.data_ptr<float>() + angle, sin.data_ptr<float>() + angle, size, y + h * size);
        std::copy(x + turned * size, x + all * size, y + turned * size);
      }
    });
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto heads = saved[0], q_norm = saved[1], k_norm = saved[2], cos = saved[3], sin = saved[4],
               dy = gradients[0].contiguous();
    const auto query_heads = context->saved_data["query_heads"].toInt();
    const double eps = context->saved_data["eps"].toDouble();
    const auto all = heads.size(-2), size = heads.size(-1), turned = (all + query_heads) / 2, angles = cos.size(0);
    const float* weights[] = {q_norm.data_ptr<float>(), k_norm.data_ptr<float>()};
    auto dx = torch::empty_like(heads);
    const auto sums =
        sum_over_rows(heads.numel() / (all * size), 2 * size, 8 * all * size, [&](std::int64_t r, float* dnorms) {
          constexpr std::int64_t kMostHere = 512;
          float here[kMostHere];
          std::vector<float> elsewhere(static_cast<std::size_t>(size > kMostHere ? size : 0));
          float* unturned = size > kMostHere ? elsewhere.data() : here;
          const auto at = r * all * size, angle = r % angles * size;
          const float *x = heads.data_ptr<float>() + at, *d = dy.data_ptr<float>() + at;
          float* out = dx.data_ptr<float>() + at;
          for (std::int64_t h = 0; h < turned; ++h) {
            const bool is_key = h >= query_heads;
            rotate_back_row(d + h * size, cos.data_ptr<float>() + angle, sin.data_ptr<float>() + angle, size / 2,
                            unturned);
            rms_norm_backward_row(x + h * size, weights[is_key], unturned, eps, size, out + h * size,
                                  dnorms + is_key * size);
          }
          std::copy(d + turned * size, d + all * size, out + turned * size);
        });
    return {dx, sums.narrow(0, 0, size), sums.narrow(0, size, size), {}, {}, {}, {}};
  }
};

}  // namespace

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps) {
  const auto type = x.scalar_type();
  if (has_kernels(x) && has_kernels(weight)) return RmsNorm::apply(x.contiguous(), weight, eps);
  if (type == torch::kFloat32 || type == torch::kFloat64) return torch::rms_norm(x, {x.size(-1)}, weight.to(type), eps);
  return torch::rms_norm(x.to(torch::kFloat32), {x.size(-1)}, {}, eps).to(type) * weight.to(type);
}

torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin) {
  const auto half = x.size(-1) / 2;
  const auto x1 = x.narrow(-1, 0, half), x2 = x.narrow(-1, half, half);
  return x * cos + torch::cat({-x2, x1}, -1) * sin;
}

torch::Tensor normalise_and_rotate(const torch::Tensor& heads, const torch::Tensor& q_norm, const torch::Tensor& k_norm,
                                   const torch::Tensor& cos, const torch::Tensor& sin, std::int64_t query_heads,
                                   double eps) {
  if (has_kernels(heads) && has_kernels(q_norm))
    return NormaliseAndRotate::apply(heads.contiguous(), q_norm, k_norm, cos.contiguous(), sin.contiguous(),
                                     query_heads, eps);
  const auto kv_heads = (heads.size(-2) - query_heads) / 2;
  const auto parts = heads.split_with_sizes({query_heads, kv_heads, kv_heads}, -2);
  return torch::cat(
      {rotate(rms_norm(parts[0], q_norm, eps), cos, sin), rotate(rms_norm(parts[1], k_norm, eps), cos, sin), parts[2]},
      -2);
}

torch::Tensor silu_times(const torch::Tensor& gate_up) {
  if (has_kernels(gate_up)) return SiluTimes::apply(gate_up.contiguous());
  const auto parts = gate_up.chunk(2, -1);
  return torch::silu(parts[0]) * parts[1];
}

}  // namespace pionbench::rlvr
