/// Suites `rlvr/arith` and `rlvr/algebra` (family.h): reinforcement learning with a verifiable reward.
///   per step: sample `prompts` problems, `samples` completions each; reward; group advantages; `ppo_epochs` times
///   `mini_batches` policy updates (1 of 1 = exactly on-policy: ratios are 1 and nothing is clipped)
/// The primary metric is the sampled reward on the validation split; greedy stands beside it but saturates. The test
/// split is read at the first and the last step only.

#include <random>

#include "core/error.h"
#include "experiments/rlvr/algorithm/policy_loss.h"
#include "experiments/rlvr/evaluate.h"
#include "experiments/rlvr/family.h"
#include "experiments/rlvr/settings.h"
#include "experiments/suite.h"
#include "experiments/worker/probe.h"
#include "optim/registry.h"

namespace pionbench {
namespace {

using namespace rlvr;

// A run whose gradients stay non-finite this long will not come back.
constexpr int kPatience = 10;

PolicyLossOptions loss_options(const Values& s) {
  PolicyLossOptions out;
  out.kind = get_text(s, "policy_loss") == "geo_mean" ? PolicyLossKind::kGeometricMean : PolicyLossKind::kPpoClip;
  const auto& aggregation = get_text(s, "aggregation");
  out.aggregation = aggregation == "seq-mean-token-mean"       ? Aggregation::kSequenceMean
                    : aggregation == "seq-mean-token-sum"      ? Aggregation::kSequenceSum
                    : aggregation == "seq-mean-token-sum-norm" ? Aggregation::kSequenceSumByWidth
                                                               : Aggregation::kTokenMean;
  out.clip_low = get_real(s, "clip_low");
  out.clip_high = get_real(s, "clip_high");
  out.dual_clip = get_real(s, "dual_clip");
  out.kl_coef = get_real(s, "kl_coef");
  return out;
}

/// The order in which training problems are met: a shuffle per epoch, the same for all arms of a seed.
class ProblemOrder {
 public:
  ProblemOrder(const std::vector<Problem>& problems, std::uint64_t seed) : problems_(problems), random_(seed) {
    for (std::size_t i = 0; i < problems.size(); ++i) indices_.push_back(i);
    next_ = indices_.size();
  }
  std::vector<const Problem*> take(std::int64_t n) {
    std::vector<const Problem*> out;
    while (static_cast<std::int64_t>(out.size()) < n) {
      if (next_ == indices_.size()) {
        for (std::size_t i = indices_.size(); i > 1; --i) std::swap(indices_[i - 1], indices_[random_() % i]);
        next_ = 0;
      }
      out.push_back(&problems_[indices_[next_++]]);
    }
    return out;
  }

  void save(torch::serialize::OutputArchive& archive) const {
    write_random(archive, "random", random_);
    write_value(archive, "next", static_cast<std::int64_t>(next_));
    const std::vector<std::int64_t> order(indices_.begin(), indices_.end());
    archive.write("indices", torch::tensor(order, torch::kInt64));
  }
  void load(torch::serialize::InputArchive& archive) {
    read_random(archive, "random", random_);
    next_ = static_cast<std::size_t>(read_value(archive, "next"));
    torch::Tensor order;
    archive.read("indices", order);
    indices_.assign(order.data_ptr<std::int64_t>(), order.data_ptr<std::int64_t>() + order.numel());
  }

