/// Suite `vla/backbone`: vision, connectors and language learn to say where things are, from frames of every suite.
/// What a vision-language model brings to the paper's policies; it has seen no action. AdamW alone, whatever the arms
/// that start from it.
///
/// Frames: noisy expert episodes from initial states of their own (5000, ...), every other frame, half of them under a
/// paraphrase. Target: where the object that the instruction means is, and where it shall go, relative to the hand, in
/// decimetres; read by one linear layer from the mean of the action queries, which is thrown away. Loss: mean |error|.

#include <cstring>
#include <random>

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/expert.h"
#include "experiments/vla/sim/vector_env.h"
#include "experiments/vla/train/dataset.h"
#include "experiments/vla/train/suites.h"

namespace pionbench::vla {
namespace {

constexpr int kFirstInit = 5000, kEvery = 2, kTargets = 6, kParaphrases = 48;
constexpr double kUnit = .1;           // metres
constexpr std::int64_t kHeldOut = 16;  // every so many frames one is kept for the report

/// Where what the goal is about lies, and where it shall go: of the first atom that does not hold.
std::array<float, kTargets> places_of(const Scene& scene, const mjData* data) {
  const GoalAtom* atom = &scene.goal.front();
  for (const auto& candidate : scene.goal)
    if (!holds(scene, candidate, data)) {
      atom = &candidate;
      break;
    }
  const mjtNum* what = nullptr;
  const mjtNum* where = nullptr;
  if (atom->joint >= 0) {
    what = where = data->xipos + 3 * scene.joints[static_cast<std::size_t>(atom->joint)].body;
  } else {
    what = data->xpos + 3 * scene.objects[static_cast<std::size_t>(atom->object)].body;
    where = atom->other >= 0 ? data->xpos + 3 * scene.objects[static_cast<std::size_t>(atom->other)].body
                             : data->site_xpos + 3 * scene.places[static_cast<std::size_t>(atom->place)].site;
  }
  const mjtNum* hand = data->xpos + 3 * scene.hand.body;
  std::array<float, kTargets> out;
  for (int k = 0; k < 3; ++k) {
    out[k] = static_cast<float>((what[k] - hand[k]) / kUnit);
    out[3 + k] = static_cast<float>((where[k] - hand[k]) / kUnit);
  }
  return out;
}

struct Frames {
  std::vector<unsigned char> images;
  std::vector<float> proprio, targets;
  std::vector<std::int64_t> instruction;
  std::vector<std::string> instructions;
  std::int64_t count() const { return static_cast<std::int64_t>(instruction.size()); }
};

void record(const TaskSuite& suite, int episodes, int image_size, int threads, Frames& out) {
  const auto tasks = load_tasks(suite);
  std::vector<Trial> trials;
  for (const auto& task : tasks)
    for (int k = 0; k < episodes; ++k) trials.push_back({&task, kFirstInit + k, {}});
  VectorEnv env(trials, {.image_size = image_size, .threads = threads});
  std::vector<Random> random;
  const auto first = static_cast<std::int64_t>(out.instructions.size());
  for (int i = 0; i < env.size(); ++i) {
    random.emplace_back(fnv1a(env.trial(i).task->file.name) + static_cast<std::uint64_t>(env.trial(i).init));
    Perturbation paraphrase;
    if (env.trial(i).init % 2) {
      paraphrase.category = Category::kLanguage;
      paraphrase.number = random.back().below(kParaphrases);
    }
    out.instructions.push_back(perturb_instruction(*env.trial(i).task, paraphrase));
  }
  std::vector<float> actions(static_cast<std::size_t>(env.size()) * kActionSize);
  std::vector<std::array<float, kTargets>> places(static_cast<std::size_t>(env.size()));
  for (int step = 0; !env.running().empty(); ++step) {
    const auto ids = env.running();
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      const Action action = with_noise(expert_action(env.scene(i), data), {.translation = .25}, random[i]);
      std::ranges::copy(action, actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
      places[i] = places_of(env.scene(i), data);
    });
    if (step % kEvery == 0) {
      env.render();
      for (const int i : ids) {
        for (int camera = 0; camera < 2; ++camera)
          out.images.insert(out.images.end(), env.image(i, camera).begin(), env.image(i, camera).end());
        const auto proprio = env.proprio().subspan(static_cast<std::size_t>(i) * kProprioSize, kProprioSize);
        out.proprio.insert(out.proprio.end(), proprio.begin(), proprio.end());
        out.targets.insert(out.targets.end(), places[i].begin(), places[i].end());
        out.instruction.push_back(first + i);
      }
    }
    env.step(actions);
  }
}

class Pretraining {
 public:
  explicit Pretraining(RunContext& context)
      : context_(context),
        s_(context.settings()),
        seed_(static_cast<std::uint64_t>(get_int(s_, "backbone_seed"))),
        policy_(backbone_config(s_, Vocabulary::of_all_suites().words()), seed_, context.device, context.dtype),
        order_(seed_ + 0xbacull) {
    const auto image_size = get_int(s_, "image_size");
    for (const auto& suite : task_suites())
      record(suite, static_cast<int>(get_int(s_, "backbone_episodes")), static_cast<int>(image_size),
             context.request.threads, frames_);
    const auto n = frames_.count();
    images_ = torch::from_blob(frames_.images.data(), {n, 2, image_size, image_size, 3}, torch::kUInt8);
    // The range that the suites' own quantiles have, roughly; each suite brings its own later.
    Normaliser normaliser({std::vector<double>(kActionSize, -1), std::vector<double>(kActionSize, 1)},
                          quantiles_of(frames_.proprio, kProprioSize));
    proprio_ = torch::empty({n, kProprioSize}, torch::kFloat32);
    for (std::int64_t i = 0; i < n; ++i)
      normaliser.normalise_proprio(
          std::span(frames_.proprio).subspan(static_cast<std::size_t>(i) * kProprioSize, kProprioSize),
          {proprio_[i].data_ptr<float>(), kProprioSize});
    targets_ = torch::from_blob(frames_.targets.data(), {n, kTargets}, torch::kFloat32);
    words_ = policy_.encode_words(frames_.instructions);
    for (std::int64_t i = 0; i < n; ++i) (i % kHeldOut ? train_ : held_out_).push_back(i);
    const auto width = policy_.config().width;
    auto generator = at::detail::createCPUGenerator(seed_ + 1);
    readout_ =
        (torch::randn({kTargets, width}, generator, torch::TensorOptions()) / std::sqrt(static_cast<double>(width)))
            .to(context.device)
            .set_requires_grad(true);
    for (const auto& p : policy_.parameters())
      if (p.modality != optim::Modality::kAction) trained_.push_back(p);
    trained_.push_back({"readout", readout_, optim::Role::kOutput, optim::Modality::kOther});
    for (const auto& p : trained_) tensors_.push_back(p.tensor);
    optimizer_ = std::make_unique<torch::optim::AdamW>(
        tensors_, torch::optim::AdamWOptions(get_real(s_, "backbone_lr")).betas({.9, .99}).weight_decay(.01));
    resumed_ = context.checkpoint.restore([&](torch::serialize::InputArchive& state) {
      read_parameters(state, trained_);
      read_part(state, "optimizer", *optimizer_);
      read_random(state, "order", order_);
    });
  }

