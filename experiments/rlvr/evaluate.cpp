#include "experiments/rlvr/evaluate.h"

#include <numeric>

namespace pionbench::rlvr {
namespace {

// Bounds what is held of prompts and completions; the engine bounds its own memory.
constexpr std::size_t kBatch = 1024;

double mean(const std::vector<double>& x) {
  return x.empty() ? 0 : std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

}  // namespace

Evaluation evaluate(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<Problem>& problems,
                    const std::vector<std::string>& splits, std::int64_t step, const EvaluateOptions& evaluation,
                    EventWriter& events) {
  const PhaseTimer timer(events, step, "evaluate");
  std::map<std::string, std::vector<double>> items;
  double length = 0;
  for (std::size_t begin = 0; begin < problems.size(); begin += kBatch) {
    std::vector<const Problem*> batch;
    for (std::size_t i = begin; i < std::min(begin + kBatch, problems.size()); ++i) batch.push_back(&problems[i]);
    // Both kinds at once: each prompt is run once for the two.
    SampleOptions options;
    options.samples = 2;
    options.greedy_first = true;
    options.max_new_tokens = evaluation.max_new_tokens;
    options.memory_bytes = evaluation.memory_bytes;
    options.seed = (evaluation.seed * 1000003ull + static_cast<std::uint64_t>(step)) * 1000003ull;
    options.first_stream = begin;  // a problem's draw does not depend on how the split is cut
    const auto rollout = sample(model, tokenizer, batch, options);
    const auto rewards = rewards_of(rollout, batch, evaluation.reward);
    for (std::size_t i = 0; i < rewards.size(); ++i) items[i % 2 ? "sampled" : "greedy"].push_back(rewards[i]);
    length += rollout.completion_lengths.view({-1, 2}).select(1, 1).sum().item<double>();
  }
  const Evaluation out{mean(items["greedy"]), mean(items["sampled"])};
  for (const auto& split : splits)
    events.evaluation(step, split,
                      {{"greedy", out.greedy},
                       {"sampled", out.sampled},
                       {"completion_length", length / static_cast<double>(std::max<std::size_t>(problems.size(), 1))}},
                      items);
  return out;
}

}  // namespace pionbench::rlvr
