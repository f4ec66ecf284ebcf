#include "experiments/rlvr/generate.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "core/error.h"
#include "experiments/rlvr/pick.h"

namespace pionbench::rlvr {
namespace {

// Sequences at once on a CPU: beyond this a core gains nothing.
constexpr std::int64_t kMostSlotsOnCpu = 256;
// Prompts run together in one prefill, in tokens: beyond this a larger batch is no faster.
constexpr std::int64_t kMostPrefillTokens = 8192;

torch::Tensor indices(const std::vector<std::int64_t>& values, torch::Device device) {
  return torch::tensor(values, torch::kInt64).to(device);
}

class Engine {
 public:
  Engine(const Qwen3& model, const std::vector<TokenIds>& prompts, const TokenIds& end_tokens,
         const GenerateOptions& options, const GeneratePlan& plan)
      : prompts_(prompts),
        end_tokens_(end_tokens),
        options_(options),
        prefill_tokens_(plan.prefill_tokens),
        device_(model.device()),
        decoder_(model),
        cache_(decoder_.make_cache(plan.slots, plan.capacity)),
        out_(prompts.size() * static_cast<std::size_t>(options.samples)),
        occupant_(static_cast<std::size_t>(plan.slots), kFree),
        token_(static_cast<std::size_t>(plan.slots), 0),
        position_(static_cast<std::size_t>(plan.slots), 0) {
    stats_.slots = plan.slots;
  }

  std::vector<Completion> run(GenerateStats* stats) {
    while (true) {
      const auto slots = static_cast<std::int64_t>(occupant_.size());
      const auto free = std::count(occupant_.begin(), occupant_.end(), kFree);
      // Refill in groups: a prefill costs about as much for one prompt as for several.
      if (next_ < out_.size() && (free == slots || free >= std::max<std::int64_t>(1, slots / 8)))
        admit();
      else if (next_ == out_.size() && free == slots)
        break;
      else if (next_ == out_.size() && 2 * free >= slots)
        shrink();
      else
        step();
    }
    if (stats) *stats = stats_;
    return std::move(out_);
  }

 private:
  static constexpr std::int64_t kFree = -1;

  /// A prompt that has been run: its row in a prefill's cache and logits.
  struct Prefilled {
    std::size_t prompt;
    KvCache cache;         ///< one row
    torch::Tensor logits;  ///< [1, V]
  };

  std::size_t prompt_of(std::size_t sequence) const { return sequence / static_cast<std::size_t>(options_.samples); }

  double draw_of(std::size_t sequence, std::size_t token) const {
    const auto samples = static_cast<std::size_t>(options_.samples);
    if (options_.greedy_first && sequence % samples == 0) return kGreedy;
    // The greedy ones before it draw nothing.
    const auto greedy = options_.greedy_first ? sequence / samples + 1 : 0;
    return uniform(options_.seed, options_.first_stream + sequence - greedy, token);
  }

  /// Gives the free slots to the next in line.
  void admit() {
    std::vector<std::int64_t> slots;
    for (std::size_t s = 0; s < occupant_.size(); ++s)
      if (occupant_[s] == kFree) slots.push_back(static_cast<std::int64_t>(s));
    std::size_t used = 0;
    // What is left of a prompt whose samples began earlier.
    if (left_over_ && next_ < out_.size() && prompt_of(next_) == left_over_->prompt) {
      std::vector<std::int64_t> rows, targets;
      std::vector<std::size_t> sequences;
      while (used < slots.size() && next_ < out_.size() && prompt_of(next_) == left_over_->prompt) {
        rows.push_back(0), targets.push_back(slots[used++]), sequences.push_back(next_++);
      }
      begin(left_over_->cache, left_over_->logits, rows, targets, sequences);
    }
    while (used < slots.size() && next_ < out_.size()) {
      // As many prompts as the slots and the plan hold, at least one.
      const std::size_t first = prompt_of(next_);
      std::size_t last = first, longest = 0;
      const std::size_t wanted = (slots.size() - used + static_cast<std::size_t>(options_.samples) - 1) /
                                 static_cast<std::size_t>(options_.samples);
      while (last < prompts_.size() && last - first < wanted) {
        const auto width = std::max(longest, prompts_[last].size());
        if (last > first && static_cast<std::int64_t>(width * (last - first + 1)) > prefill_tokens_) break;
        longest = width;
        ++last;
      }
      const auto count = static_cast<std::int64_t>(last - first), width = static_cast<std::int64_t>(longest);
      auto tokens = torch::zeros({count, width}, torch::kInt64);
      auto lengths = torch::empty({count}, torch::kInt64);
      auto cells = tokens.accessor<std::int64_t, 2>();
      auto sizes = lengths.accessor<std::int64_t, 1>();
      for (std::int64_t p = 0; p < count; ++p) {
        const auto& prompt = prompts_[first + static_cast<std::size_t>(p)];
        sizes[p] = static_cast<std::int64_t>(prompt.size());
        for (std::size_t t = 0; t < prompt.size(); ++t) cells[p][static_cast<std::int64_t>(t)] = prompt[t];
        stats_.prompt_tokens += sizes[p];
      }
      KvCache cache;
      const auto logits = decoder_.prefill(tokens.to(device_), lengths.to(device_), cache);
      std::vector<std::int64_t> rows, targets;
      std::vector<std::size_t> sequences;
      while (used < slots.size() && next_ < out_.size() && prompt_of(next_) < last) {
        rows.push_back(static_cast<std::int64_t>(prompt_of(next_) - first));
        targets.push_back(slots[used++]);
        sequences.push_back(next_++);
      }
      left_over_.reset();
      if (next_ < out_.size() && prompt_of(next_) < last) {
        const auto row = static_cast<std::int64_t>(prompt_of(next_) - first);
        left_over_ = Prefilled{prompt_of(next_), cache.row(row, sizes[row]), logits.narrow(0, row, 1).clone()};
      }
      begin(cache, logits, rows, targets, sequences);
    }
  }