 private:
  const std::vector<Problem>& problems_;
  std::mt19937_64 random_;
  std::vector<std::size_t> indices_;
  std::size_t next_ = 0;
};

class Training {
 public:
  explicit Training(RunContext& context)
      : context_(context),
        s_(context.settings()),
        family_(family_of(context.request.config.suite)),
        seed_(static_cast<std::uint64_t>(get_int(s_, "seed"))),
        steps_(get_int(s_, "steps")),
        base_(context.input(family_.warm_start())),
        tokenizer_(Tokenizer::load(base_ / "tokenizer.json")),
        model_(base_, context.device, context.dtype),
        train_(read_problems(base_ / "train.jsonl")),
        validation_(read_problems(base_ / "validation.jsonl")),
        test_(read_problems(base_ / "test.jsonl")),
        order_(train_, seed_ + 0x71ull),
        loss_(loss_options(s_)),
        lr_(get_real(context.hyper(), "lr")) {
    const bool freeze = get_text(s_, "auxiliary") == "frozen";
    for (const auto& p : model_.parameters()) {
      auto tensor = p.tensor;
      if (freeze && !optim::is_matrix(p.role)) tensor.set_requires_grad(false);
      if (tensor.requires_grad()) trained_.push_back(tensor);
    }
    if (freeze && context.request.config.optimizer == "frozen")
      throw UserError("nothing would train: optimizer=frozen keeps the matrices, auxiliary=frozen keeps the rest");
    if (get_int(s_, "prompts") % get_int(s_, "mini_batches"))
      throw UserError("settings prompts, mini_batches: got " + std::to_string(get_int(s_, "prompts")) + " and " +
                      std::to_string(get_int(s_, "mini_batches")) + "; the second must divide the first");
    optimizer_ = optim::find_optimizer(context.request.config.optimizer).make(model_.parameters(), context.hyper());
    if (loss_.kl_coef != 0) reference_.emplace(base_, context.device, context.dtype, /*trainable=*/false);
  }

  /// Goes on from the run's checkpoint, where there is one.
  void restore() {
    resumed_ = context_.checkpoint.restore([&](torch::serialize::InputArchive& state) {
      read_parameters(state, model_.parameters());
      read_part(state, "optimizer", *optimizer_);
      read_part(state, "order", order_);
      bad_gradients_ = static_cast<int>(read_value(state, "bad_gradients"));
    });
  }

  RunOutcome run() {
    // A checkpoint is never written before the first evaluation.
    if (context_.checkpoint.resumed_from() < 0) evaluate_at(0);
    for (std::int64_t step = resumed_ + 1; step <= steps_; ++step) {
      if (context_.stop_requested()) {
        save(step - 1);
        return {RunStatus::kInterrupted, step - 1};
      }
      train_step(step);
      if (bad_gradients_ >= kPatience)
        return {RunStatus::kDiverged, step,
                "the gradient has not been finite for " + std::to_string(kPatience) + " updates"};
      if (step % get_int(s_, "eval_every") == 0 || step == steps_) evaluate_at(step);
      context_.events.progress(step, steps_);
      if (context_.checkpoint.is_due()) save(step);
    }
    return {RunStatus::kDone, steps_};
  }

 private:
  void save(std::int64_t step) {
    context_.checkpoint.save(step, [&](torch::serialize::OutputArchive& state) {
      write_parameters(state, model_.parameters());
      write_part(state, "optimizer", *optimizer_);
      write_part(state, "order", order_);
      write_value(state, "bad_gradients", bad_gradients_);
    });
  }

  void evaluate_at(std::int64_t step) {
    const auto on = [&](const std::vector<Problem>& problems, const char* split) {
      evaluate(model_, tokenizer_, problems, split, step, seed_, get_int(s_, "max_new_tokens"), family_.reward,
               context_.events);
    };
    on(validation_, "validation");
    if (step == 0 || step == steps_) on(test_, "test");
  }

  void train_step(std::int64_t step) {
    const bool cuda = context_.device.is_cuda();
    const auto samples = get_int(s_, "samples");
    PhaseTimer timer(context_.events, step, "train", cuda);
    const auto problems = order_.take(get_int(s_, "prompts"));
    SampleOptions options;
    options.samples = samples;
    options.max_new_tokens = get_int(s_, "max_new_tokens");
    options.temperature = get_real(s_, "temperature");
    options.seed = seed_ * 0x9e3779b97f4a7c15ull + static_cast<std::uint64_t>(step);
    const Rollout rollout = sample(model_, tokenizer_, problems, options);
    const auto rewards = torch::tensor(rewards_of(rollout, problems, family_.reward), torch::kFloat64);
    const auto advantages = group_advantages(rewards.view({-1, samples})).view(-1);  // [N] on the CPU

    TokenLogProbs old, reference;
    const auto mini_batches = get_int(s_, "mini_batches"), epochs = get_int(s_, "ppo_epochs");
    {
      const torch::NoGradGuard no_grad;
      if (mini_batches * epochs > 1) old = completion_logp(model_, rollout, {}, get_real(s_, "temperature"));
      if (reference_) reference = completion_logp(*reference_, rollout, {}, get_real(s_, "temperature"));
    }
    Named values = {{"reward", rewards.mean().item<double>()},
                    {"completion_length", rollout.completion_lengths.to(torch::kFloat64).mean().item<double>()},
                    {"lr", lr_}};
    const auto per_batch = rewards.size(0) / mini_batches;
    for (std::int64_t u = 0; u < epochs * mini_batches; ++u) {
      const auto m = u % mini_batches;
      const auto rows = torch::arange(m * per_batch, (m + 1) * per_batch);
      update(step, rollout, rows, advantages, old, reference, u + 1 == epochs * mini_batches, timer, values);
    }
    timer.stop();
    context_.events.metric(step, values);
  }

