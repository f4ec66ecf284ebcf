#include "experiments/rlvr/model/qwen3.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;
using optim::Role;

/// One weight of the architecture: name, shape, role, heads.
struct WeightSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  Role role;
  std::int64_t heads = 1;
};

std::string layer_prefix(std::int64_t layer) {
  return "model.layers." + std::to_string(layer) + ".";
}

std::vector<WeightSpec> weight_specs(const Qwen3Config& c) {
  std::vector<WeightSpec> out = {{"model.embed_tokens.weight", {c.vocabulary, c.hidden}, Role::kEmbedding}};
  const auto q = c.query_heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto p = layer_prefix(i);
    out.push_back({p + "input_layernorm.weight", {c.hidden}, Role::kVector});
    out.push_back({p + "self_attn.q_proj.weight", {q, c.hidden}, Role::kHeadsOut, c.query_heads});
    out.push_back({p + "self_attn.k_proj.weight", {kv, c.hidden}, Role::kHeadsOut, c.kv_heads});
    out.push_back({p + "self_attn.v_proj.weight", {kv, c.hidden}, Role::kHeadsOut, c.kv_heads});
    out.push_back({p + "self_attn.o_proj.weight", {c.hidden, q}, Role::kHeadsIn, c.query_heads});
    out.push_back({p + "self_attn.q_norm.weight", {c.head_dim}, Role::kVector});
    out.push_back({p + "self_attn.k_norm.weight", {c.head_dim}, Role::kVector});
    out.push_back({p + "post_attention_layernorm.weight", {c.hidden}, Role::kVector});
    out.push_back({p + "mlp.gate_proj.weight", {c.ffn, c.hidden}, Role::kMatrix});
    out.push_back({p + "mlp.up_proj.weight", {c.ffn, c.hidden}, Role::kMatrix});
    out.push_back({p + "mlp.down_proj.weight", {c.hidden, c.ffn}, Role::kMatrix});
  }
  out.push_back({"model.norm.weight", {c.hidden}, Role::kVector});
  if (!c.tied) out.push_back({"lm_head.weight", {c.vocabulary, c.hidden}, Role::kOutput});
  return out;
}

/// (x1, x2) -> (x1·cos − x2·sin, x2·cos + x1·sin) over the two halves of the last axis.
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin) {
  const auto half = x.size(-1) / 2;
  const auto x1 = x.narrow(-1, 0, half), x2 = x.narrow(-1, half, half);
  return x * cos + torch::cat({-x2, x1}, -1) * sin;
}

}  // namespace

Qwen3Config Qwen3Config::load(const std::filesystem::path& file) {
  const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw UserError(file.string() + ": not a JSON object");
  const auto fail = [&](const std::string& why) { return UserError(file.string() + ": " + why); };
  if (json.value("model_type", Json()) != "qwen3")
    throw fail("model_type must be \"qwen3\", got " + json.value("model_type", Json()).dump());
  const auto size = [&](const char* name) {
    const auto it = json.find(name);
    if (it == json.end() || !it->is_number_integer() || it->get<std::int64_t>() < 1 ||
        it->get<std::int64_t>() > (1 << 24))
      throw fail(std::string(name) + " must be a positive integer, got " + (it == json.end() ? "nothing" : it->dump()));
    return it->get<std::int64_t>();
  };
  Qwen3Config c;
  c.vocabulary = size("vocab_size");
  c.hidden = size("hidden_size");
  c.layers = size("num_hidden_layers");
  c.query_heads = size("num_attention_heads");
  c.kv_heads = size("num_key_value_heads");
  c.head_dim = size("head_dim");
  c.ffn = size("intermediate_size");
  if (c.query_heads % c.kv_heads) throw fail("num_key_value_heads must divide num_attention_heads");
  if (c.head_dim % 2) throw fail("head_dim must be even");
  const auto number = [&](const Json& at, const char* name, double otherwise) {
    const auto it = at.find(name);
    if (it == at.end() || it->is_null()) return otherwise;
    if (!it->is_number()) throw fail(std::string(name) + " must be a number");
    return it->get<double>();
  };
  c.rms_norm_eps = number(json, "rms_norm_eps", c.rms_norm_eps);
  c.rope_theta = number(json, "rope_theta", c.rope_theta);
  // Newer transformers write rope_parameters: {rope_theta, rope_type}.
  if (const auto rope = json.find("rope_parameters"); rope != json.end() && rope->is_object())
    c.rope_theta = number(*rope, "rope_theta", c.rope_theta);
  const auto tied = json.find("tie_word_embeddings");
  c.tied = tied != json.end() && tied->is_boolean() && tied->get<bool>();
  return c;
}

