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
#include <vector>

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

  /// UserError naming file and field. Accepts rope_theta and rope_parameters.rope_theta.
  static Qwen3Config load(const std::filesystem::path& file);
  void save(const std::filesystem::path& file) const;
};

/// Keys and values of every layer for a batch, in slots. Slot s of sequence b holds a token when `valid[b][s]`.
struct KvCache {
  std::vector<torch::Tensor> keys, values;  ///< per layer [B, K, slots, E]
  torch::Tensor prompt_valid;               ///< [B, prompt slots] bool: right-padded prompts
  std::int64_t prompt_slots = 0;
  std::int64_t used = 0;  ///< slots filled, prompts included

  /// Every sequence `n` times, next to each other.
  KvCache repeat(std::int64_t n) const;
};

class Qwen3 {
 public:
  /// Weights drawn from N(0, 1/√fan_in), attention output and down projections times `residual_scale`, embedding
  /// N(0, 0.02), norms 1. Deterministic in `seed`, the same on every device.
  Qwen3(const Qwen3Config& config, std::uint64_t seed, double residual_scale, torch::Device device, torch::Dtype dtype);
  /// From a folder with config.json and model.safetensors. UserError on missing, surplus or misshapen tensors.
  Qwen3(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype);

  /// Hidden states after the last norm for right-padded tokens [B, T] -> [B, T, D]. Causal, so padding on the right
  /// changes nothing before it.
  torch::Tensor forward(const torch::Tensor& tokens) const;
  /// Hidden states [..., D] -> logits [..., V].
  torch::Tensor logits(const torch::Tensor& hidden) const;

  /// Runs right-padded prompts [B, T] (lengths [B]) and keeps keys and values, with room for `extra` more tokens.
  /// Returns the logits after each prompt's last token, [B, V].
  torch::Tensor prefill(const torch::Tensor& tokens, const torch::Tensor& lengths, std::int64_t extra,
                        KvCache& cache) const;
  /// One more token per sequence: tokens [B] at positions [B] -> logits [B, V]. No gradient.
  torch::Tensor decode(const torch::Tensor& tokens, const torch::Tensor& positions, KvCache& cache) const;

  /// With roles; in Hugging Face's order.
  const std::vector<optim::Parameter>& parameters() const { return parameters_; }
  void save(const std::filesystem::path& folder) const;

  const Qwen3Config& config() const { return config_; }

 private:
  struct Layer {
    torch::Tensor input_norm, q, k, v, o, q_norm, k_norm, post_norm, gate, up, down;
  };
  void build(const std::map<std::string, torch::Tensor>& weights, torch::Device device, torch::Dtype dtype);
  torch::Tensor norm(const torch::Tensor& x, const torch::Tensor& weight) const;
  torch::Tensor feed_forward(const Layer& layer, const torch::Tensor& x) const;
  /// q [B, T, H, E], k and v [B, T, K, E], normalised and rotated by cos, sin [(B,) T, 1, E].
  void project(const Layer& layer, const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
               torch::Tensor& q, torch::Tensor& k, torch::Tensor& v) const;
  torch::Tensor run(const torch::Tensor& tokens, KvCache* keep) const;

  Qwen3Config config_;
  torch::Tensor embedding_, final_norm_, head_;
  std::vector<Layer> layers_;
  std::vector<optim::Parameter> parameters_;
  torch::Tensor inverse_frequencies_;  ///< [E/2] float32
};

}  // namespace pionbench::rlvr
