#include "experiments/rlvr/rollout.h"

#include "experiments/rlvr/data/reward.h"

namespace pionbench::rlvr {
namespace {

/// Right-padded token rows and their lengths.
std::pair<torch::Tensor, torch::Tensor> pad_rows(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t pad) {
  std::size_t longest = 1;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  auto tokens =
      torch::full({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)}, pad, torch::kInt64);
  auto lengths = torch::empty({static_cast<std::int64_t>(rows.size())}, torch::kInt64);
  auto cells = tokens.accessor<std::int64_t, 2>();
  auto sizes = lengths.accessor<std::int64_t, 1>();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    sizes[row] = static_cast<std::int64_t>(rows[i].size());
    for (std::size_t j = 0; j < rows[i].size(); ++j) cells[row][static_cast<std::int64_t>(j)] = rows[i][j];
  }
  return {tokens, lengths};
}

torch::Tensor pick(const torch::Tensor& logits, double temperature, at::Generator& generator) {
  if (temperature == 0) return logits.argmax(-1);
  // Gumbel-max: argmax(logits/T − ln E), E exponential, is a sample of softmax(logits/T). The noise is drawn on the
  // CPU, so that a seed means the same on every device.
  const auto noise =
      torch::empty(logits.sizes(), torch::kFloat32).exponential_(1.0, generator).log_().to(logits.device());
  return (logits.to(torch::kFloat32) / temperature - noise).argmax(-1);
}

}  // namespace

Rollout sample(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<const Problem*>& problems,
               const SampleOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto device = model.parameters().front().tensor.device();
  std::vector<std::vector<std::int64_t>> prompts;
  for (const auto* problem : problems) prompts.push_back(tokenizer.encode(problem->question));
  const auto [prompt_tokens, prompt_lengths] = pad_rows(prompts, tokenizer.pad());

  auto generator = at::detail::createCPUGenerator(options.seed);
  KvCache cache;
  auto logits = model.prefill(prompt_tokens.to(device), prompt_lengths.to(device), options.max_new_tokens, cache);
  if (options.samples > 1) {
    cache = cache.repeat(options.samples);
    logits = logits.repeat_interleave(options.samples, 0);
  }
  const auto lengths = prompt_lengths.repeat_interleave(options.samples, 0);  // [N] on the CPU
  auto positions = lengths.to(device);
  auto done = torch::zeros({lengths.size(0)}, torch::TensorOptions(torch::kBool).device(device));
  std::vector<torch::Tensor> steps;  // [N] each; padding after the end token
  for (std::int64_t t = 0; t < options.max_new_tokens; ++t) {
    auto next = pick(logits, options.temperature, generator).masked_fill(done, tokenizer.pad());
    steps.push_back(next);
    done = done.logical_or(next == tokenizer.eos());
    if (t + 1 == options.max_new_tokens || done.all().item<bool>()) break;
    logits = model.decode(next, positions, cache);
    positions = positions + 1;
  }
  const auto generated = torch::stack(steps, 1).to(torch::kCPU);  // [N, C]

  Rollout out;
  std::vector<std::vector<std::int64_t>> rows;
  const auto cells = generated.accessor<std::int64_t, 2>();
  auto completion_lengths = torch::empty({generated.size(0)}, torch::kInt64);
  for (std::int64_t i = 0; i < generated.size(0); ++i) {
    std::vector<std::int64_t> ids;
    bool ended = false;
    for (std::int64_t t = 0; t < generated.size(1) && !ended; ++t) {
      ids.push_back(cells[i][t]);
      ended = ids.back() == tokenizer.eos();
    }
    out.ended.push_back(ended);
    out.completions.push_back(tokenizer.decode(ids));
    completion_lengths[i] = static_cast<std::int64_t>(ids.size());
    auto row = prompts[static_cast<std::size_t>(i / options.samples)];
    row.insert(row.end(), ids.begin(), ids.end());
    rows.push_back(std::move(row));
  }
  out.tokens = pad_rows(rows, tokenizer.pad()).first.to(device);
  out.prompt_lengths = lengths.to(device);
  out.completion_lengths = completion_lengths.to(device);
  return out;
}

std::vector<double> rewards_of(const Rollout& rollout, const std::vector<const Problem*>& problems) {
  const std::size_t samples = rollout.completions.size() / problems.size();
  std::vector<double> out;
  for (std::size_t i = 0; i < rollout.completions.size(); ++i)
    out.push_back(strict_reward(rollout.completions[i], problems[i / samples]->label(), rollout.ended[i]));
  return out;
}

TokenLogProbs completion_logp(const Qwen3& model, const Rollout& rollout, const torch::Tensor& rows) {
  const auto take = [&](const torch::Tensor& x) { return rows.defined() ? x.index_select(0, rows) : x; };
  const auto tokens = take(rollout.tokens), prompts = take(rollout.prompt_lengths),
             lengths = take(rollout.completion_lengths);
  const auto longest = lengths.max().item<std::int64_t>();
  const auto total = (prompts + lengths).max().item<std::int64_t>();
  // Token j of a completion stands at prompt + j and is predicted by the hidden state before it.
  const auto offsets = torch::arange(longest, lengths.options()).unsqueeze(0);  // [1, C]
  const auto valid = offsets < lengths.unsqueeze(1);                            // [B, C]
  const auto at = (prompts.unsqueeze(1) + offsets).clamp_max(total - 1);        // [B, C]
  const auto hidden = model.forward(tokens.narrow(1, 0, total - 1));            // [B, T − 1, D]
  const auto width = hidden.size(2);
  const auto batch = at.size(0);
  const auto flat = (torch::arange(batch, at.options()).unsqueeze(1) * (total - 1) + at - 1).masked_select(valid);
  const auto logits =
      model.logits(hidden.reshape({-1, width}).index_select(0, flat)).to(torch::kFloat32);  // [tokens, V]
  const auto targets = tokens.gather(1, at).masked_select(valid);
  const auto picked = -torch::cross_entropy_loss(logits, targets, {}, at::Reduction::None);
  return {torch::zeros({batch, longest}, picked.options().requires_grad(false)).masked_scatter(valid, picked),
          valid.to(torch::kFloat32)};
}

}  // namespace pionbench::rlvr
