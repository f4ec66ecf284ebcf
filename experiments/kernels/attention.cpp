#include "experiments/kernels/attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "experiments/kernels/lanes.h"

namespace pionbench::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr float kNever = -1e30f;

struct Shape {
  std::int64_t groups, draws, tokens, context, heads, size;  // G, D, N, S, H, E

  std::int64_t width() const { return heads * size; }
  std::int64_t keys() const { return context + tokens; }
  std::int64_t padded() const { return (keys() + kLanes - 1) / kLanes * kLanes; }
};

/// out[r] = Σ_t a[r·a_row + t·a_step] · b[t·b_row …], R rows of `width` numbers; `add`: added to what is there.
template <int R>
PIONBENCH_INLINE void product_rows(const float* a, std::int64_t a_row, std::int64_t a_step, const float* b,
                                   std::int64_t b_row, std::int64_t steps, std::int64_t width, bool add, float* out,
                                   std::int64_t out_row) {
  for (std::int64_t c = 0; c < width; c += kLanes) {
    Lanes sums[R] = {};
    for (std::int64_t t = 0; t < steps; ++t) {
      const Lanes row = load(b + t * b_row + c);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r] += row * a[r * a_row + t * a_step];
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float* to = out + r * out_row + c;
      store(to, add ? load(to) + sums[r] : sums[r]);
    }
  }
}

/// The same for any number of rows. One product serves all: what differs is which operand is read along which axis.
PIONBENCH_INLINE void product(std::int64_t rows, const float* a, std::int64_t a_row, std::int64_t a_step,
                              const float* b, std::int64_t b_row, std::int64_t steps, std::int64_t width, float* out,
                              std::int64_t out_row, bool add = false) {
  std::int64_t r = 0;
  for (; r + 8 <= rows; r += 8)
    product_rows<8>(a + r * a_row, a_row, a_step, b, b_row, steps, width, add, out + r * out_row, out_row);
  for (; r + 4 <= rows; r += 4)
    product_rows<4>(a + r * a_row, a_row, a_step, b, b_row, steps, width, add, out + r * out_row, out_row);
  for (; r < rows; ++r)
    product_rows<1>(a + r * a_row, a_row, a_step, b, b_row, steps, width, add, out + r * out_row, out_row);
}

/// Scores to weights; `open` is 1 for a key that may be seen and 0 for all others, those behind the last among them.
PIONBENCH_INLINE void softmax_row(float* row, const float* open, std::int64_t width) {
  Lanes tops = Lanes{} + kNever;
  for (std::int64_t j = 0; j < width; j += kLanes) {
    const Lanes s = load(open + j) > Lanes{} ? load(row + j) : Lanes{} + kNever;
    tops = s > tops ? s : tops;
  }
  float top = kNever;
  for (int l = 0; l < kLanes; ++l) top = std::max(top, tops[l]);
  Lanes sums = {};
  for (std::int64_t j = 0; j < width; j += kLanes) {
    Lanes e = load(row + j) - top;
    exponentiate(e);
    e *= load(open + j);
    store(row + j, e);
    sums += e;
  }
  const float factor = 1.0f / total(sums);
  for (std::int64_t j = 0; j < width; j += kLanes) store(row + j, load(row + j) * factor);
}

/// out[e·columns + at + j] = rows[j·stride + e] · factor
PIONBENCH_INLINE void transpose(const float* rows, std::int64_t stride, std::int64_t count, std::int64_t size,
                                float factor, std::int64_t columns, std::int64_t at, float* out) {
  for (std::int64_t j = 0; j < count; ++j)
    for (std::int64_t e = 0; e < size; ++e) out[e * columns + at + j] = rows[j * stride + e] * factor;
}

PIONBENCH_INLINE void copy_rows(const float* rows, std::int64_t stride, std::int64_t count, std::int64_t size,
                                float* out) {
  for (std::int64_t j = 0; j < count; ++j)
    for (std::int64_t e = 0; e < size; e += kLanes) store(out + j * size + e, load(rows + j * stride + e));
}

/// What one thread needs for one head.
struct Workspace {
  explicit Workspace(const Shape& s)
      : columns(static_cast<std::size_t>(s.size * s.padded())),
        rows(static_cast<std::size_t>(s.padded() * s.size)),
        scores(static_cast<std::size_t>(s.tokens * s.padded())) {}

  std::vector<float> columns, rows, scores;
};

