/// Suites `vla/object`, `vla/spatial`, `vla/goal`, `vla/long` and `vla/robot`: behaviour cloning from the suite's
/// demonstrations, the whole policy trained, and closed-loop success on the fixed initial states. All arms of a seed
/// have the same backbone, head, batches and augmentation. Rollouts are outside the training clock.
///
/// evaluation/test/success (initial states 0, 1, ...) at every `eval_every` steps and at the end; no step is selected
/// by it: the last one is the result, as in the papers. evaluation/validation/success where tuning asks for it.

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/data/demonstrations.h"
#include "experiments/vla/policy/losses.h"
#include "experiments/vla/train/dataset.h"
#include "experiments/vla/train/rollout.h"
#include "experiments/vla/train/suites.h"
#include "experiments/worker/probe.h"
#include "experiments/worker/training_loop.h"
#include "optim/registry.h"
#include "optim/spectral/metrics.h"

namespace pionbench::vla {
namespace {

constexpr int kFirstValidationInit = 500;

Augmentation augmentation_of(const std::string& name) {
  return name == "none" ? Augmentation::kNone : name == "crop" ? Augmentation::kCrop : Augmentation::kFull;
}

std::vector<std::string> names_of(const std::vector<SuiteTask>& tasks) {
  std::vector<std::string> out;
  for (const auto& task : tasks) out.push_back(task.file.name);
  return out;
}

Policy start_policy(RunContext& context, const std::filesystem::path& base) {
  const Values& s = context.settings();
  Policy policy(policy_config(s, Vocabulary::of_all_suites().words()), static_cast<std::uint64_t>(get_int(s, "seed")),
                context.device, context.dtype);
  policy.load_backbone(base);
  return policy;
}

class Training {
 public:
  explicit Training(RunContext& context)
      : context_(context),
        s_(context.settings()),
        suite_(task_suite_of(context.request.config.suite)),
        tasks_(load_tasks(suite_)),
        seed_(static_cast<std::uint64_t>(get_int(s_, "seed"))),
        steps_(get_int(s_, "steps")),
        base_(context.input(base_of(suite_))),
        policy_(start_policy(context, base_)),
        normaliser_(Normaliser::load(base_ / "normaliser.json")),
        data_(load_demonstration_folder(base_, {.tasks = names_of(tasks_)}), normaliser_, policy_,
              get_int(s_, "image_size")),
        lr_(get_real(context.hyper(), "lr")) {
    for (const auto& p : policy_.parameters()) tensors_.push_back(p.tensor);
    optimizer_ = optim::find_optimizer(context.request.config.optimizer).make(policy_.parameters(), context.hyper());
    resumed_ = context.checkpoint.restore([&](torch::serialize::InputArchive& state) {
      read_parameters(state, policy_.parameters());
      read_part(state, "optimizer", *optimizer_);
      bad_gradients_ = static_cast<int>(read_value(state, "bad_gradients"));
    });
  }

  RunOutcome run() {
    if (context_.checkpoint.resumed_from() < 0) spectra(0);
    auto outcome = run_steps(context_, {.resumed = resumed_,
                                        .steps = steps_,
                                        .step = evaluated_step(
                                            context_, steps_, get_int(s_, "eval_every"),
                                            [&](std::int64_t step) {
                                              train_step(step);
                                              return bad_gradients_;
                                            },
                                            [&](std::int64_t step) { evaluate(step); }),
                                        .save = [&](std::int64_t step) { save(step); }});
    if (outcome.status != RunStatus::kDone) return outcome;
    spectra(steps_);
    leave_policy();
    return outcome;
  }

 private:
  torch::Tensor loss_of(const Batch& batch, std::int64_t step) const {
    const auto features = policy_.encode(batch.observation);
    if (policy_.config().head == HeadKind::kL1)
      return chunk_l1_loss(policy_.chunk(features).to(batch.actions.scalar_type()), batch.actions);
    const auto actions = batch.actions.repeat_interleave(get_int(s_, "flow_draws"), 0);
    auto generator = at::detail::createCPUGenerator((seed_ << 32) + static_cast<std::uint64_t>(step));
    const auto noise = torch::randn(actions.sizes(), generator, torch::TensorOptions()).to(actions.device());
    const auto sigma = torch::rand({actions.size(0)}, generator, torch::TensorOptions()).to(actions.device());
    const auto sample = flow_sample(actions, noise, sigma);
    const auto velocity = policy_.velocity(features, sample.noisy, sigma).to(actions.scalar_type());
    return flow_loss(velocity, sample, actions, sigma, get_real(s_, "dct_weight"));
  }

