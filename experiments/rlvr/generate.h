#pragma once
/// The rollout engine: many completions of many prompts at once.
///
/// Sequences wait in one line, prompt after prompt, sample after sample. A fixed number of cache slots work on them;
/// when slots fall empty the next in line take over (continuous refill), and when the line is empty the batch shrinks.
/// Each prompt is run once and its cache copied to all its samples. How many slots there are, memory decides.
///
/// A sample is a function of model, prompt, sampling rule, seed and its stream number. Which sequences share the batch
/// changes logits by rounding only: a draw changes when its uniform number falls within that rounding of a boundary
/// (about 1e-6 a token in float32).

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/rlvr/data/sampling.h"
#include "experiments/rlvr/model/decoder.h"

namespace pionbench::rlvr {

using TokenIds = std::vector<std::int64_t>;

struct GenerateOptions {
  std::int64_t samples = 1;         ///< completions per prompt
  std::int64_t max_new_tokens = 0;  ///< the end token included
  double temperature = 1.0;         ///< 0: greedy
  bool greedy_first = false;        ///< the first sample of each prompt is greedy; it takes no stream number
  Truncation truncation = {};
  std::uint64_t seed = 0;
  std::uint64_t first_stream = 0;       ///< stream number of the first drawn sequence; the others follow
  std::int64_t most_slots = 0;          ///< sequences at once; 0: as many as memory holds, on a CPU 256 of them
  std::int64_t memory_bytes = 1 << 30;  ///< for cache, logits and activations; the weights are not counted
};

struct Completion {
  TokenIds tokens;          ///< the end token included
  std::vector<float> logp;  ///< log softmax(logits / T) of each token before truncation (T = 1 when greedy)
  bool ended = false;       ///< came to an end token
};

/// What a call will need.
struct GeneratePlan {
  std::int64_t slots = 0;
  std::int64_t capacity = 0;        ///< tokens per slot
  std::int64_t prefill_tokens = 0;  ///< padded prompt tokens that are run together at most
  std::int64_t bytes_per_slot = 0;
};
/// UserError when the budget holds not even one slot: what came, what one slot takes.
GeneratePlan plan_generation(const Qwen3Config& config, torch::Dtype dtype, std::int64_t longest_prompt,
                             std::int64_t sequences, const GenerateOptions& options);

/// What a call did.
struct GenerateStats {
  std::int64_t slots = 0;
  std::int64_t prompt_tokens = 0;      ///< run through the model, each prompt once
  std::int64_t completion_tokens = 0;  ///< sampled
  std::int64_t decode_steps = 0;
  std::int64_t decoded_rows = 0;  ///< rows of all decode steps; completion_tokens / decoded_rows is the occupancy
};

/// prompts.size() · samples completions, the samples of one prompt next to each other. UserError on an empty prompt, a
/// token that the model does not know, and a budget that is too small.
std::vector<Completion> generate(const Qwen3& model, const std::vector<TokenIds>& prompts, const TokenIds& end_tokens,
                                 const GenerateOptions& options, GenerateStats* stats = nullptr);

}  // namespace pionbench::rlvr