  /// One optimizer step on the samples `rows`. Rows without advantage are left out of the forward pass and kept in
  /// the denominators; with a KL term they carry gradient and stay.
  void update(std::int64_t step, const Rollout& rollout, const torch::Tensor& rows, const torch::Tensor& advantages,
              const TokenLogProbs& old, const TokenLogProbs& reference, bool last, PhaseTimer& timer, Named& values) {
    const auto device = context_.device;
    Denominators full;
    full.tokens = rollout.completion_lengths.index_select(0, rows.to(device)).sum().item<double>();
    full.sequences = static_cast<double>(rows.size(0));
    full.width = static_cast<double>(get_int(s_, "max_new_tokens"));
    const auto live = loss_.kl_coef != 0 ? rows : rows.masked_select(advantages.index_select(0, rows) != 0);
    // Zero rather than undefined: when every group ties, momentum still moves the weights, as it does in verl.
    for (auto& w : trained_) w.mutable_grad() = torch::zeros_like(w);
    const auto parts = std::min<std::int64_t>(context_.request.accumulation, live.numel());
    for (std::int64_t part = 0; part < parts; ++part) {
      // Σ over parts of a loss with the full batch's denominators is the full batch's loss.
      const auto piece = live.tensor_split(parts)[static_cast<std::size_t>(part)];
      const auto on_device = piece.to(device);
      const auto now = completion_logp(model_, rollout, on_device, get_real(s_, "temperature"));
      const auto width = now.logp.size(1);
      const auto narrow = [&](const TokenLogProbs& x) {
        return x.logp.defined() ? x.logp.index_select(0, on_device).narrow(1, 0, width) : now.logp.detach();
      };
      const auto loss = policy_loss(now.logp, narrow(old), narrow(reference),
                                    advantages.index_select(0, piece).to(device), now.mask, loss_, full);
      loss.loss.backward();
      const double share = static_cast<double>(piece.numel()) / static_cast<double>(live.numel());
      if (part == 0)
        for (const auto* name : {"loss", "clip_fraction", "clip_fraction_lower", "approximate_kl"}) values[name] = 0;
      values["loss"] += loss.loss.item<double>();
      values["clip_fraction"] += share * loss.clip_fraction;
      values["clip_fraction_lower"] += share * loss.clip_fraction_lower;
      values["approximate_kl"] += share * loss.approximate_kl;
    }
    const double norm = torch::nn::utils::clip_grad_norm_(trained_, get_real(s_, "grad_clip"));
    values["grad_norm"] = norm;
    if (!std::isfinite(norm)) {
      ++bad_gradients_;
      return;
    }
    bad_gradients_ = 0;
    const auto every = get_int(s_, "probe_every");
    const bool probed = last && every > 0 && (step % every == 0 || step == 1);
    if (!probed) {
      optimizer_->step();
      return;
    }
    // The clock stops for the probe and goes on for the step itself.
    const bool cuda = device.is_cuda();
    Probe probe(model_.parameters(), *optimizer_, lr_);
    timer.stop();
    {
      const PhaseTimer outside(context_.events, step, "probe", cuda);
      probe.before();
    }
    {
      const PhaseTimer inside(context_.events, step, "train", cuda);
      optimizer_->step();
    }
    const PhaseTimer outside(context_.events, step, "probe", cuda);
    probe.after(step, context_.events);
  }

