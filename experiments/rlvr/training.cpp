#include "experiments/rlvr/training.h"

#include <random>

#include "core/error.h"
#include "experiments/rlvr/algorithm/policy_loss.h"
#include "experiments/rlvr/evaluate.h"
#include "experiments/rlvr/gradient_snr.h"
#include "experiments/worker/probe.h"
#include "experiments/worker/training_loop.h"
#include "optim/registry.h"

namespace pionbench::rlvr {
namespace {

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
  ProblemOrder(std::size_t problems, std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < problems; ++i) indices_.push_back(i);
    next_ = indices_.size();
  }
  std::vector<std::size_t> take(std::int64_t n) {
    std::vector<std::size_t> out;
    while (static_cast<std::int64_t>(out.size()) < n) {
      if (next_ == indices_.size()) {
        for (std::size_t i = indices_.size(); i > 1; --i) std::swap(indices_[i - 1], indices_[random_() % i]);
        next_ = 0;
      }
      out.push_back(indices_[next_++]);
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
  std::mt19937_64 random_;
  std::vector<std::size_t> indices_;
  std::size_t next_ = 0;
};

/// What one step learns from.
struct Batch {
  Rollout rollout;
  torch::Tensor advantages;  ///< [N] on the CPU; undefined: demonstrations to imitate
  TokenLogProbs old, reference;
};

class Training {
 public:
  Training(RunContext& context, const Workload& workload)
      : context_(context),
        s_(context.settings()),
        workload_(workload),
        seed_(static_cast<std::uint64_t>(get_int(s_, "seed"))),
        steps_(get_int(s_, "steps")),
        is_supervised_(get_text(s_, "objective") == "supervised"),
        model_(workload.base, context.device, context.dtype),
        order_(workload.train.size(), seed_ + 0x71ull),
        loss_(loss_options(s_)),
        lr_(get_real(context.hyper(), "lr")) {
    check();
    const bool freeze = get_text(s_, "auxiliary") == "frozen";
    for (const auto& p : model_.parameters()) {
      auto tensor = p.tensor;
      if (freeze && !optim::is_matrix(p.role)) tensor.set_requires_grad(false);
      if (tensor.requires_grad()) trained_.push_back(tensor);
      if (optim::is_matrix(p.role)) matrices_.push_back(tensor);
    }
    model_.set_gradient_checkpointing(get_bool(s_, "gradient_checkpointing"));
    optimizer_ = optim::find_optimizer(context.request.config.optimizer).make(model_.parameters(), context.hyper());
    if (loss_.kl_coef != 0 && !is_supervised_)
      reference_.emplace(workload.base, context.device, context.dtype, /*trainable=*/false);
    if (is_supervised_) read_demonstrations();
    if (get_int(s_, "probe_every") > 0) initial_.emplace(model_.parameters());
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
    if (context_.checkpoint.resumed_from() < 0) {
      if (initial_) initial_->report(context_.events);
      evaluate_at(0);
    }
    return run_steps(context_, {.resumed = resumed_,
                                .steps = steps_,
                                .step = evaluated_step(
                                    context_, steps_, get_int(s_, "eval_every"),
                                    [&](std::int64_t step) {
                                      train_step(step);
                                      return bad_gradients_;
                                    },
                                    [&](std::int64_t step) { evaluate_at(step); }),
                                .save = [&](std::int64_t step) { save(step); }});
  }

 private:
  void check() const {
    if (get_text(s_, "auxiliary") == "frozen" && context_.request.config.optimizer == "frozen")
      throw UserError("nothing would train: optimizer=frozen keeps the matrices, auxiliary=frozen keeps the rest");
    if (get_int(s_, "snr_batches") == 1) throw UserError("setting \"snr_batches\": got 1, allowed: 0, or 2 and more");
  }

  void read_demonstrations() {
    if (get_text(s_, "demonstrations") == "base") {
      demonstrations_ = workload_.demonstrations;
      if (demonstrations_.size() != workload_.train.size())
        throw UserError(workload_.base.string() + ": holds " + std::to_string(demonstrations_.size()) +
                        " demonstrations for " + std::to_string(workload_.train.size()) + " problems");
      return;
    }
    for (const auto& problem : workload_.train) {
      if (problem.answer.empty())
        throw UserError(
            "objective=supervised: the problems have no worked solutions to imitate (verl's rows hold "
            "the final answer only)");
      demonstrations_.push_back({problem.question, problem.answer, "solution"});
    }
  }

  void save(std::int64_t step) {
    context_.checkpoint.save(step, [&](torch::serialize::OutputArchive& state) {
      write_parameters(state, model_.parameters());
      write_part(state, "optimizer", *optimizer_);
      write_part(state, "order", order_);
      write_value(state, "bad_gradients", bad_gradients_);
    });
  }

  std::int64_t rollout_memory() const { return get_int(s_, "rollout_memory_mib") << 20; }

  void evaluate_at(std::int64_t step) {
    EvaluateOptions options;
    options.seed = seed_;
    options.max_new_tokens = get_int(s_, "max_new_tokens");
    options.memory_bytes = rollout_memory();
    options.reward = workload_.reward;
    const bool reads_test = step == 0 || step == steps_;
    const auto on = [&](const std::vector<Problem>& problems, const std::vector<std::string>& splits) {
      evaluate(model_, workload_.tokenizer, problems, splits, step, options, context_.events);
    };
    if (workload_.test_is_validation && reads_test) return on(workload_.validation, {"validation", "test"});
    on(workload_.validation, {"validation"});
    if (reads_test && !workload_.test_is_validation) on(workload_.test, {"test"});
  }

  std::vector<const Problem*> next_problems() {
    std::vector<const Problem*> out;
    for (const auto i : order_.take(get_int(s_, "prompts"))) out.push_back(&workload_.train[i]);
    return out;
  }

  /// Samples, grades, and looks up old and reference log-probabilities.
  Batch sampled_batch(std::int64_t step, Named& values) {
    const auto problems = next_problems();
    SampleOptions options;
    options.samples = get_int(s_, "samples");
    options.max_new_tokens = get_int(s_, "max_new_tokens");
    options.temperature = temperature();
    options.truncation = {get_int(s_, "top_k"), get_real(s_, "top_p"), get_real(s_, "min_p")};
    options.memory_bytes = rollout_memory();
    options.seed = seed_ * 0x9e3779b97f4a7c15ull + static_cast<std::uint64_t>(step);
    Batch batch;
    batch.rollout = sample(model_, workload_.tokenizer, problems, options);
    const auto rewards = torch::tensor(rewards_of(batch.rollout, problems, workload_.reward), torch::kFloat64);
    batch.advantages = group_advantages(rewards.view({-1, options.samples})).view(-1);
    const torch::NoGradGuard no_grad;
    if (get_int(s_, "mini_batches") * get_int(s_, "ppo_epochs") > 1) batch.old = logp_of_all(model_, batch.rollout);
    if (reference_) batch.reference = logp_of_all(*reference_, batch.rollout);
    values["reward"] = rewards.mean().item<double>();
    return batch;
  }

  /// As many demonstrations as a step of reinforcement learning has completions.
  Batch demonstrated_batch() {
    std::vector<const Demonstration*> rows;
    for (const auto i : order_.take(get_int(s_, "prompts") * get_int(s_, "samples")))
      rows.push_back(&demonstrations_[i]);
    Batch batch;
    batch.rollout = demonstration_rollout(rows, workload_.tokenizer, context_.device);
    return batch;
  }

  void train_step(std::int64_t step) {
    PhaseTimer timer(context_.events, step, "train", context_.device.is_cuda());
    Named values;
    const Batch batch = is_supervised_ ? demonstrated_batch() : sampled_batch(step, values);
    values["completion_length"] = batch.rollout.completion_lengths.to(torch::kFloat64).mean().item<double>();
    values["lr"] = lr_;
    const auto every = get_int(s_, "probe_every");
    const bool probed = every > 0 && (step % every == 0 || step == 1);
    auto* clock = &timer;
    std::optional<PhaseTimer> resumed;
    if (probed && get_int(s_, "snr_batches") > 0) {
      timer.stop();
      {
        const PhaseTimer outside(context_.events, step, "probe", context_.device.is_cuda());
        measure_snr(batch, values);
      }
      clock = &resumed.emplace(context_.events, step, "train", context_.device.is_cuda());
    }
    const auto updates = get_int(s_, "mini_batches") * get_int(s_, "ppo_epochs");
    const auto all = torch::arange(batch.rollout.tokens.size(0));
    for (std::int64_t u = 0; u < updates; ++u) {
      const auto rows =
          all.tensor_split(get_int(s_, "mini_batches"))[static_cast<std::size_t>(u % get_int(s_, "mini_batches"))];
      update(step, batch, rows, probed && u + 1 == updates, *clock, values);
    }
    clock->stop();
    context_.events.metric(step, values);
  }

  double temperature() const { return is_supervised_ ? 1.0 : get_real(s_, "temperature"); }

  /// Rows that are run through the model together at most.
  std::int64_t micro_batch() const {
    const auto n = get_int(s_, "micro_batch");
    return n > 0 ? n : std::numeric_limits<std::int64_t>::max();
  }

  TokenLogProbs logp_of_all(const Qwen3& model, const Rollout& rollout) const {
    const auto count = rollout.tokens.size(0);
    if (count <= micro_batch()) return completion_logp(model, rollout, {}, temperature());
    TokenLogProbs out;
    const auto width = rollout.completion_lengths.max().item<std::int64_t>();
    const auto float32 = torch::TensorOptions(torch::kFloat32).device(rollout.tokens.device());
    out.logp = torch::zeros({count, width}, float32);
    out.mask = torch::zeros({count, width}, float32);
    for (std::int64_t begin = 0; begin < count; begin += micro_batch()) {
      const auto rows = torch::arange(begin, std::min(begin + micro_batch(), count), rollout.tokens.options());
      const auto part = completion_logp(model, rollout, rows, temperature());
      out.logp.narrow(0, begin, rows.size(0)).narrow(1, 0, part.logp.size(1)).copy_(part.logp);
      out.mask.narrow(0, begin, rows.size(0)).narrow(1, 0, part.mask.size(1)).copy_(part.mask);
    }
    return out;
  }

  /// Adds the gradient of the loss over `rows` to .grad. Rows without advantage are left out of the forward pass and
  /// kept in the denominators; with a KL term they carry gradient and stay.
  void backward(const Batch& batch, const torch::Tensor& rows, bool with_old, Named& values) {
    const auto device = context_.device;
    Denominators full;
    full.tokens = batch.rollout.completion_lengths.index_select(0, rows.to(device)).sum().item<double>();
    full.sequences = static_cast<double>(rows.size(0));
    full.width = static_cast<double>(get_int(s_, "max_new_tokens"));
    const bool all_count = is_supervised_ || loss_.kl_coef != 0;
    const auto live = all_count ? rows : rows.masked_select(batch.advantages.index_select(0, rows) != 0);
    if (live.numel() == 0) return;
    const auto by_size = micro_batch() < live.numel() ? (live.numel() + micro_batch() - 1) / micro_batch() : 1;
    const auto parts = std::min(std::max<std::int64_t>(context_.request.accumulation, by_size), live.numel());
    for (const auto* name : {"loss", "clip_fraction", "clip_fraction_lower", "approximate_kl"})
      if (!is_supervised_ || std::string_view(name) == "loss") values[name] = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
      // Σ over parts of a loss with the full batch's denominators is the full batch's loss.
      const auto piece = live.tensor_split(parts)[static_cast<std::size_t>(part)];
      const auto on_device = piece.to(device);
      const auto now = completion_logp(model_, batch.rollout, on_device, temperature());
      if (is_supervised_) {
        const auto loss = -now.logp.sum() / full.tokens;
        loss.backward();
        values["loss"] += loss.item<double>();
        continue;
      }
      const auto width = now.logp.size(1);
      const auto narrow = [&](const TokenLogProbs& x) {
        return x.logp.defined() ? x.logp.index_select(0, on_device).narrow(1, 0, width) : now.logp.detach();
      };
      const auto loss = policy_loss(now.logp, with_old ? narrow(batch.old) : now.logp.detach(), narrow(batch.reference),
                                    batch.advantages.index_select(0, piece).to(device), now.mask, loss_, full);
      loss.loss.backward();
      const double share = static_cast<double>(piece.numel()) / static_cast<double>(live.numel());
      values["loss"] += loss.loss.item<double>();
      values["clip_fraction"] += share * loss.clip_fraction;
      values["clip_fraction_lower"] += share * loss.clip_fraction_lower;
      values["approximate_kl"] += share * loss.approximate_kl;
    }
  }

  /// Zero rather than undefined: when every group ties, momentum still moves the weights, as it does in verl.
  void clear_gradients() {
    for (auto& w : trained_) w.mutable_grad() = torch::zeros_like(w);
  }

  /// grad_snr: of the matrices' gradient at the step's weights, from `snr_batches` micro-batches of whole prompts, each
  /// with its own denominators; before the first update, so on-policy.
  void measure_snr(const Batch& batch, Named& values) {
    GradientSnrMeter meter;
    const auto all = torch::arange(batch.rollout.tokens.size(0));
    for (const auto& rows : all.tensor_split(get_int(s_, "snr_batches"))) {
      clear_gradients();
      Named unused;
      backward(batch, rows, /*with_old=*/false, unused);
      std::vector<torch::Tensor> gradients;
      for (const auto& w : matrices_) gradients.push_back(w.grad());
      meter.add(gradients);
    }
    values["grad_snr"] = meter.value();  // NaN, where every group ties, is left out by the event writer
  }

  /// One optimizer step on the samples `rows`.
  void update(std::int64_t step, const Batch& batch, const torch::Tensor& rows, bool probed, PhaseTimer& timer,
              Named& values) {
    clear_gradients();
    backward(batch, rows, /*with_old=*/true, values);
    const double norm = torch::nn::utils::clip_grad_norm_(trained_, get_real(s_, "grad_clip"));
    values["grad_norm"] = norm;
    if (!std::isfinite(norm)) {
      ++bad_gradients_;
      return;
    }
    bad_gradients_ = 0;
    if (!probed) {
      optimizer_->step();
      return;
    }
    // The clock stops for the probe and goes on for the step itself.
    const bool cuda = context_.device.is_cuda();
    Probe probe(model_.parameters(), *optimizer_, lr_, initial_ ? &*initial_ : nullptr);
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
  const Workload& workload_;
  std::uint64_t seed_;
  std::int64_t steps_;
  bool is_supervised_;
  Qwen3 model_;
  ProblemOrder order_;
  PolicyLossOptions loss_;
  double lr_;
  std::vector<Demonstration> demonstrations_;
  std::vector<torch::Tensor> trained_, matrices_;
  std::unique_ptr<optim::RoutedOptimizer> optimizer_;
  std::optional<Qwen3> reference_;
  std::optional<InitialWeights> initial_;
  int bad_gradients_ = 0;
  std::int64_t resumed_ = 0;
};

}  // namespace

std::vector<Setting> training_settings(bool has_base_demonstrations) {
  const std::vector<std::string> demonstrations =
      has_base_demonstrations ? std::vector<std::string>{"solutions", "base"} : std::vector<std::string>{"solutions"};
  return {
      int_setting("steps", 60, 1, 1000000, "rollout batches"),
      int_setting("eval_every", 5, 1, 1000000, "steps between validations; step 0 and the last always"),
      int_setting("prompts", 16, 1, 65536, "problems per step"),
      int_setting("samples", 8, 1, 4096, "completions per problem"),
      int_setting("mini_batches", 1, 1, 64, "policy updates per epoch of a step; divides prompts"),
      int_setting("ppo_epochs", 1, 1, 64, "times that each step's completions are gone through"),
      int_setting("micro_batch", 0, 0, 1000000, "sequences in one forward and backward pass at most; 0 = no limit"),
      real_setting("temperature", 1.0, 0.01, 10, "of training samples; log-probabilities are taken at it"),
      real_setting("top_p", 1.0, 0.000001, 1, "training samples: least probability mass that is kept"),
      int_setting("top_k", 0, 0, 1000000, "training samples: number of tokens that are kept; 0 = all"),
      real_setting("min_p", 0.0, 0, 1, "training samples: share of the likeliest token's probability that is kept"),
      int_setting("rollout_memory_mib", 1024, 1, 1000000, "for keys, values and logits while sampling"),
      choice_setting("objective", "reward", {"reward", "supervised"},
                     "learn from rewarded completions, or from as many demonstrations"),
      choice_setting("demonstrations", "solutions", demonstrations,
                     "supervised: the problems' worked solutions, or what the base was trained on"),
      choice_setting("policy_loss", "ppo_clip", {"ppo_clip", "geo_mean"}, "GRPO's or GMPO's objective"),
      choice_setting("aggregation", "token-mean",
                     {"token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"},
                     "of token losses (ppo_clip) and of the KL penalty; the last divides by max_new_tokens"),
      real_setting("clip_low", 0.2, 0, 10, "lower clip range"),
      real_setting("clip_high", 0.2, 0, 10, "upper clip range"),
      real_setting("dual_clip", 3.0, 1, 1e6, "bound for negative advantages (ppo_clip)"),
      real_setting("kl_coef", 0.0, 0, 100, "k3 penalty against the base"),
      real_setting("grad_clip", 1.0, 0, 1e9, "global gradient norm; an update with a non-finite norm is skipped"),
      bool_setting("gradient_checkpointing", false, "keep one activation per block, compute the rest again"),
      choice_setting("auxiliary", "trained", {"trained", "frozen"}, "embeddings and norms: trained by AdamW, or kept"),
      int_setting("probe_every", 10, 0, 1000000, "steps between probes; 0 = none"),
      int_setting("snr_batches", 0, 0, 65536,
                  "micro-batches of the gradient's signal-to-noise ratio at each probe; divides prompts; 0 = none"),
  };
}

std::vector<Relation> training_relations() {
  return {divides("mini_batches", "prompts"), divides("snr_batches", "prompts")};
}

BundleSet algorithm_bundles(bool has_base_demonstrations, double grpo_kl) {
  using namespace std::string_literals;
  BundleSet out{
      "algorithm",
      "grpo",
      "policy objective as verl runs it, or supervised learning",
      {{"grpo",
        "token-mean PPO clip",
        {{"policy_loss", "ppo_clip"s}, {"clip_low", 0.2}, {"clip_high", 0.2}, {"kl_coef", grpo_kl}}},
       {"gmpo",
        "geometric-mean ratio, wider clip",
        {{"policy_loss", "geo_mean"s}, {"clip_low", 0.4}, {"clip_high", 0.4}, {"kl_coef", 0.0}}},
       {"sft", "imitate the worked solutions", {{"objective", "supervised"s}, {"demonstrations", "solutions"s}}}}};
  if (has_base_demonstrations)
    out.bundles.push_back({"sft-base",
                           "go on imitating what the base was trained on",
                           {{"objective", "supervised"s}, {"demonstrations", "base"s}}});
  return out;
}

RunOutcome train(RunContext& context, const Workload& workload) {
  PhaseTimer setup(context.events, 0, "setup", context.device.is_cuda());
  Training training(context, workload);
  training.restore();
  setup.stop();
  return training.run();
}

}  // namespace pionbench::rlvr
