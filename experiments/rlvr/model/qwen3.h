#pragma once
/// A Qwen3 decoder.
///   x += o(attention(RMSNorm(x)));  x += down(silu(gate(h)) · up(h)), h = RMSNorm(x);  logits = head(RMSNorm(x))
/// q and k are split into heads, RMS-normalised over the head, then rotated (RoPE, rotate-half); grouped queries share
/// key/value heads. No biases. RMSNorm and the RoPE angles are computed in float32.
/// Names and config.json are Hugging Face's (transformers, models/qwen3), so checkpoints exchange unchanged.
///
/// Sizes: B sequences, T tokens, D hidden, V vocabulary, H query heads, K key/value heads, E head size.

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "experiments/rlvr/model/packed_tokens.h"
#include "experiments/rlvr/model/safetensors.h"
#include "optim/parameter.h"

namespace pionbench::rlvr {

struct Qwen3Config {
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t query_heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;  ///< not hidden / query_heads in general
  std::int64_t ffn = 0;
  double rope_theta = 1e6;
  double rms_norm_eps = 1e-6;
  bool tied = true;  ///< the output layer is the embedding

  /// UserError naming file and field: malformed values, other architectures, and variants of this one that are not
  /// implemented (biases, sliding windows, scaled RoPE, other activations). Accepts rope_theta and
  /// rope_parameters.rope_theta.
  static Qwen3Config load(const std::filesystem::path& file);
  void save(const std::filesystem::path& file) const;
};

/// Weights are float32 where `dtype` is a shorter type: they are then cast to it wherever they are used (bfloat16
/// compute with float32 master weights), and gradients arrive in float32. RMSNorm and RoPE angles are float32 always.
class Qwen3 {
 public:
  /// Weights drawn from N(0, 1/√fan_in), attention output and down projections times `residual_scale`, embedding
  /// N(0, 0.02), norms 1. Deterministic in `seed`, the same on every device.
  Qwen3(const Qwen3Config& config, std::uint64_t seed, double residual_scale, torch::Device device, torch::Dtype dtype);
  /// From a folder with config.json and model.safetensors or its shards. UserError on missing, surplus or misshapen
  /// tensors. `trainable` false: weights are kept in `dtype` and ask for no gradient (a reference, or evaluation).
  Qwen3(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype, bool trainable = true);

  /// Hidden states after the last norm for right-padded tokens [B, T] -> [B, T, D], in the compute type. Causal, so
  /// padding on the right changes nothing before it.
  torch::Tensor forward(const torch::Tensor& tokens) const;
  /// The same for each of the packed tokens: [n, D].
  torch::Tensor forward(const PackedTokens& packed) const;
  /// Hidden states [..., D] -> logits [..., V] in the compute type.
  torch::Tensor logits(const torch::Tensor& hidden) const;

  /// Keep only each block's input for the backward pass and run the block again there: activations of one block
  /// instead of all, for about a third more work. Values and gradients are the same. The model must outlive the
  /// backward pass.
  void set_gradient_checkpointing(bool on) { checkpointing_ = on; }

  /// With roles; in Hugging Face's order.
  const std::vector<optim::Parameter>& parameters() const { return parameters_; }
  /// Master weights as they are, in a form that transformers loads.
  void save(const std::filesystem::path& folder) const;

  const Qwen3Config& config() const { return config_; }
  torch::Dtype compute_dtype() const { return compute_; }
  torch::Device device() const { return embedding_.device(); }

  struct Layer {
    torch::Tensor input_norm, q, k, v, o, q_norm, k_norm, post_norm, gate, up, down;
  };
  const std::vector<Layer>& layers() const { return layers_; }
  const torch::Tensor& embedding() const { return embedding_; }
  const torch::Tensor& final_norm() const { return final_norm_; }
  const torch::Tensor& head() const { return head_; }  ///< the embedding itself when tied

  /// What a block knows of where its tokens stand: for x [B, T, D] rotations of [T, 1, E], for packed x [n, D] those
  /// of [n, 1, E] and PackedTokens' fields.
  struct Standing {
    torch::Tensor cos, sin, sequences, places;
  };
  /// One block; for the recomputation above.
  torch::Tensor block(const Layer& layer, const torch::Tensor& x, const Standing& standing) const;
  /// cos and sin of the rotations at `positions` [n] -> [n, E] each, in the compute type.
  std::pair<torch::Tensor, torch::Tensor> rotations(const torch::Tensor& positions) const;

 private:
  torch::Tensor run(const torch::Tensor& tokens, const Standing& standing) const;
  void build(const std::map<std::string, torch::Tensor>& weights, torch::Device device, torch::Dtype dtype,
             bool trainable);

  Qwen3Config config_;
  torch::Dtype compute_ = torch::kFloat32;
  bool checkpointing_ = false;
  torch::Tensor embedding_, final_norm_, head_;
  std::vector<Layer> layers_;
  std::vector<optim::Parameter> parameters_;
  torch::Tensor inverse_frequencies_;  ///< [E/2] float32
};

}  // namespace pionbench::rlvr
