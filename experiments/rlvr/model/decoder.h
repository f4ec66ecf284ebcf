#pragma once
/// Token by token through a Qwen3 with keys and values kept: what sampling runs on. No gradients.
///
/// Sizes: S slots, C capacity of a slot in tokens, P prompts, T tokens; K, E as in qwen3.h.

#include <torch/torch.h>

#include <vector>

#include "experiments/rlvr/model/decode_kernel.h"
#include "experiments/rlvr/model/qwen3.h"

namespace pionbench::rlvr {

/// Keys and values of every layer, [S, K, C, E] each. A slot holds one sequence from position 0 on, without gaps.
struct KvCache {
  std::vector<torch::Tensor> keys, values;

  std::int64_t slots() const { return keys.front().size(0); }
  std::int64_t capacity() const { return keys.front().size(2); }
  /// Copies the first `length` positions of `source`'s rows into `target_slots` ([n] both).
  void copy_from(const KvCache& source, const torch::Tensor& rows, const torch::Tensor& target_slots,
                 std::int64_t length);
  /// These rows only, in this order.
  KvCache selected(const torch::Tensor& rows) const;
  /// The first `length` positions of one row, as a copy.
  KvCache row(std::int64_t index, std::int64_t length) const;
};

/// The model's weights as decoding wants them: cast to the compute type, those of q, k, v and of gate, up stacked. Made
/// for one generation: what needs no change is shared with the model, which must neither change nor go meanwhile.
/// Costs a copy of about two thirds of the block weights; in float32 on a CPU, one of all of them and of the head.
class Decoder {
 public:
  explicit Decoder(const Qwen3& model);

  KvCache make_cache(std::int64_t slots, std::int64_t capacity) const;
  static std::int64_t cache_bytes_per_token(const Qwen3Config& config, torch::Dtype dtype);

  /// Right-padded prompts [P, T] of lengths [P] -> logits after each prompt's last token, [P, V] float32; the cache
  /// [P, K, T, E] in `cache`. What stands behind a prompt's length in it is not to be read.
  torch::Tensor prefill(const torch::Tensor& tokens, const torch::Tensor& lengths, KvCache& cache) const;

  /// One more token per slot: tokens [S] at positions [S], all below `length`, which is how much of the cache is looked
  /// at -> logits [S, V] float32. `prefixes` saves time and changes nothing else.
  torch::Tensor decode(const torch::Tensor& tokens, const torch::Tensor& positions, std::int64_t length, KvCache& cache,
                       const SharedPrefixes& prefixes = {}) const;

 private:
  struct Layer {
    torch::Tensor input_norm, qkv, head_norms, o, post_norm, gate_up, down;
  };
  /// x [N, D] -> q [N, H, E], k and v [N, K, E]; cos, sin [N, 1, E].
  void project(const Layer& layer, const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin,
               torch::Tensor& q, torch::Tensor& k, torch::Tensor& v) const;
  torch::Tensor feed_forward(const Layer& layer, const torch::Tensor& x) const;
  /// decode() of a float32 model on the CPU: matrix products by torch, the rest by decode_kernel.h.
  torch::Tensor decode_on_cpu(const torch::Tensor& tokens, const torch::Tensor& positions, KvCache& cache,
                              const SharedPrefixes& prefixes) const;
  torch::Tensor to_logits(const torch::Tensor& x) const;

  const Qwen3& model_;
  std::vector<Layer> layers_;
  torch::Tensor embedding_, final_norm_, head_;
};

}  // namespace pionbench::rlvr