void Qwen3Config::save(const std::filesystem::path& file) const {
  const Json json = {{"architectures", {"Qwen3ForCausalLM"}},
                     {"model_type", "qwen3"},
                     {"vocab_size", vocabulary},
                     {"hidden_size", hidden},
                     {"num_hidden_layers", layers},
                     {"num_attention_heads", query_heads},
                     {"num_key_value_heads", kv_heads},
                     {"head_dim", head_dim},
                     {"intermediate_size", ffn},
                     {"rope_theta", rope_theta},
                     {"rms_norm_eps", rms_norm_eps},
                     {"tie_word_embeddings", tied},
                     {"attention_bias", false},
                     {"hidden_act", "silu"},
                     {"max_position_embeddings", 40960}};
  write_file_atomic(file, json.dump(1) + "\n");
}

KvCache KvCache::repeat(std::int64_t n) const {
  KvCache out = *this;
  for (auto* tensors : {&out.keys, &out.values})
    for (auto& x : *tensors) x = x.repeat_interleave(n, 0);
  out.prompt_valid = prompt_valid.repeat_interleave(n, 0);
  return out;
}

Qwen3::Qwen3(const Qwen3Config& config, std::uint64_t seed, double residual_scale, torch::Device device,
             torch::Dtype dtype)
    : config_(config) {
  auto generator = at::detail::createCPUGenerator(seed);
  std::map<std::string, torch::Tensor> weights;
  for (const auto& spec : weight_specs(config)) {
    auto w = torch::empty(spec.shape, torch::kFloat32);
    if (spec.role == Role::kVector) {
      w.fill_(1);
    } else if (spec.role == Role::kEmbedding) {
      w.normal_(0, 0.02, generator);
    } else {
      w.normal_(0, 1 / std::sqrt(static_cast<double>(spec.shape[1])), generator);
      if (spec.role == Role::kHeadsIn || spec.name.ends_with("down_proj.weight")) w.mul_(residual_scale);
    }
    weights[spec.name] = w;
  }
  build(weights, device, dtype);
}

Qwen3::Qwen3(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype)
    : config_(Qwen3Config::load(folder / "config.json")) {
  const auto file = folder / "model.safetensors";
  auto weights = read_safetensors(file);
  // Tied checkpoints may carry a copy of the embedding under this name.
  if (config_.tied) weights.erase("lm_head.weight");
  const auto specs = weight_specs(config_);
  for (const auto& spec : specs) {
    const auto it = weights.find(spec.name);
    if (it == weights.end()) throw UserError(file.string() + ": tensor \"" + spec.name + "\" is missing");
    if (it->second.sizes() != at::IntArrayRef(spec.shape))
      throw UserError(file.string() + ": tensor \"" + spec.name + "\" has shape " + c10::str(it->second.sizes()) +
                      ", config.json says " + c10::str(at::IntArrayRef(spec.shape)));
  }
  if (weights.size() != specs.size())
    throw UserError(file.string() + ": holds " + std::to_string(weights.size()) + " tensors, config.json calls for " +
                    std::to_string(specs.size()));
  build(weights, device, dtype);
}

