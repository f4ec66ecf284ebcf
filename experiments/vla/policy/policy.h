#pragma once
/// A vision-language-action policy of three modules, with modality and role on every parameter:
///
///   vision    ViT on each of two views: patches of p × p pixels, learned positions, pre-norm blocks. The patches' side
///             may be reached by a convolutional stem (Xiao et al. 2021, "Early convolutions help transformers see
///             better"): linear patches of s × s, then 3 × 3 convolutions of stride 2 until s·2^n = p, ReLU before each
///   other     connectors: vision → language width, proprioception → one token; action queries
///   language  pre-norm blocks over [patches of both views ; words ; proprioception ; action queries]. Attention is
///             full within the prefix; queries see everything (PaliGemma's prefix mask)
///   action    a chunk of T actions from the hidden states of every language layer, one head block per layer:
///     l1      VLA-Adapter's bridge: queries x attend to x itself, to the action queries with the proprioception token,
///             and to the patches, each with keys and values of its own, one softmax over all; scores of the patches
///             are multiplied by tanh(g), g = 0 at first. x ← ReLU(W·LN(x + attention)). Output: the chunk
///     flow    VLANeXt's transformer: noisy chunk and time in, velocity out; every block attends to x itself and to all
///             of its layer's states; adaLN-zero from the time embedding
/// Differences from both papers, beside size: head positions of the chunk are a learned table (l1 upstream starts from
/// noise), features are normalised without parameters before a head reads them, one proprioception token (no history).
/// Vision, connectors and language are the backbone: pre-trained once and shared by all arms.

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "experiments/vla/policy/words.h"
#include "optim/parameter.h"

namespace pionbench::vla {

enum class HeadKind { kL1, kFlow };

struct PolicyConfig {
  std::int64_t image = 40;  ///< side of what the policy sees, pixels; patch divides it
  std::int64_t patch = 8;
  std::int64_t stem_patch = 2;  ///< side of the linear patches; patch is this times a power of two, 1 for a plain ViT
  std::int64_t vision_width = 64, vision_layers = 2, vision_heads = 4;
  std::int64_t width = 64, layers = 2, heads = 4;  ///< language; the head has as many blocks as language has layers
  std::int64_t mlp_ratio = 2;
  std::int64_t queries = 8;  ///< action queries
  std::int64_t words = 32;   ///< longest instruction
  HeadKind head = HeadKind::kL1;
  std::int64_t action_width = 64, action_heads = 4;
  std::int64_t chunk = 8;
  std::vector<std::string> vocabulary;

  std::int64_t patches() const { return 2 * (image / patch) * (image / patch); }  ///< of both views
  std::int64_t stem_stages() const;  ///< convolutions between stem_patch and patch
  /// UserError naming the settings when sizes do not divide.
  void check() const;
};

/// What a policy sees of B moments.
struct Observation {
  torch::Tensor images;   ///< [B, 2, image, image, 3], (x − 128)/64 of bytes; see to_floats
  torch::Tensor words;    ///< [B, W] int64, padded with Vocabulary::kPad
  torch::Tensor proprio;  ///< [B, 8], normalised
};

/// Hidden states behind each language layer, LayerNorm without parameters applied.
struct Features {
  torch::Tensor vision;               ///< [B, patches, vision_width]: what the vision module says, before the connector
  std::vector<torch::Tensor> states;  ///< [B, patches + W + 1 + queries, width], in the sequence's order
  torch::Tensor padding;              ///< [B, 1, the same length] bool: true where there is something to see
  std::int64_t patches = 0, queries = 0;
  torch::Tensor looks;  ///< if asked for: log attention of the action queries in the last language layer,
                        ///< [B, heads, queries, the sequence's length]
};

class Policy {
 public:
  /// Fresh weights, drawn from `seed`.
  Policy(const PolicyConfig& config, std::uint64_t seed, torch::Device device, torch::Dtype dtype);

  const PolicyConfig& config() const { return config_; }
  const std::vector<optim::Parameter>& parameters() const { return parameters_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  torch::Device device() const { return device_; }

  Features encode(const Observation& observation, bool with_looks = false) const;
  /// l1: the chunk [B, T, 7], in [−1, 1] once trained.
  torch::Tensor chunk(const Features& features) const;
  /// flow: velocity [B·K, T, 7] at noise level sigma [B·K], of K draws for each of the features' B moments, a moment's
  /// draws side by side.
  torch::Tensor velocity(const Features& features, const torch::Tensor& noisy, const torch::Tensor& sigma) const;
  /// The chunk to execute. flow: `steps` Euler steps from `noise` [B, T, 7].
  torch::Tensor act(const Features& features, const torch::Tensor& noise, std::int64_t steps) const;

  /// Every instruction as [N, W] tokens, W the longest of them.
  torch::Tensor encode_words(const std::vector<std::string>& instructions) const;

  /// policy.json and model.safetensors. `backbone_only` leaves the action head out.
  void save(const std::filesystem::path& folder, bool backbone_only = false) const;
  /// UserError naming file and tensor on anything that does not fit.
  static Policy load(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype);
  /// Takes vision, connectors and language from what save() wrote; the head stays. UserError where sizes differ.
  void load_backbone(const std::filesystem::path& folder);

 private:
  struct Spec;
  std::vector<Spec> specs() const;
  const torch::Tensor& weight(const std::string& name) const { return weights_.at(name); }
  torch::Tensor linear(const std::string& name, const torch::Tensor& x) const;
  /// Matrices below one another.
  torch::Tensor together(std::initializer_list<std::string> names) const;
  /// `allowed`: bool [B, N, N], or undefined. `looks`, if given, receives the log attention of the last `look_rows`
  /// rows.
  torch::Tensor block(const std::string& prefix, const torch::Tensor& x, std::int64_t heads,
                      const torch::Tensor& allowed, torch::Tensor* looks = nullptr, std::int64_t look_rows = 0) const;
  /// Keys and values of the states, layer by layer: the same at every noise level.
  std::vector<torch::Tensor> flow_contexts(const Features& features) const;
  torch::Tensor velocity(const Features& features, const std::vector<torch::Tensor>& contexts,
                         const torch::Tensor& noisy, const torch::Tensor& sigma) const;
  torch::Tensor time_embedding(const torch::Tensor& sigma) const;
  void copy_from(const std::filesystem::path& folder, bool backbone_only);

  PolicyConfig config_;
  Vocabulary vocabulary_;
  torch::Device device_;
  torch::Dtype compute_;
  std::vector<optim::Parameter> parameters_;
  std::map<std::string, torch::Tensor> weights_;
};

/// Bytes [..., S, S, 3] cut to `side` × `side` about the middle, as (x − 128)/64. S ≥ side.
torch::Tensor to_floats(const torch::Tensor& bytes, std::int64_t side, torch::Dtype dtype);

}  // namespace pionbench::vla