  RunOutcome run() {
    const auto steps = get_int(s_, "backbone_steps"), batch = get_int(s_, "backbone_batch");
    const bool cuda = context_.device.is_cuda();
    if (context_.checkpoint.resumed_from() < 0)
      context_.events.metric(0, {{"frames", static_cast<double>(frames_.count())}});
    for (std::int64_t step = resumed_ + 1; step <= steps; ++step) {
      if (context_.stop_requested()) {
        save(step - 1);
        return {RunStatus::kInterrupted, step - 1};
      }
      PhaseTimer timer(context_.events, step, "train", cuda);
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < batch; ++i) rows.push_back(train_[order_() % train_.size()]);
      optimizer_->zero_grad();
      const auto loss = error(rows).mean();
      loss.backward();
      torch::nn::utils::clip_grad_norm_(tensors_, 1.0);
      const double factor = schedule_factor(step, steps, std::min<std::int64_t>(50, steps / 10), true, 0);
      for (auto& group : optimizer_->param_groups()) group.options().set_lr(get_real(s_, "backbone_lr") * factor);
      optimizer_->step();
      const double value = loss.item<double>();
      timer.stop();
      if (!std::isfinite(value))
        return {RunStatus::kDiverged, step, "the loss is not finite at step " + std::to_string(step)};
      if (step % 10 == 0 || step == steps) {
        context_.events.metric(step, {{"loss", value}});
        context_.events.progress(step, steps);
      }
      if (step % 500 == 0 || step == steps) report(step);
      if (context_.checkpoint.is_due()) save(step);
    }
    const PhaseTimer timer(context_.events, steps, "save", cuda);
    make_directories(context_.artifacts());
    policy_.save(context_.artifacts(), /*backbone_only=*/true);
    for (const char* name : {"policy.json", "model.safetensors"})
      context_.events.artifact("backbone", std::string("artifacts/") + name,
                               static_cast<std::int64_t>(std::filesystem::file_size(context_.artifacts() / name)));
    return {RunStatus::kDone, steps};
  }