void Qwen3::build(const std::map<std::string, torch::Tensor>& weights, torch::Device device, torch::Dtype dtype) {
  std::map<std::string, torch::Tensor> placed;
  for (const auto& spec : weight_specs(config_)) {
    auto w = weights.at(spec.name).to(device, dtype, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(true);
    placed[spec.name] = w;
    parameters_.push_back({spec.name, w, spec.role, optim::Modality::kLanguage, spec.heads});
  }
  embedding_ = placed.at("model.embed_tokens.weight");
  final_norm_ = placed.at("model.norm.weight");
  head_ = config_.tied ? embedding_ : placed.at("lm_head.weight");
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    const auto at = [&](const char* name) { return placed.at(layer_prefix(i) + name); };
    layers_.push_back({at("input_layernorm.weight"), at("self_attn.q_proj.weight"), at("self_attn.k_proj.weight"),
                       at("self_attn.v_proj.weight"), at("self_attn.o_proj.weight"), at("self_attn.q_norm.weight"),
                       at("self_attn.k_norm.weight"), at("post_attention_layernorm.weight"), at("mlp.gate_proj.weight"),
                       at("mlp.up_proj.weight"), at("mlp.down_proj.weight")});
  }
  const auto even = torch::arange(0, config_.head_dim, 2, torch::kFloat64);
  inverse_frequencies_ =
      torch::pow(config_.rope_theta, -even / static_cast<double>(config_.head_dim)).to(device, torch::kFloat32);
}

torch::Tensor Qwen3::norm(const torch::Tensor& x, const torch::Tensor& weight) const {
  if (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64)
    return torch::rms_norm(x, {x.size(-1)}, weight, config_.rms_norm_eps);
  return torch::rms_norm(x.to(torch::kFloat32), {x.size(-1)}, {}, config_.rms_norm_eps).to(x.scalar_type()) * weight;
}

torch::Tensor Qwen3::feed_forward(const Layer& layer, const torch::Tensor& x) const {
  const auto h = norm(x, layer.post_norm);
  return torch::linear(torch::silu(torch::linear(h, layer.gate)) * torch::linear(h, layer.up), layer.down);
}

void Qwen3::project(const Layer& layer, const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
                    torch::Tensor& q, torch::Tensor& k, torch::Tensor& v) const {
  const auto batch = x.size(0), length = x.size(1);
  const auto h = norm(x, layer.input_norm);
  const auto split = [&](const torch::Tensor& w, std::int64_t heads) {
    return torch::linear(h, w).view({batch, length, heads, config_.head_dim});
  };
  q = rotate(norm(split(layer.q, config_.query_heads), layer.q_norm), cos, sin);
  k = rotate(norm(split(layer.k, config_.kv_heads), layer.k_norm), cos, sin);
  v = split(layer.v, config_.kv_heads);
}

torch::Tensor Qwen3::run(const torch::Tensor& tokens, KvCache* keep) const {
  const auto batch = tokens.size(0), length = tokens.size(1);
  const auto angles = torch::outer(torch::arange(length, inverse_frequencies_.options()), inverse_frequencies_);
  const auto both = torch::cat({angles, angles}, -1).unsqueeze(1);  // [T, 1, E]
  const auto dtype = embedding_.scalar_type();
  const auto cos = both.cos().to(dtype), sin = both.sin().to(dtype);
  const auto groups = config_.query_heads / config_.kv_heads;
  auto x = torch::embedding(embedding_, tokens);  // [B, T, D]
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    torch::Tensor q, k, v;
    project(layer, x, cos, sin, q, k, v);
    if (keep) {
      keep->keys[i].narrow(2, 0, length).copy_(k.transpose(1, 2));
      keep->values[i].narrow(2, 0, length).copy_(v.transpose(1, 2));
    }
    const auto expand = [&](const torch::Tensor& y) {  // [B, T, K, E] -> [B, H, T, E]
      return groups == 1 ? y.transpose(1, 2) : y.repeat_interleave(groups, 2).transpose(1, 2);
    };
    const auto attended =
        torch::scaled_dot_product_attention(q.transpose(1, 2), expand(k), expand(v), {}, 0.0, /*is_causal=*/true);
    x = x + torch::linear(attended.transpose(1, 2).reshape({batch, length, -1}), layer.o);
    x = x + feed_forward(layer, x);
  }
  return norm(x, final_norm_);
}

