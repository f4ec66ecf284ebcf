#include "experiments/kernels/gelu.h"

#include <ATen/Parallel.h>

#include "experiments/kernels/lanes.h"

namespace pionbench::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ½(1 + tanh u) = 1 / (1 + e^−2u) with −2u = x·(kLinear + kCubic·x²).
constexpr float kLinear = -1.5957691216057308f, kCubic = 0.044715f * kLinear;

PIONBENCH_CLONES void forward_row(const float* x, std::int64_t n, float* out) {
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const Lanes v = load(x + j);
    Lanes e = v * (v * v * kCubic + kLinear);
    exponentiate(e);
    store(out + j, v / (1.0f + e));
  }
  for (; j < n; ++j) out[j] = x[j] / (1.0f + std::exp(x[j] * (x[j] * x[j] * kCubic + kLinear)));
}

PIONBENCH_CLONES void backward_row(const float* x, const float* dy, std::int64_t n, float* out) {
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const Lanes v = load(x + j), square = v * v;
    Lanes e = v * (square * kCubic + kLinear);
    exponentiate(e);
    const Lanes s = 1.0f / (1.0f + e);
    store(out + j, load(dy + j) * s * (1.0f - (1.0f - s) * v * (square * (3.0f * kCubic) + kLinear)));
  }
  for (; j < n; ++j) {
    const float square = x[j] * x[j], s = 1.0f / (1.0f + std::exp(x[j] * (square * kCubic + kLinear)));
    out[j] = dy[j] * s * (1.0f - (1.0f - s) * x[j] * (square * (3.0f * kCubic) + kLinear));
  }
}

struct GeluTanh : torch::autograd::Function<GeluTanh> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    auto out = torch::empty_like(x);
    at::parallel_for(0, x.numel(), grain(4), [&](std::int64_t begin, std::int64_t end) {
      forward_row(x.data_ptr<float>() + begin, end - begin, out.data_ptr<float>() + begin);
    });
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    auto out = torch::empty_like(x);
    at::parallel_for(0, x.numel(), grain(4), [&](std::int64_t begin, std::int64_t end) {
      backward_row(x.data_ptr<float>() + begin, dy.data_ptr<float>() + begin, end - begin,
                   out.data_ptr<float>() + begin);
    });
    return {out};
  }
};

}  // namespace

torch::Tensor gelu_tanh(const torch::Tensor& x) {
  if (x.device().is_cpu() && x.scalar_type() == torch::kFloat32) return GeluTanh::apply(x.contiguous());
  return torch::gelu(x, "tanh");
}

}  // namespace pionbench::kernels