/// One group: draws of tokens and the context that they share. `open`: what a token may see, its rows `open_row` apart,
/// 0 where all see the same. `kept`: [D, H, N, padded] weights for the way back.
PIONBENCH_CLONES void forward_group(const Shape& s, const float* qkv, const float* context, const float* open,
                                    std::int64_t open_row, Workspace& w, float* out, float* kept) {
  const auto d = s.width(), e = s.size, n = s.tokens, m = s.padded();
  const float scale = 1.0f / std::sqrt(static_cast<float>(e));
  for (std::int64_t h = 0; h < s.heads; ++h) {
    transpose(context + h * e, 2 * d, s.context, e, scale, m, 0, w.columns.data());
    copy_rows(context + d + h * e, 2 * d, s.context, e, w.rows.data());
    for (std::int64_t draw = 0; draw < s.draws; ++draw) {
      const float* q = qkv + draw * n * 3 * d + h * e;
      float* weights = kept ? kept + (draw * s.heads + h) * n * m : w.scores.data();
      transpose(q + d, 3 * d, n, e, scale, m, s.context, w.columns.data());
      copy_rows(q + 2 * d, 3 * d, n, e, w.rows.data() + s.context * e);
      product(n, q, 3 * d, 1, w.columns.data(), m, e, m, weights, m);
      for (std::int64_t i = 0; i < n; ++i) softmax_row(weights + i * m, open + i * open_row, m);
      product(n, weights, m, 1, w.rows.data(), e, s.keys(), e, out + draw * n * d + h * e, d);
    }
  }
}

/// With P the weights and Y = P V:  dV = Pᵀ dY;  dS = P ∘ (dP − rowsum(P ∘ dP)), dP = dY Vᵀ;  dQ = dS K, dK = dSᵀ Q.
PIONBENCH_CLONES void backward_group(const Shape& s, const float* qkv, const float* context, const float* kept,
                                     const float* dy, Workspace& w, float* dqkv, float* dcontext) {
  const auto d = s.width(), e = s.size, n = s.tokens, m = s.padded();
  const float scale = 1.0f / std::sqrt(static_cast<float>(e));
  for (std::int64_t h = 0; h < s.heads; ++h) {
    transpose(context + d + h * e, 2 * d, s.context, e, 1, m, 0, w.columns.data());
    copy_rows(context + h * e, 2 * d, s.context, e, w.rows.data());
    for (std::int64_t draw = 0; draw < s.draws; ++draw) {
      const float* q = qkv + draw * n * 3 * d + h * e;
      const float* p = kept + (draw * s.heads + h) * n * m;
      const float* g = dy + draw * n * d + h * e;
      float* dq = dqkv + draw * n * 3 * d + h * e;
      float* ds = w.scores.data();
      transpose(q + 2 * d, 3 * d, n, e, 1, m, s.context, w.columns.data());
      copy_rows(q + d, 3 * d, n, e, w.rows.data() + s.context * e);
      product(n, g, d, 1, w.columns.data(), m, e, m, ds, m);
      for (std::int64_t i = 0; i < n; ++i) {
        Lanes sums = {};
        for (std::int64_t j = 0; j < m; j += kLanes) sums += load(p + i * m + j) * load(ds + i * m + j);
        const float mean = total(sums);
        for (std::int64_t j = 0; j < m; j += kLanes)
          store(ds + i * m + j, load(p + i * m + j) * (load(ds + i * m + j) - mean) * scale);
      }
      product(n, ds, m, 1, w.rows.data(), e, s.keys(), e, dq, 3 * d);
      product(n, ds + s.context, 1, m, q, 3 * d, n, e, dq + d, 3 * d);
      product(n, p + s.context, 1, m, g, d, n, e, dq + 2 * d, 3 * d);
      product(s.context, ds, 1, m, q, 3 * d, n, e, dcontext + h * e, 2 * d, draw > 0);
      product(s.context, p, 1, m, g, d, n, e, dcontext + d + h * e, 2 * d, draw > 0);
    }
  }
}

/// context [G, S, 2d]: S is 0 where there is none.
Shape shape_of(const torch::Tensor& qkv, const torch::Tensor& context, std::int64_t heads) {
  const auto groups = context.size(0);
  return {groups, qkv.size(0) / groups, qkv.size(1), context.size(1), heads, qkv.size(2) / 3 / heads};
}

const float* floats(const torch::Tensor& x) {
  return x.const_data_ptr<float>();
}