torch::Tensor Qwen3::forward(const torch::Tensor& tokens) const {
  return run(tokens, nullptr);
}

torch::Tensor Qwen3::logits(const torch::Tensor& hidden) const {
  return torch::linear(hidden, head_);
}

torch::Tensor Qwen3::prefill(const torch::Tensor& tokens, const torch::Tensor& lengths, std::int64_t extra,
                             KvCache& cache) const {
  const torch::NoGradGuard no_grad;
  const auto batch = tokens.size(0), length = tokens.size(1);
  cache = {};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::vector<std::int64_t> shape = {batch, config_.kv_heads, length + extra, config_.head_dim};
    cache.keys.push_back(torch::empty(shape, embedding_.options().requires_grad(false)));
    cache.values.push_back(torch::empty(shape, embedding_.options().requires_grad(false)));
  }
  cache.prompt_slots = cache.used = length;
  cache.prompt_valid = torch::arange(length, lengths.options()).unsqueeze(0) < lengths.unsqueeze(1);
  const auto hidden = run(tokens, &cache);  // [B, T, D]
  const auto last = (lengths - 1).view({batch, 1, 1}).expand({batch, 1, hidden.size(2)});
  return logits(hidden.gather(1, last).squeeze(1));
}

torch::Tensor Qwen3::decode(const torch::Tensor& tokens, const torch::Tensor& positions, KvCache& cache) const {
  const torch::NoGradGuard no_grad;
  const auto batch = tokens.size(0);
  const auto groups = config_.query_heads / config_.kv_heads;
  const auto slot = cache.used++;
  if (slot >= cache.keys.front().size(2)) throw std::logic_error("KvCache: more tokens decoded than room was made for");
  const auto angles = positions.to(torch::kFloat32).unsqueeze(1) * inverse_frequencies_;     // [B, E/2]
  const auto both = torch::cat({angles, angles}, -1).view({batch, 1, 1, config_.head_dim});  // [B, 1, 1, E]
  const auto dtype = embedding_.scalar_type();
  const auto cos = both.cos().to(dtype), sin = both.sin().to(dtype);
  // Prompts are padded on the right: their empty slots are masked, every decoded slot counts.
  const auto mask = torch::zeros({batch, 1, 1, cache.used}, embedding_.options().requires_grad(false));
  mask.narrow(3, 0, cache.prompt_slots)
      .masked_fill_(cache.prompt_valid.logical_not().view({batch, 1, 1, -1}), -std::numeric_limits<float>::infinity());
  const double scale = 1 / std::sqrt(static_cast<double>(config_.head_dim));
  auto x = torch::embedding(embedding_, tokens).unsqueeze(1);  // [B, 1, D]
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    torch::Tensor q, k, v;
    project(layer, x, cos, sin, q, k, v);
    cache.keys[i].select(2, slot).copy_(k.squeeze(1));
    cache.values[i].select(2, slot).copy_(v.squeeze(1));
    const auto keys = cache.keys[i].narrow(2, 0, cache.used), values = cache.values[i].narrow(2, 0, cache.used);
    // The query heads of one group share keys: [B, K, G, E] against [B, K, slots, E].
    const auto grouped = q.view({batch, config_.kv_heads, groups, config_.head_dim});
    const auto scores = torch::matmul(grouped, keys.transpose(2, 3)) * scale + mask;
    const auto attended = torch::matmul(torch::softmax(scores, -1), values);  // [B, K, G, E]
    x = x + torch::linear(attended.reshape({batch, 1, -1}), layer.o);
    x = x + feed_forward(layer, x);
  }
  return logits(norm(x, final_norm_).squeeze(1));
}

void Qwen3::save(const std::filesystem::path& folder) const {
  config_.save(folder / "config.json");
  NamedTensors tensors;
  for (const auto& p : parameters_) tensors[p.name] = p.tensor;
  write_safetensors(folder / "model.safetensors", tensors);
}

}  // namespace pionbench::rlvr