  /// Puts sequences into slots: copies their prompts' cache and draws their first tokens.
  void begin(const KvCache& source, const torch::Tensor& logits, const std::vector<std::int64_t>& rows,
             const std::vector<std::int64_t>& targets, const std::vector<std::size_t>& sequences) {
    const auto row_index = indices(rows, device_);
    cache_.copy_from(source, row_index, indices(targets, device_), source.capacity());
    std::vector<double> draws;
    for (const auto sequence : sequences) draws.push_back(draw_of(sequence, 0));
    const auto picked = pick(logits.index_select(0, row_index), options_.temperature, options_.truncation, draws);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const auto slot = static_cast<std::size_t>(targets[i]);
      occupant_[slot] = static_cast<std::int64_t>(sequences[i]);
      position_[slot] = static_cast<std::int64_t>(prompts_[prompt_of(sequences[i])].size());
      take(slot, picked.tokens[i], picked.logp[i]);
    }
  }

  /// Records a token of the slot's sequence; frees the slot when it was the last.
  void take(std::size_t slot, std::int64_t token, float logp) {
    auto& completion = out_[static_cast<std::size_t>(occupant_[slot])];
    completion.tokens.push_back(token);
    completion.logp.push_back(logp);
    ++stats_.completion_tokens;
    token_[slot] = token;
    completion.ended = std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
    if (completion.ended || static_cast<std::int64_t>(completion.tokens.size()) >= options_.max_new_tokens) {
      occupant_[slot] = kFree;
      position_[slot] = 0;  // an empty slot looks at one position only
    }
  }

  /// Samples of one prompt hold copies of its keys and values: all read those of the first of them.
  SharedPrefixes shared_prompts() const {
    SharedPrefixes out{std::vector<std::int64_t>(occupant_.size()), std::vector<std::int64_t>(occupant_.size(), 0)};
    std::unordered_map<std::size_t, std::int64_t> first;
    for (std::size_t s = 0; s < occupant_.size(); ++s) {
      out.slot[s] = static_cast<std::int64_t>(s);
      if (occupant_[s] == kFree) continue;
      const auto prompt = prompt_of(static_cast<std::size_t>(occupant_[s]));
      out.slot[s] = first.try_emplace(prompt, out.slot[s]).first->second;
      out.length[s] = static_cast<std::int64_t>(prompts_[prompt].size());
    }
    return out;
  }

  void step() {
    const auto length = *std::max_element(position_.begin(), position_.end()) + 1;
    const auto logits =
        decoder_.decode(indices(token_, device_), indices(position_, device_), length, cache_, shared_prompts());
    ++stats_.decode_steps;
    stats_.decoded_rows += static_cast<std::int64_t>(occupant_.size());
    std::vector<double> draws;
    for (const auto sequence : occupant_)
      draws.push_back(sequence == kFree ? 0.0
                                        : draw_of(static_cast<std::size_t>(sequence),
                                                  out_[static_cast<std::size_t>(sequence)].tokens.size()));
    const auto picked = pick(logits, options_.temperature, options_.truncation, draws);
    for (std::size_t slot = 0; slot < occupant_.size(); ++slot) {
      if (occupant_[slot] == kFree) continue;
      ++position_[slot];
      take(slot, picked.tokens[slot], picked.logp[slot]);
    }
  }