/// allowed [G, R, S + N]: R is 0 where everything is.
torch::Tensor run_forward(const Shape& s, const torch::Tensor& qkv, const torch::Tensor& context,
                          const torch::Tensor& allowed, const torch::Tensor& kept) {
  auto out = torch::empty({qkv.size(0), s.tokens, s.width()}, qkv.options());
  float* const to = out.mutable_data_ptr<float>();
  float* const weights = kept.defined() ? kept.mutable_data_ptr<float>() : nullptr;
  const auto mask_rows = allowed.size(1), open_rows = std::max<std::int64_t>(1, mask_rows);
  at::parallel_for(0, s.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    Workspace w(s);
    std::vector<float> open(static_cast<std::size_t>(open_rows * s.padded()));
    std::fill_n(open.begin(), s.keys(), 1.0f);
    for (auto g = begin; g < end; ++g) {
      const bool* mask = allowed.const_data_ptr<bool>() + g * mask_rows * s.keys();
      for (std::int64_t r = 0; r < mask_rows; ++r) std::copy_n(mask + r * s.keys(), s.keys(), &open[r * s.padded()]);
      const auto first = g * s.draws * s.tokens;
      forward_group(s, floats(qkv) + first * 3 * s.width(), floats(context) + g * s.context * 2 * s.width(),
                    open.data(), mask_rows > 1 ? s.padded() : 0, w, to + first * s.width(),
                    weights ? weights + first * s.heads * s.padded() : nullptr);
    }
  });
  return out;
}

struct Attention : torch::autograd::Function<Attention> {
  static torch::Tensor forward(AutogradContext* saved, const torch::Tensor& qkv, const torch::Tensor& context,
                               const torch::Tensor& allowed, std::int64_t heads) {
    const auto s = shape_of(qkv, context, heads);
    const auto kept = torch::empty({qkv.size(0), heads, s.tokens, s.padded()}, qkv.options());
    auto out = run_forward(s, qkv, context, allowed, kept);
    saved->save_for_backward({qkv, context, kept});
    saved->saved_data["heads"] = heads;
    return out;
  }
  static variable_list backward(AutogradContext* saved, variable_list gradients) {
    const auto tensors = saved->get_saved_variables();
    const auto &qkv = tensors[0], &context = tensors[1], &kept = tensors[2];
    const auto s = shape_of(qkv, context, saved->saved_data["heads"].toInt());
    const auto dy = gradients[0].contiguous();
    auto dqkv = torch::empty_like(qkv), dcontext = torch::empty_like(context);
    float *const to = dqkv.mutable_data_ptr<float>(), *const to_context = dcontext.mutable_data_ptr<float>();
    at::parallel_for(0, s.groups, 1, [&](std::int64_t begin, std::int64_t end) {
      Workspace w(s);
      for (auto g = begin; g < end; ++g) {
        const auto first = g * s.draws * s.tokens, shared = g * s.context * 2 * s.width();
        backward_group(s, floats(qkv) + first * 3 * s.width(), floats(context) + shared,
                       floats(kept) + first * s.heads * s.padded(), floats(dy) + first * s.width(), w,
                       to + first * 3 * s.width(), to_context + shared);
      }
    });
    return {dqkv, dcontext, torch::Tensor(), torch::Tensor()};
  }
};

torch::Tensor by_torch(const Shape& s, const torch::Tensor& qkv, const torch::Tensor& context,
                       const torch::Tensor& allowed) {
  const auto by_heads = [&](const torch::Tensor& x) {
    return x.reshape({x.size(0), x.size(1), s.heads, s.size}).transpose(1, 2);
  };
  const auto shared = [&](const torch::Tensor& x) { return s.draws == 1 ? x : x.repeat_interleave(s.draws, 0); };
  auto parts = qkv.split(s.width(), -1);
  if (s.context > 0) {
    const auto more = context.split(s.width(), -1);
    for (std::size_t i = 0; i < 2; ++i) parts[i + 1] = torch::cat({shared(more[i]), parts[i + 1]}, 1);
  }
  const auto mask = allowed.size(1) > 0 ? std::optional<torch::Tensor>(shared(allowed).unsqueeze(1)) : std::nullopt;
  const auto y = torch::scaled_dot_product_attention(by_heads(parts[0]), by_heads(parts[1]), by_heads(parts[2]), mask);
  return y.transpose(1, 2).reshape({qkv.size(0), s.tokens, s.width()});
}

}  // namespace

torch::Tensor attention(const torch::Tensor& qkv, const torch::Tensor& context, const torch::Tensor& allowed,
                        std::int64_t heads) {
  const auto more =
      context.defined() ? context.contiguous() : torch::empty({qkv.size(0), 0, qkv.size(2) / 3 * 2}, qkv.options());
  const auto mask =
      allowed.defined() ? allowed.contiguous() : torch::empty({more.size(0), 0, 0}, qkv.options().dtype(torch::kBool));
  const auto s = shape_of(qkv, more, heads);
  if (!qkv.device().is_cpu() || qkv.scalar_type() != torch::kFloat32 || s.size % kLanes != 0)
    return by_torch(s, qkv, more, mask);
  if (!torch::GradMode::is_enabled()) return run_forward(s, qkv.contiguous(), more, mask, {});
  return Attention::apply(qkv.contiguous(), more, mask, heads);
}

}  // namespace pionbench::kernels
