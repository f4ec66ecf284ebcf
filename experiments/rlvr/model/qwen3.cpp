#include "experiments/rlvr/model/qwen3.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "experiments/rlvr/data/json_text.h"
#include "experiments/rlvr/model/fused.h"

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

/// Runs a block without keeping what happens inside, and again in the backward pass.
class CheckpointedBlock : public torch::autograd::Function<CheckpointedBlock> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const Qwen3* model, const torch::Tensor& x,
                               at::TensorList standing, at::TensorList weights) {
    context->saved_data["model"] = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(model));
    torch::autograd::variable_list saved = {x};
    saved.insert(saved.end(), standing.begin(), standing.end());
    saved.insert(saved.end(), weights.begin(), weights.end());
    context->save_for_backward(saved);
    return model->block(layer_of(weights), x, standing_of(standing));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* model =
        reinterpret_cast<const Qwen3*>(static_cast<std::intptr_t>(context->saved_data["model"].toInt()));
    auto inputs = context->get_saved_variables();
    torch::autograd::variable_list wanted;
    for (auto& input : inputs) {
      const bool wants = input.requires_grad();
      input = input.detach().set_requires_grad(wants);
      if (wants) wanted.push_back(input);
    }
    torch::autograd::variable_list found;
    {
      const torch::AutoGradMode with_gradient(true);
      const at::TensorList all(inputs);
      const auto standing = all.size() - 1 - kWeights;
      const auto y = model->block(layer_of(all.slice(1 + standing)), all[0], standing_of(all.slice(1, standing)));
      found = torch::autograd::grad({y}, wanted, {gradients[0]});
    }
    torch::autograd::variable_list out(inputs.size() + 1);  // one for the model, which has none
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].requires_grad()) out[i + 1] = found[next++];
    return out;
  }

  static std::vector<torch::Tensor> list(const Qwen3::Layer& l) {
    return {l.input_norm, l.q, l.k, l.v, l.o, l.q_norm, l.k_norm, l.post_norm, l.gate, l.up, l.down};
  }
  static std::vector<torch::Tensor> list(const Qwen3::Standing& s) {
    if (!s.sequences.defined()) return {s.cos, s.sin};  // autograd takes no undefined ones
    return {s.cos, s.sin, s.sequences, s.places};
  }

 private:
  static constexpr std::size_t kWeights = 11;
  static Qwen3::Layer layer_of(at::TensorList w) {
    return {w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10]};
  }
  static Qwen3::Standing standing_of(at::TensorList s) {
    return s.size() == 2 ? Qwen3::Standing{s[0], s[1], {}, {}} : Qwen3::Standing{s[0], s[1], s[2], s[3]};
  }
};

}  // namespace

Qwen3Config Qwen3Config::load(const std::filesystem::path& file) {
  const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw UserError(file.string() + ": not a JSON object");
  const auto fail = [&](const std::string& why) { return UserError(file.string() + ": " + why); };
  if (json.value("model_type", Json()) != "qwen3")
    throw fail("model_type must be \"qwen3\", got " + shown(json.value("model_type", Json())));
  const auto size = [&](const char* name) {
    const auto it = json.find(name);
    if (it == json.end() || !it->is_number_integer() || it->get<std::int64_t>() < 1 ||
        it->get<std::int64_t>() > (1 << 24))
      throw fail(std::string(name) + " must be a positive integer, got " + (it == json.end() ? "nothing" : shown(*it)));
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
  if (!(c.rope_theta > 0) || !(c.rms_norm_eps > 0)) throw fail("rope_theta and rms_norm_eps must be positive");
  const auto refuse = [&](const Json& at, const char* name, const Json& allowed) {
    const auto it = at.find(name);
    if (it != at.end() && !it->is_null() && *it != allowed)
      throw fail(std::string(name) + " is " + shown(*it) + "; only " + allowed.dump() + " is implemented");
  };
  refuse(json, "attention_bias", false);
  refuse(json, "use_sliding_window", false);
  refuse(json, "hidden_act", "silu");
  refuse(json, "rope_scaling", nullptr);
  if (const auto rope = json.find("rope_parameters"); rope != json.end() && rope->is_object()) {
    refuse(*rope, "rope_type", "default");
    refuse(*rope, "factor", 1.0);
  }
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
                     {"rope_parameters", {{"rope_theta", rope_theta}, {"rope_type", "default"}}},
                     {"rms_norm_eps", rms_norm_eps},
                     {"tie_word_embeddings", tied},
                     {"attention_bias", false},
                     {"hidden_act", "silu"},
                     {"max_position_embeddings", 40960}};
  write_file_atomic(file, json.dump(1) + "\n");
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
  build(weights, device, dtype, /*trainable=*/true);
}