 private:
  /// |error| in decimetres, [rows, 6].
  torch::Tensor error(const std::vector<std::int64_t>& rows) {
    const auto index = torch::tensor(rows, torch::kInt64);
    std::vector<std::int64_t> said;
    for (const auto row : rows) said.push_back(frames_.instruction[static_cast<std::size_t>(row)]);
    const auto device = context_.device;
    const Observation observation = {
        to_floats(images_.index_select(0, index).to(device), policy_.config().image, torch::kFloat32),
        words_.index_select(0, torch::tensor(said, torch::kInt64)).to(device),
        proprio_.index_select(0, index).to(device)};
    const auto features = policy_.encode(observation);
    const auto& last = features.states.back();
    const auto queries = last.narrow(1, last.size(1) - features.queries, features.queries).mean(1);
    const auto found = torch::linear(queries.to(readout_.scalar_type()), readout_);
    return (found - targets_.index_select(0, index).to(device)).abs();
  }

  void report(std::int64_t step) {
    const torch::NoGradGuard no_grad;
    const PhaseTimer timer(context_.events, step, "evaluate", context_.device.is_cuda());
    torch::Tensor sum = torch::zeros({kTargets});
    for (std::size_t begin = 0; begin < held_out_.size(); begin += 256) {
      const auto end = std::min(held_out_.size(), begin + 256);
      sum += error({held_out_.begin() + static_cast<std::ptrdiff_t>(begin),
                    held_out_.begin() + static_cast<std::ptrdiff_t>(end)})
                 .sum(0)
                 .to(torch::kCPU, torch::kFloat32);
    }
    const auto mean = sum / static_cast<double>(held_out_.size()) * (kUnit * 100);
    context_.events.evaluation(step, "validation",
                               {{"object_error_cm", mean.narrow(0, 0, 3).mean().item<double>()},
                                {"target_error_cm", mean.narrow(0, 3, 3).mean().item<double>()},
                                {"error_cm", mean.mean().item<double>()}});
  }

  void save(std::int64_t step) {
    context_.checkpoint.save(step, [&](torch::serialize::OutputArchive& state) {
      write_parameters(state, trained_);
      write_part(state, "optimizer", *optimizer_);
      write_random(state, "order", order_);
    });
  }

  RunContext& context_;
  const Values& s_;
  std::uint64_t seed_;
  Policy policy_;
  std::mt19937_64 order_;
  Frames frames_;
  torch::Tensor images_, proprio_, targets_, words_, readout_;
  std::vector<std::int64_t> train_, held_out_;
  std::vector<optim::Parameter> trained_;
  std::vector<torch::Tensor> tensors_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
  std::int64_t resumed_ = 0;
};

RunOutcome run_backbone(RunContext& context) {
  PhaseTimer setup(context.events, 0, "setup", context.device.is_cuda());
  Pretraining pretraining(context);
  setup.stop();
  return pretraining.run();
}

}  // namespace

SuiteEntry backbone_suite() {
  SuiteInfo info;
  info.name = kBackbone;
  info.title = "Pre-trained backbone of the robot policies";
  info.help = "vision and language learn where the instruction's object and its place are; no actions; AdamW";
  info.takes_optimizer = false;
  info.primary_metric = "evaluation/validation/error_cm";
  info.higher_is_better = false;
  info.table = {backbone_settings(), {model_bundles()}};
  return {info, run_backbone};
}

}  // namespace pionbench::vla
