#include "experiments/rlvr/rollout.h"

#include "experiments/rlvr/data/reward.h"

namespace pionbench::rlvr {
namespace {

/// Right-padded token rows.
torch::Tensor pad_rows(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t pad) {
  std::size_t longest = 1;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  auto tokens =
      torch::full({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)}, pad, torch::kInt64);
  auto cells = tokens.accessor<std::int64_t, 2>();
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < rows[i].size(); ++j)
      cells[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(j)] = rows[i][j];
  return tokens;
}

}  // namespace

Rollout sample(const Qwen3& model, const Tokenizer& tokenizer, const std::vector<const Problem*>& problems,
               const SampleOptions& options) {
  std::vector<TokenIds> prompts;
  for (const auto* problem : problems) prompts.push_back(tokenizer.encode(problem->question));
  const auto completions = generate(model, prompts, tokenizer.eos_ids(), options);

  Rollout out;
  std::vector<std::vector<std::int64_t>> rows;
  std::size_t longest = 1;
  for (const auto& completion : completions) longest = std::max(longest, completion.tokens.size());
  const auto n = static_cast<std::int64_t>(completions.size());
  auto prompt_lengths = torch::empty({n}, torch::kInt64), completion_lengths = torch::empty({n}, torch::kInt64);
  out.sampled_logp = torch::zeros({n, static_cast<std::int64_t>(longest)});
  auto logp = out.sampled_logp.accessor<float, 2>();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto& completion = completions[static_cast<std::size_t>(i)];
    auto row = prompts[static_cast<std::size_t>(i / options.samples)];
    prompt_lengths[i] = static_cast<std::int64_t>(row.size());
    completion_lengths[i] = static_cast<std::int64_t>(completion.tokens.size());
    for (std::size_t t = 0; t < completion.tokens.size(); ++t)
      logp[i][static_cast<std::int64_t>(t)] = completion.logp[t];
    row.insert(row.end(), completion.tokens.begin(), completion.tokens.end());
    rows.push_back(std::move(row));
    out.ended.push_back(completion.ended);
    out.completions.push_back(tokenizer.decode(completion.tokens));
  }
  out.tokens = pad_rows(rows, tokenizer.pad()).to(model.device());
  out.prompt_lengths = prompt_lengths.to(model.device());
  out.completion_lengths = completion_lengths.to(model.device());
  return out;
}

Rollout demonstration_rollout(const std::vector<const Demonstration*>& demonstrations, const Tokenizer& tokenizer,
                              torch::Device device) {
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::int64_t> prompts, completions;
  Rollout out;
  for (const auto* demonstration : demonstrations) {
    rows.push_back(tokenizer.encode(demonstration->question));
    prompts.push_back(static_cast<std::int64_t>(rows.back().size()));
    const auto completion = tokenizer.encode(demonstration->completion);
    rows.back().insert(rows.back().end(), completion.begin(), completion.end());
    rows.back().push_back(tokenizer.eos());
    completions.push_back(static_cast<std::int64_t>(completion.size()) + 1);
    out.completions.push_back(demonstration->completion);
    out.ended.push_back(true);
  }
  out.tokens = pad_rows(rows, tokenizer.pad()).to(device);
  out.prompt_lengths = torch::tensor(prompts, torch::kInt64).to(device);
  out.completion_lengths = torch::tensor(completions, torch::kInt64).to(device);
  return out;
}

std::vector<double> rewards_of(const Rollout& rollout, const std::vector<const Problem*>& problems,
                               RewardFunction reward) {
  const std::size_t samples = rollout.completions.size() / problems.size();
  std::vector<double> out;
  for (std::size_t i = 0; i < rollout.completions.size(); ++i)
    out.push_back(reward(rollout.completions[i], problems[i / samples]->label, rollout.ended[i]));
  return out;
}

TokenLogProbs completion_logp(const Qwen3& model, const Rollout& rollout, const torch::Tensor& rows,
                              double temperature) {
  const auto take = [&](const torch::Tensor& x) { return rows.defined() ? x.index_select(0, rows) : x; };
  const auto tokens = take(rollout.tokens), prompts = take(rollout.prompt_lengths),
             lengths = take(rollout.completion_lengths);
  const auto longest = lengths.max().item<std::int64_t>();
  const auto total = (prompts + lengths).max().item<std::int64_t>();
  // Token j of a completion stands at prompt + j and is predicted by the hidden state before it; nothing reads the one
  // of the last.
  const auto offsets = torch::arange(longest, lengths.options()).unsqueeze(0);  // [1, C]
  const auto valid = offsets < lengths.unsqueeze(1);                            // [B, C]
  const auto at = (prompts.unsqueeze(1) + offsets).clamp_max(total - 1);        // [B, C]
  const auto batch = at.size(0);
  const auto packed = pack(tokens, prompts + lengths - 1, prompts);
  const auto hidden = model.forward(packed);  // [n, D]
  const auto before = packed.sequences.gather(1, at - 1).masked_select(valid);
  auto logits = model.logits(torch::embedding(hidden, before)).to(torch::kFloat32);  // [tokens, V]
  if (temperature != 1) logits = logits / temperature;
  const auto targets = tokens.gather(1, at).masked_select(valid);
  const auto picked = -torch::cross_entropy_loss(logits, targets, {}, at::Reduction::None);
  return {torch::zeros({batch, longest}, picked.options().requires_grad(false)).masked_scatter(valid, picked),
          valid.to(torch::kFloat32)};
}

}  // namespace pionbench::rlvr
