/// Suites `rlvr/arith-sft` and `rlvr/algebra-sft`: the supervised warm start, on completion tokens only, with AdamW.
/// One run per seed serves every arm. Leaves a Hugging Face style folder (config.json, model.safetensors,
/// tokenizer.json) and the problems as JSONL in its artifacts.

#include <random>

#include "experiments/rlvr/evaluate.h"
#include "experiments/rlvr/family.h"
#include "experiments/rlvr/settings.h"
#include "experiments/suite.h"
#include "experiments/worker/training_loop.h"

namespace pionbench {
namespace {

using namespace rlvr;

/// Mean loss over the completion tokens of `rows` and its gradient, in `parts` forward and backward passes.
torch::Tensor accumulate_loss(const Qwen3& model, const std::vector<const Demonstration*>& rows,
                              const Tokenizer& tokenizer, torch::Device device, int parts) {
  std::vector<Rollout> batches;
  const auto per_part = (rows.size() + static_cast<std::size_t>(parts) - 1) / static_cast<std::size_t>(parts);
  auto tokens = torch::zeros({}, torch::TensorOptions(torch::kFloat32).device(device));
  for (std::size_t begin = 0; begin < rows.size(); begin += per_part) {
    const auto end = std::min(begin + per_part, rows.size());
    batches.push_back(demonstration_rollout(
        {rows.begin() + static_cast<std::ptrdiff_t>(begin), rows.begin() + static_cast<std::ptrdiff_t>(end)}, tokenizer,
        device));
    tokens += batches.back().completion_lengths.sum();
  }
  torch::Tensor sum;
  for (const auto& batch : batches) {
    const auto loss = -completion_logp(model, batch).logp.sum() / tokens;
    loss.backward();
    sum = sum.defined() ? sum + loss.detach() : loss.detach();
  }
  return sum;
}

double lr_factor(std::int64_t step, std::int64_t steps, std::int64_t warmup, double decay) {
  const double rise = warmup > 0 ? std::min(1.0, static_cast<double>(step) / static_cast<double>(warmup)) : 1.0;
  const double tail = decay * static_cast<double>(steps);
  const double left = static_cast<double>(steps - step + 1);
  return rise * (tail > 0 ? std::min(1.0, left / tail) : 1.0);
}

RunOutcome run_sft(RunContext& context) {
  const Values& s = context.settings();
  const Family& family = family_of(context.request.config.suite);
  const auto seed = static_cast<std::uint64_t>(get_int(s, "seed"));
  const auto steps = get_int(s, "warm_steps"), batch = get_int(s, "warm_batch");
  const bool cuda = context.device.is_cuda();

  PhaseTimer setup(context.events, 0, "setup", cuda);
  const auto data =
      family.generate(static_cast<std::uint64_t>(get_int(s, "data_seed")),
                      {get_int(s, "train_problems"), get_int(s, "validation_problems"), get_int(s, "test_problems")});
  const auto tokenizer = Tokenizer::from_words(family.vocabulary());
  const Qwen3 model(model_config(s, tokenizer.size()), seed, get_real(s, "residual_init"), context.device,
                    context.dtype);
  std::vector<torch::Tensor> tensors;
  for (const auto& p : model.parameters()) tensors.push_back(p.tensor);
  torch::optim::AdamW optimizer(
      tensors,
      torch::optim::AdamWOptions(get_real(s, "warm_lr")).betas({0.9, get_real(s, "warm_beta2")}).weight_decay(0.01));
  std::mt19937_64 order(seed + 0x5f7ull);
  const std::int64_t resumed = context.checkpoint.restore([&](torch::serialize::InputArchive& state) {
    read_parameters(state, model.parameters());
    read_part(state, "optimizer", optimizer);
    read_random(state, "order", order);
  });
  const auto save_state = [&](std::int64_t step) {
    context.checkpoint.save(step, [&](torch::serialize::OutputArchive& state) {
      write_parameters(state, model.parameters());
      write_part(state, "optimizer", optimizer);
      write_random(state, "order", order);
    });
  };
  setup.stop();

  const auto& demos = data.demonstrations;
  const auto train = [&](std::int64_t step) -> std::optional<std::string> {
    PhaseTimer timer(context.events, step, "train", cuda);
    std::vector<const Demonstration*> rows;
    for (std::int64_t i = 0; i < batch; ++i) rows.push_back(&demos[order() % demos.size()]);
    optimizer.zero_grad();
    const auto loss = accumulate_loss(model, rows, tokenizer, context.device, context.request.accumulation);
    torch::nn::utils::clip_grad_norm_(tensors, 1.0);
    for (auto& group : optimizer.param_groups())
      group.options().set_lr(get_real(s, "warm_lr") *
                             lr_factor(step, steps, get_int(s, "warm_warmup"), get_real(s, "warm_decay")));
    optimizer.step();
    const double value = loss.item<double>();
    timer.stop();
    if (!std::isfinite(value)) return "the loss is not finite at step " + std::to_string(step);
    if (step % 10 == 0 || step == steps) {
      context.events.metric(step, {{"loss", value}});
      context.events.progress(step, steps);
    }
    return std::nullopt;
  };
  auto outcome = run_steps(context, {.resumed = resumed, .steps = steps, .step = train, .save = save_state});
  if (outcome.status != RunStatus::kDone) return outcome;
  EvaluateOptions evaluation;
  evaluation.seed = seed;
  evaluation.max_new_tokens = get_int(s, "max_new_tokens");
  evaluation.reward = family.reward;
  evaluate(model, tokenizer, data.validation, {"validation"}, steps, evaluation, context.events);

  PhaseTimer save(context.events, steps, "save", cuda);
  model.save(context.artifacts());
  tokenizer.save(context.artifacts() / "tokenizer.json");
  write_problems(context.artifacts() / "train.jsonl", data.train, family.schema);
  write_problems(context.artifacts() / "validation.jsonl", data.validation, family.schema);
  write_problems(context.artifacts() / "test.jsonl", data.test, family.schema);
  write_demonstrations(context.artifacts() / "demonstrations.jsonl", data.demonstrations);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "train.jsonl", "validation.jsonl",
                           "test.jsonl", "demonstrations.jsonl"})
    context.events.artifact("warm_start", std::string("artifacts/") + name,
                            static_cast<std::int64_t>(std::filesystem::file_size(context.artifacts() / name)));
  return outcome;
}

SuiteEntry suite_of(const Family& family) {
  SuiteInfo info;
  info.name = family.warm_start();
  // Since 2: draws belong to the sequence, decoding and then training round in another order.
  info.version = family.name == "rlvr/arith" ? 5 : 4;
  info.title = "Supervised warm start on " + family.title;
  info.help = "four demonstration styles, one of which will be rewarded; shared by all arms of a seed";
  info.takes_optimizer = false;
  info.primary_metric = "evaluation/validation/sampled";
  info.table = {rlvr::warm_start_settings(), {rlvr::model_bundles()}, rlvr::warm_start_relations()};
  info.batch_setting = "warm_batch";
  return {info, run_sft};
}

}  // namespace

SuiteEntry arith_sft_suite() {
  return suite_of(arith_family());
}

SuiteEntry algebra_sft_suite() {
  return suite_of(algebra_family());
}

}  // namespace pionbench