Qwen3::Qwen3(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype, bool trainable)
    : config_(Qwen3Config::load(folder / "config.json")) {
  const auto file = folder;
  auto weights = read_checkpoint(folder);
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
  std::set<std::string> wanted;
  for (const auto& spec : specs) wanted.insert(spec.name);
  for (const auto& [name, tensor] : weights)
    if (!wanted.count(name))
      throw UserError(file.string() + ": holds tensor \"" + name + "\", which the architecture of config.json lacks");
  build(weights, device, dtype, trainable);
}

void Qwen3::build(const std::map<std::string, torch::Tensor>& weights, torch::Device device, torch::Dtype dtype,
                  bool trainable) {
  compute_ = dtype;
  const auto kept = trainable && dtype != torch::kFloat64 ? torch::kFloat32 : dtype;
  std::map<std::string, torch::Tensor> placed;
  for (const auto& spec : weight_specs(config_)) {
    auto w = weights.at(spec.name).to(device, kept, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(trainable);
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

std::pair<torch::Tensor, torch::Tensor> Qwen3::rotations(const torch::Tensor& positions) const {
  const auto angles = torch::outer(positions.to(torch::kFloat32), inverse_frequencies_);
  const auto both = torch::cat({angles, angles}, -1);
  return {both.cos().to(compute_), both.sin().to(compute_)};
}

torch::Tensor Qwen3::block(const Layer& layer, const torch::Tensor& x, const Standing& standing) const {
  const auto eps = config_.rms_norm_eps;
  const auto apply = [&](const torch::Tensor& y, const torch::Tensor& w) { return torch::linear(y, w.to(compute_)); };
  const auto joined = [](const auto&... parts) { return torch::cat({parts...}); };
  const auto qkv = apply(rms_norm(x, layer.input_norm, eps), joined(layer.q, layer.k, layer.v));
  auto heads = normalise_and_rotate(qkv.unflatten(-1, {-1, config_.head_dim}), layer.q_norm, layer.k_norm, standing.cos,
                                    standing.sin, config_.query_heads, eps);  // [..., H + 2K, E]
  const bool packed = standing.sequences.defined();
  // Only attention needs the sequences. A look-up table's gradient adds rows, as index_select's does, but faster.
  if (packed) heads = torch::embedding(heads.flatten(-2), standing.sequences).unflatten(-1, {-1, config_.head_dim});
  const auto parts = heads.split_with_sizes({config_.query_heads, config_.kv_heads, config_.kv_heads}, -2);
  const auto groups = config_.query_heads / config_.kv_heads;
  const auto expand = [&](const torch::Tensor& y) {  // [B, T, K, E] -> [B, H, T, E]
    return groups == 1 ? y.transpose(1, 2) : y.repeat_interleave(groups, 2).transpose(1, 2);
  };
  auto attended = torch::scaled_dot_product_attention(parts[0].transpose(1, 2), expand(parts[1]), expand(parts[2]), {},
                                                      0.0, /*is_causal=*/true)
                      .transpose(1, 2)
                      .flatten(2);  // [B, T, H·E]
  if (packed) attended = torch::embedding(attended.flatten(0, 1), standing.places);
  const auto y = x + apply(attended, layer.o);
  const auto g = rms_norm(y, layer.post_norm, eps);
  return y + apply(silu_times(apply(g, joined(layer.gate, layer.up))), layer.down);
}

torch::Tensor Qwen3::run(const torch::Tensor& tokens, const Standing& standing) const {
  auto x = torch::embedding(embedding_, tokens).to(compute_);
  const bool checkpoint = checkpointing_ && torch::GradMode::is_enabled();
  for (const auto& layer : layers_)
    x = checkpoint ? CheckpointedBlock::apply(this, x, at::TensorList(CheckpointedBlock::list(standing)),
                                              at::TensorList(CheckpointedBlock::list(layer)))
                   : block(layer, x, standing);
  return rms_norm(x, final_norm_, config_.rms_norm_eps);
}

torch::Tensor Qwen3::forward(const torch::Tensor& tokens) const {
  const auto [cos, sin] = rotations(torch::arange(tokens.size(1), inverse_frequencies_.options()));
  return run(tokens, {cos.unsqueeze(1), sin.unsqueeze(1), {}, {}});
}

torch::Tensor Qwen3::forward(const PackedTokens& packed) const {
  const auto [cos, sin] = rotations(packed.positions);
  return run(packed.tokens, {cos.unsqueeze(1), sin.unsqueeze(1), packed.sequences, packed.places});
}

torch::Tensor Qwen3::logits(const torch::Tensor& hidden) const {
  return torch::linear(hidden, head_.to(compute_));
}

void Qwen3::save(const std::filesystem::path& folder) const {
  config_.save(folder / "config.json");
  NamedTensors tensors;
  for (const auto& p : parameters_) tensors[p.name] = p.tensor;
  write_safetensors(folder / "model.safetensors", tensors);
}

}  // namespace pionbench::rlvr