  RunContext& context_;
  const Values& s_;
  const Family& family_;
  std::uint64_t seed_;
  std::int64_t steps_;
  std::filesystem::path base_;
  Tokenizer tokenizer_;
  Qwen3 model_;
  std::vector<Problem> train_, validation_, test_;
  ProblemOrder order_;
  PolicyLossOptions loss_;
  double lr_;
  std::vector<torch::Tensor> trained_;
  std::unique_ptr<optim::RoutedOptimizer> optimizer_;
  std::optional<Qwen3> reference_;
  int bad_gradients_ = 0;
  std::int64_t resumed_ = 0;
};

RunOutcome run_rl(RunContext& context) {
  PhaseTimer setup(context.events, 0, "setup", context.device.is_cuda());
  Training training(context);
  training.restore();
  setup.stop();
  return training.run();
}

SuiteEntry suite_of(const Family& family) {
  using namespace std::string_literals;
  SuiteInfo info;
  info.name = family.name;
  info.version = family.name == "rlvr/arith" ? 2 : 1;  // 2: draws belong to the sequence, not to the batch
  info.title = "RLVR on " + family.title;
  info.help = "GRPO or GMPO on a small Qwen3-architecture decoder, " + family.help + ", warm start shared by all arms";
  info.primary_metric = "evaluation/validation/sampled";
  info.prerequisite = family.warm_start();
  info.batch_setting = "prompts";
  info.table.settings = warm_start_settings();
  const std::vector<Setting> own = {
      int_setting("steps", 60, 1, 1000000, "rollout batches"),
      int_setting("eval_every", 5, 1, 1000000, "steps between validations; step 0 and the last always"),
      int_setting("prompts", 16, 1, 65536, "problems per step"),
      int_setting("samples", 8, 1, 4096, "completions per problem"),
      int_setting("mini_batches", 1, 1, 64, "policy updates per epoch of a step; divides prompts"),
      int_setting("ppo_epochs", 1, 1, 64, "times that each step's completions are gone through"),
      real_setting("temperature", 1.0, 0.01, 10, "of training samples"),
      choice_setting("policy_loss", "ppo_clip", {"ppo_clip", "geo_mean"}, "GRPO's or GMPO's objective"),
      choice_setting("aggregation", "token-mean",
                     {"token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"},
                     "of token losses (ppo_clip) and of the KL penalty; the last divides by max_new_tokens"),
      real_setting("clip_low", 0.2, 0, 10, "lower clip range"),
      real_setting("clip_high", 0.2, 0, 10, "upper clip range"),
      real_setting("dual_clip", 3.0, 1, 1e6, "bound for negative advantages (ppo_clip)"),
      real_setting("kl_coef", 0.0, 0, 100, "k3 penalty against the warm start"),
      real_setting("grad_clip", 1.0, 0, 1e9, "global gradient norm; an update with a non-finite norm is skipped"),
      choice_setting("auxiliary", "trained", {"trained", "frozen"}, "embeddings and norms: trained by AdamW, or kept"),
      int_setting("probe_every", 10, 0, 1000000, "steps between spectral probes; 0 = none"),
  };
  info.table.settings.insert(info.table.settings.end(), own.begin(), own.end());
  info.table.bundle_sets = {
      model_bundles(),
      {"algorithm",
       "grpo",
       "policy objective as verl runs it",
       {{"grpo", "token-mean PPO clip", {{"policy_loss", "ppo_clip"s}, {"clip_low", 0.2}, {"clip_high", 0.2}}},
        {"gmpo",
         "geometric-mean ratio, wider clip",
         {{"policy_loss", "geo_mean"s}, {"clip_low", 0.4}, {"clip_high", 0.4}}}}},
  };
  return {info, run_rl};
}

}  // namespace

SuiteEntry arith_suite() {
  return suite_of(arith_family());
}

SuiteEntry algebra_suite() {
  return suite_of(algebra_family());
}

}  // namespace pionbench