  void train_step(std::int64_t step) {
    const bool cuda = context_.device.is_cuda();
    PhaseTimer timer(context_.events, step, "train", cuda);
    const double factor = schedule_factor(step, steps_, get_int(s_, "warmup"), get_text(s_, "schedule") == "cosine",
                                          get_real(s_, "last_lr"));
    optimizer_->set_lr_factor(factor);
    const auto batch = data_.batch(seed_, step, get_int(s_, "batch"), augmentation_of(get_text(s_, "augment")));
    for (auto& w : tensors_) w.mutable_grad() = torch::Tensor();
    const auto loss = loss_of(batch, step);
    loss.backward();
    Named values = {{"loss", loss.item<double>()}, {"lr", lr_ * factor}};
    if (const double most = get_real(s_, "grad_clip"); most > 0)
      values["grad_norm"] = torch::nn::utils::clip_grad_norm_(tensors_, most);
    const auto every = get_int(s_, "probe_every");
    const bool probed = every > 0 && (step % every == 0 || step == 1);
    // The clock stops for the probe and goes on for the step itself.
    std::optional<Probe> probe;
    if (probed) {
      probe.emplace(policy_.parameters(), *optimizer_, lr_ * factor, nullptr, update_scale());
      timer.stop();
      const PhaseTimer outside(context_.events, step, "probe", cuda);
      probe->before();
    }
    {
      std::optional<PhaseTimer> inside;
      if (probed) inside.emplace(context_.events, step, "train", cuda);
      bad_gradients_ = optimizer_->step().applied() ? 0 : bad_gradients_ + 1;
    }
    if (probed) {
      const PhaseTimer outside(context_.events, step, "probe", cuda);
      probe->after(step, context_.events);
    } else {
      timer.stop();
    }
    if (probed || step % 10 == 0 || step == steps_) context_.events.metric(step, values);
  }

  /// s of the step rule where the probe can undo it: whole matrices under √max; 0 elsewhere.
  double update_scale() const {
    const Values& h = context_.hyper();
    if (!h.contains("update_scale") || get_text(h, "scale_rule") != "sqrt_max" || get_text(h, "heads") != "whole")
      return 0;
    return get_real(h, "update_scale");
  }

  void evaluate(std::int64_t step) {
    const PhaseTimer timer(context_.events, step, "evaluate", context_.device.is_cuda());
    RolloutOptions options;
    options.execute = get_int(s_, "execute");
    options.flow_steps = get_int(s_, "flow_steps");
    options.image_size = static_cast<int>(get_int(s_, "image_size"));
    options.threads = context_.request.threads;
    options.seed = seed_;
    const auto on = [&](const char* split, std::int64_t per_task, int first) {
      if (per_task == 0) return;
      const auto trials = plain_trials(tasks_, per_task, first);
      report_rollout(step, split, trials, rollout(policy_, normaliser_, trials, options), context_.events);
    };
    on("validation", get_int(s_, "validation_trials"), kFirstValidationInit);
    on("test", get_int(s_, "trials"), 0);
  }

  /// Singular values of the action head's matrices, largest first: curve "action_spectrum", variant "<matrix> step N".
  void spectra(std::int64_t step) {
    const torch::NoGradGuard no_grad;
    const PhaseTimer timer(context_.events, step, "probe");
    for (const auto& p : policy_.parameters()) {
      if (p.modality != optim::Modality::kAction || !optim::is_matrix(p.role)) continue;
      const auto s = optim::singular_values(p.tensor.detach()).to(torch::kCPU, torch::kFloat64).contiguous();
      std::vector<double> x, y(s.data_ptr<double>(), s.data_ptr<double>() + s.numel());
      std::ranges::sort(y, std::greater());
      for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i + 1));
      context_.events.curve("action_spectrum", p.name + " step " + std::to_string(step), x, y);
    }
  }

  void leave_policy() {
    const PhaseTimer timer(context_.events, steps_, "save");
    const auto folder = context_.artifacts();
    make_directories(folder);
    policy_.save(folder);
    write_file_atomic(folder / "normaliser.json", read_file(base_ / "normaliser.json"));
    for (const char* name : {"policy.json", "model.safetensors", "normaliser.json"})
      context_.events.artifact("policy", std::string("artifacts/") + name,
                               static_cast<std::int64_t>(std::filesystem::file_size(folder / name)));
  }

  void save(std::int64_t step) {
    context_.checkpoint.save(step, [&](torch::serialize::OutputArchive& state) {
      write_parameters(state, policy_.parameters());
      write_part(state, "optimizer", *optimizer_);
      write_value(state, "bad_gradients", bad_gradients_);
    });
  }

  RunContext& context_;
  const Values& s_;
  const TaskSuite& suite_;
  std::vector<SuiteTask> tasks_;
  std::uint64_t seed_;
  std::int64_t steps_;
  std::filesystem::path base_;
  Policy policy_;
  Normaliser normaliser_;
  Dataset data_;
  double lr_;
  std::vector<torch::Tensor> tensors_;
  std::unique_ptr<optim::RoutedOptimizer> optimizer_;
  int bad_gradients_ = 0;
  std::int64_t resumed_ = 0;
};

RunOutcome run_training(RunContext& context) {
  PhaseTimer setup(context.events, 0, "setup", context.device.is_cuda());
  Training training(context);
  setup.stop();
  return training.run();
}

}  // namespace

SuiteEntry training_suite(const TaskSuite& tasks) {
  SuiteInfo info;
  info.version = 4;
  info.name = tasks.name;
  info.title = "Robot policies, " + tasks.title;
  info.help = "behaviour cloning in the spirit of " + tasks.counterpart +
              ", closed-loop success in MuJoCo; backbone and demonstrations shared by all arms";
  info.primary_metric = "evaluation/test/success";
  info.prerequisite = base_of(tasks);
  info.table = {training_settings(tasks), {model_bundles(), recipe_bundles()}, training_relations()};
  return {info, run_training};
}

}  // namespace pionbench::vla
