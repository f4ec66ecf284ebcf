#include "experiments/rlvr/model/decoder.h"

#include <cmath>
#include <limits>

#include "experiments/rlvr/model/fused.h"

namespace pionbench::rlvr {

void KvCache::copy_from(const KvCache& source, const torch::Tensor& rows, const torch::Tensor& target_slots,
                        std::int64_t length) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i]
        .narrow(2, 0, length)
        .index_copy_(0, target_slots, source.keys[i].narrow(2, 0, length).index_select(0, rows));
    values[i]
        .narrow(2, 0, length)
        .index_copy_(0, target_slots, source.values[i].narrow(2, 0, length).index_select(0, rows));
  }
}

KvCache KvCache::selected(const torch::Tensor& rows) const {
  KvCache out;
  for (const auto& x : keys) out.keys.push_back(x.index_select(0, rows));
  for (const auto& x : values) out.values.push_back(x.index_select(0, rows));
  return out;
}

KvCache KvCache::row(std::int64_t index, std::int64_t length) const {
  KvCache out;
  for (const auto& x : keys) out.keys.push_back(x.narrow(0, index, 1).narrow(2, 0, length).clone());
  for (const auto& x : values) out.values.push_back(x.narrow(0, index, 1).narrow(2, 0, length).clone());
  return out;
}

Decoder::Decoder(const Qwen3& model) : model_(model) {
  const torch::NoGradGuard no_grad;
  const auto& c = model.config();
  const auto cast = [&](const torch::Tensor& w) { return w.detach().to(model.compute_dtype()); };
  // On a CPU the [out, in] weights lie by columns, at the price of a copy: with few rows sgemm spends a third of its
  // time on transposing them (32 rows of width 256: 96 against 138 GFLOP/s on one core).
  const auto weight = [&](const torch::Tensor& w) {
    return w.device().is_cpu() && model.compute_dtype() == torch::kFloat32 ? cast(w).t().contiguous().t() : cast(w);
  };
  for (const auto& l : model.layers()) {
    const auto norms = torch::cat(
        {l.q_norm.detach().expand({c.query_heads, c.head_dim}), l.k_norm.detach().expand({c.kv_heads, c.head_dim})});
    layers_.push_back({cast(l.input_norm), weight(torch::cat({l.q.detach(), l.k.detach(), l.v.detach()})), cast(norms),
                       weight(l.o), cast(l.post_norm), weight(torch::cat({l.gate.detach(), l.up.detach()})),
                       weight(l.down)});
  }
  embedding_ = cast(model.embedding());
  head_ = weight(c.tied ? model.embedding() : model.head());
  final_norm_ = cast(model.final_norm());
}

std::int64_t Decoder::cache_bytes_per_token(const Qwen3Config& config, torch::Dtype dtype) {
  return 2 * config.layers * config.kv_heads * config.head_dim * static_cast<std::int64_t>(torch::elementSize(dtype));
}

KvCache Decoder::make_cache(std::int64_t slots, std::int64_t capacity) const {
  const auto& c = model_.config();
  KvCache out;
  for (std::int64_t i = 0; i < c.layers; ++i)
    for (auto* list : {&out.keys, &out.values})
      // Zeros, not garbage: masked scores are −inf, but 0 · NaN would still reach the weighted sum of the values.
      list->push_back(torch::zeros({slots, c.kv_heads, capacity, c.head_dim}, embedding_.options()));
  return out;
}

void Decoder::project(const Layer& layer, const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
                      torch::Tensor& q, torch::Tensor& k, torch::Tensor& v) const {
  const auto& c = model_.config();
  const auto heads = torch::linear(rms_norm(x, layer.input_norm, c.rms_norm_eps), layer.qkv)
                         .view({-1, c.query_heads + 2 * c.kv_heads, c.head_dim});
  const auto rotated = c.query_heads + c.kv_heads;
  const auto part = heads.narrow(1, 0, rotated);
  const auto normal =
      part.scalar_type() == torch::kFloat32 || part.scalar_type() == torch::kFloat64
          ? torch::rms_norm(part, {c.head_dim}, {}, c.rms_norm_eps)
          : torch::rms_norm(part.to(torch::kFloat32), {c.head_dim}, {}, c.rms_norm_eps).to(part.scalar_type());
  const auto qk = rotate(normal * layer.head_norms, cos, sin);
  q = qk.narrow(1, 0, c.query_heads);
  k = qk.narrow(1, c.query_heads, c.kv_heads);
  v = heads.narrow(1, rotated, c.kv_heads);
}

torch::Tensor Decoder::feed_forward(const Layer& layer, const torch::Tensor& x) const {
  const auto both =
      torch::linear(rms_norm(x, layer.post_norm, model_.config().rms_norm_eps), layer.gate_up).chunk(2, -1);
  return torch::linear(torch::silu(both[0]).mul_(both[1]), layer.down);
}

torch::Tensor Decoder::to_logits(const torch::Tensor& x) const {
  return torch::linear(rms_norm(x, final_norm_, model_.config().rms_norm_eps), head_).to(torch::kFloat32);
}