  /// Drops the empty slots.
  void shrink() {
    std::vector<std::int64_t> kept;
    for (std::size_t s = 0; s < occupant_.size(); ++s)
      if (occupant_[s] != kFree) kept.push_back(static_cast<std::int64_t>(s));
    cache_ = cache_.selected(indices(kept, device_));
    for (auto* values : {&occupant_, &token_, &position_}) {
      std::vector<std::int64_t> rest;
      for (const auto s : kept) rest.push_back((*values)[static_cast<std::size_t>(s)]);
      *values = std::move(rest);
    }
  }

  const std::vector<TokenIds>& prompts_;
  const TokenIds& end_tokens_;
  const GenerateOptions& options_;
  std::int64_t prefill_tokens_;
  torch::Device device_;
  Decoder decoder_;
  KvCache cache_;
  std::vector<Completion> out_;
  std::vector<std::int64_t> occupant_;  ///< sequence per slot, or kFree
  std::vector<std::int64_t> token_;     ///< last token per slot
  std::vector<std::int64_t> position_;  ///< where that token stands
  std::size_t next_ = 0;                ///< first sequence still in line
  std::optional<Prefilled> left_over_;
  GenerateStats stats_;
};

}  // namespace

GeneratePlan plan_generation(const Qwen3Config& c, torch::Dtype dtype, std::int64_t longest_prompt,
                             std::int64_t sequences, const GenerateOptions& options) {
  const auto size = static_cast<std::int64_t>(torch::elementSize(dtype));
  GeneratePlan plan;
  plan.capacity = longest_prompt + options.max_new_tokens;
  // Cache; scores of one layer; activations of one block; logits as computed, in float32, and their softmax.
  plan.bytes_per_slot =
      Decoder::cache_bytes_per_token(c, dtype) * plan.capacity + c.query_heads * plan.capacity * 2 * size +
      (4 * c.hidden + 3 * c.ffn + 4 * (c.query_heads + c.kv_heads) * c.head_dim) * size + c.vocabulary * (size + 12);
  // A quarter of the budget at most for running prompts, except that one must fit.
  const auto per_token = Decoder::cache_bytes_per_token(c, dtype) +
                         (6 * c.hidden + 3 * c.ffn + 3 * (c.query_heads + 2 * c.kv_heads) * c.head_dim) * size;
  plan.prefill_tokens = std::max(longest_prompt, std::min(kMostPrefillTokens, options.memory_bytes / 4 / per_token));
  plan.slots = std::min(sequences, (options.memory_bytes - plan.prefill_tokens * per_token) / plan.bytes_per_slot);
  if (options.most_slots > 0) plan.slots = std::min(plan.slots, options.most_slots);
  if (plan.slots < 1)
    throw UserError("generation: the memory budget of " + std::to_string(options.memory_bytes >> 20) +
                    " MiB holds no sequence of " + std::to_string(plan.capacity) + " tokens, which takes " +
                    std::to_string(((plan.bytes_per_slot + plan.prefill_tokens * per_token) >> 20) + 1) +
                    " MiB; raise it or shorten the completions");
  return plan;
}

std::vector<Completion> generate(const Qwen3& model, const std::vector<TokenIds>& prompts, const TokenIds& end_tokens,
                                 const GenerateOptions& options, GenerateStats* stats) {
  const torch::NoGradGuard no_grad;
  if (prompts.empty() || options.samples < 1) return {};
  std::size_t longest = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto where = [&] { return "prompt " + std::to_string(i + 1) + " of " + std::to_string(prompts.size()); };
    if (prompts[i].empty()) throw UserError(where() + " has no tokens");
    longest = std::max(longest, prompts[i].size());
    for (const auto id : prompts[i])
      if (id < 0 || id >= model.config().vocabulary)
        throw UserError(where() + " holds token " + std::to_string(id) + ", the model knows 0.." +
                        std::to_string(model.config().vocabulary - 1) + ": tokenizer and model do not belong together");
  }
  if (options.max_new_tokens < 1) throw UserError("max_new_tokens must be at least 1");
  auto bounded = options;
  if (bounded.most_slots == 0 && model.device().is_cpu()) bounded.most_slots = kMostSlotsOnCpu;
  const auto plan = plan_generation(model.config(), model.compute_dtype(), static_cast<std::int64_t>(longest),
                                    static_cast<std::int64_t>(prompts.size()) * options.samples, bounded);
  return Engine(model, prompts, end_tokens, options, plan).run(stats);
}

}  // namespace pionbench::rlvr