torch::Tensor Decoder::prefill(const torch::Tensor& tokens, const torch::Tensor& lengths, KvCache& cache) const {
  const torch::NoGradGuard no_grad;
  const auto& c = model_.config();
  const auto batch = tokens.size(0), length = tokens.size(1);
  auto [cos, sin] = model_.rotations(torch::arange(length, lengths.options()));
  cos = cos.repeat({batch, 1}).unsqueeze(1), sin = sin.repeat({batch, 1}).unsqueeze(1);  // [P·T, 1, E]
  cache = {};
  const auto groups = c.query_heads / c.kv_heads;
  auto x = embedding_.index_select(0, tokens.reshape({-1}));  // [P·T, D]
  for (const auto& layer : layers_) {
    torch::Tensor q, k, v;
    project(layer, x, cos, sin, q, k, v);
    const auto apart = [&](const torch::Tensor& y) {  // [P·T, n, E] -> [P, n, T, E]
      return y.reshape({batch, length, -1, c.head_dim}).transpose(1, 2).contiguous();
    };
    cache.keys.push_back(apart(k));
    cache.values.push_back(apart(v));
    const auto expand = [&](const torch::Tensor& y) { return groups == 1 ? y : y.repeat_interleave(groups, 1); };
    const auto attended = torch::scaled_dot_product_attention(apart(q), expand(cache.keys.back()),
                                                              expand(cache.values.back()), {}, 0.0, /*is_causal=*/true);
    x = x + torch::linear(attended.transpose(1, 2).reshape({batch * length, -1}), layer.o);
    x = x + feed_forward(layer, x);
  }
  return to_logits(x.index_select(0, torch::arange(batch, lengths.options()) * length + lengths - 1));
}

torch::Tensor Decoder::decode_on_cpu(const torch::Tensor& tokens, const torch::Tensor& positions, KvCache& cache,
                                     const SharedPrefixes& prefixes) const {
  const auto& c = model_.config();
  const auto slots = tokens.size(0);
  const AttentionSizes sizes{slots, c.query_heads, c.kv_heads, c.head_dim, cache.capacity()};
  const auto [cos, sin] = model_.rotations(positions);  // [S, E]
  const auto where = positions.contiguous();
  auto x = embedding_.index_select(0, tokens);  // [S, D]
  const auto h = torch::empty_like(x);
  const auto attended = x.new_empty({slots, c.query_heads * c.head_dim}), active = x.new_empty({slots, c.ffn});
  const auto normalise = [&](const torch::Tensor& weight) {
    rms_norm_rows(x.data_ptr<float>(), weight.data_ptr<float>(), c.rms_norm_eps, slots, c.hidden, h.data_ptr<float>());
  };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    normalise(layer.input_norm);
    const auto qkv = torch::linear(h, layer.qkv);
    decode_attention(sizes, qkv.data_ptr<float>(), layer.head_norms.data_ptr<float>(), c.rms_norm_eps,
                     cos.data_ptr<float>(), sin.data_ptr<float>(), where.data_ptr<std::int64_t>(), prefixes,
                     cache.keys[i].data_ptr<float>(), cache.values[i].data_ptr<float>(), attended.data_ptr<float>());
    x.addmm_(attended, layer.o.t());
    normalise(layer.post_norm);
    const auto gate_up = torch::linear(h, layer.gate_up);
    silu_times(gate_up.data_ptr<float>(), slots, c.ffn, active.data_ptr<float>());
    x.addmm_(active, layer.down.t());
  }
  normalise(final_norm_);
  return torch::linear(h, head_);
}

torch::Tensor Decoder::decode(const torch::Tensor& tokens, const torch::Tensor& positions, std::int64_t length,
                              KvCache& cache, const SharedPrefixes& prefixes) const {
  const torch::NoGradGuard no_grad;
  if (embedding_.device().is_cpu() && embedding_.scalar_type() == torch::kFloat32)
    return decode_on_cpu(tokens, positions, cache, prefixes);
  const auto& c = model_.config();
  const auto slots = tokens.size(0), groups = c.query_heads / c.kv_heads;
  auto [cos, sin] = model_.rotations(positions);
  cos = cos.unsqueeze(1), sin = sin.unsqueeze(1);  // [S, 1, E]
  // Row of each (slot, head, position) in a cache seen as [S·K·C, E].
  const auto row = (torch::arange(slots * c.kv_heads, positions.options()) * cache.capacity())
                       .add_(positions.repeat_interleave(c.kv_heads));
  const auto mask =
      torch::zeros({slots, 1, 1, length}, embedding_.options())
          .masked_fill_(
              (torch::arange(length, positions.options()) > positions.unsqueeze(1)).view({slots, 1, 1, length}),
              -std::numeric_limits<float>::infinity());
  const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  auto x = embedding_.index_select(0, tokens);  // [S, D]
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    torch::Tensor q, k, v;
    project(layer, x, cos, sin, q, k, v);
    cache.keys[i].view({-1, c.head_dim}).index_copy_(0, row, k.reshape({-1, c.head_dim}));
    cache.values[i].view({-1, c.head_dim}).index_copy_(0, row, v.reshape({-1, c.head_dim}));
    const auto keys = cache.keys[i].narrow(2, 0, length), values = cache.values[i].narrow(2, 0, length);
    // The query heads of one group share keys: [S, K, G, E] against [S, K, length, E].
    const auto grouped = (q * scale).reshape({slots, c.kv_heads, groups, c.head_dim});
    const auto scores = torch::matmul(grouped, keys.transpose(2, 3)).add_(mask);
    const auto attended = torch::matmul(torch::softmax(scores, -1), values);  // [S, K, G, E]
    x = x + torch::linear(attended.reshape({slots, -1}), layer.o);
    x = x + feed_forward(layer, x);
  }
  return to_logits(x);
}

}  // namespace pionbench::rlvr
