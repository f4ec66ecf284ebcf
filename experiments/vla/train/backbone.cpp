/// Suite `vla/backbone`: vision, connectors and language learn to say where things are, from frames of every suite.
/// What a vision-language model brings to the paper's policies; it has seen no action. AdamW alone, whatever the arms
/// that start from it.
///
/// Frames: noisy expert episodes from initial states of their own (5000, ...), every other frame, with the augmentation
/// of training; half of them under a paraphrase, of which those with number mod 12 ≥ 8 are left for evaluation.
/// What is learned, by layers that are thrown away, as detection and referring expressions are by a vision-language
/// model:
///   naming    behind the vision module: which kind of object a patch shows at its centre, or none
///   pointing  behind half of the language layers: in which patch of each view the object lies that the instruction
///             means, and the place where it shall go; and how far both are from the hand, read from that patch
///   looking   the same two, by the attention of the action queries in the last language layer: one head each
///   places    from every action query at the end: the same distances, in decimetres
/// Loss: error² + 0.3 |error| of the distances (|error| alone is content with their median, that of a thing already
/// held) and cross-entropies. Without naming and pointing the queries learned the median
/// of their targets and nothing of the pictures in a thousand steps (docs/vla.md).

#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/expert.h"
#include "experiments/vla/sim/vector_env.h"
#include "experiments/vla/train/dataset.h"
#include "experiments/vla/train/suites.h"
#include "experiments/worker/training_loop.h"

namespace pionbench::vla {
namespace {

constexpr int kFirstInit = 5000, kEvery = 2, kTargets = 6;
constexpr int kFrames = 12, kHeardFrames = 8, kStyles = 4;  // of perturb_instruction; the other four are held out
constexpr double kUnit = .1;                                // metres
constexpr std::int64_t kHeldOut = 9;                        // one of so many episodes is kept for the report
constexpr int kLongest = 45;  // actions; longer episodes are mostly an object that rolled away
constexpr int kMarks = 8;     // objects of a scene that are named
constexpr double kErrorWeight = .3, kNamingWeight = .3, kPointingWeight = .3, kNoneWeight = .1;
constexpr float kHeld = .25F;  // decimetres from the hand in every direction
constexpr double kHeldShare = .3;
constexpr float kFar = .4F;  // decimetres between hand and object, horizontally: only the words tell which it is

/// What the goal is about and where it shall go: of the first atom that does not hold.
std::array<const mjtNum*, 2> meant(const Scene& scene, const mjData* data) {
  const GoalAtom* atom = &scene.goal.front();
  for (const auto& candidate : scene.goal)
    if (!holds(scene, candidate, data)) {
      atom = &candidate;
      break;
    }
  if (atom->joint >= 0) {
    const auto* joint = data->xipos + 3 * scene.joints[static_cast<std::size_t>(atom->joint)].body;
    return {joint, joint};
  }
  return {data->xpos + 3 * scene.objects[static_cast<std::size_t>(atom->object)].body,
          atom->other >= 0 ? data->xpos + 3 * scene.objects[static_cast<std::size_t>(atom->other)].body
                           : data->site_xpos + 3 * scene.places[static_cast<std::size_t>(atom->place)].site};
}

/// Labels of one frame.
struct Labels {
  std::array<float, kTargets> distances;  ///< of what is meant and of where it shall go, from the hand; decimetres
  /// Both, then the scene's objects, in each view (seen_at); −1 where there is nothing to see.
  std::array<float, 2 * (2 + kMarks) * 2> marks;
};

Labels labels_of(const Scene& scene, const mjModel* model, const mjData* data) {
  Labels out;
  const auto things = meant(scene, data);
  const mjtNum* hand = data->xpos + 3 * scene.hand.body;
  for (int i = 0; i < 2; ++i)
    for (int k = 0; k < 3; ++k)
      out.distances[static_cast<std::size_t>(3 * i + k)] = static_cast<float>((things[i][k] - hand[k]) / kUnit);
  out.marks.fill(-1);
  float* mark = out.marks.data();
  for (const int camera : {scene.hand.agent_camera, scene.hand.wrist_camera}) {
    for (const auto* thing : things) seen_at(model, data, camera, thing, std::exchange(mark, mark + 2));
    for (std::size_t k = 0; k < kMarks; ++k, mark += 2)
      if (k < scene.objects.size()) seen_at(model, data, camera, data->xpos + 3 * scene.objects[k].body, mark);
  }
  return out;
}

struct Frames {
  std::vector<unsigned char> images;
  std::vector<float> proprio, targets, marks;
  std::vector<std::int64_t> instruction;
  std::vector<std::int64_t> kinds;  ///< [instructions, kMarks]: 1 + the kind of the scene's objects, 0 for no object
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
      paraphrase.number = random.back().below(kHeardFrames) + kFrames * random.back().below(kStyles);
    }
    out.instructions.push_back(perturb_instruction(*env.trial(i).task, paraphrase));
    const auto& objects = env.scene(i).objects;
    for (std::size_t k = 0; k < kMarks; ++k)
      out.kinds.push_back(k < objects.size() ? 1 + (objects[k].kind - object_kinds().data()) : 0);
  }
  std::vector<float> actions(static_cast<std::size_t>(env.size()) * kActionSize);
  std::vector<Labels> labels(static_cast<std::size_t>(env.size()));
  for (int step = 0; !env.running().empty(); ++step) {
    const auto ids = env.running();
    env.inspect(ids, [&](int i, const mjModel* model, const mjData* data) {
      const Action action = with_noise(expert_action(env.scene(i), data), {.translation = .2}, random[i]);
      std::ranges::copy(action, actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
      labels[i] = labels_of(env.scene(i), model, data);
    });
    if (step % kEvery == 0) {
      env.render();
      for (const int i : ids) {
        // What is held already lies at zero: most of such frames are left out.
        const auto& d = labels[i].distances;
        const bool held = std::abs(d[0]) < kHeld && std::abs(d[1]) < kHeld && std::abs(d[2]) < kHeld;
        if (held && random[i].uniform() > kHeldShare) continue;
        for (int camera = 0; camera < 2; ++camera)
          out.images.insert(out.images.end(), env.image(i, camera).begin(), env.image(i, camera).end());
        const auto proprio = env.proprio().subspan(static_cast<std::size_t>(i) * kProprioSize, kProprioSize);
        out.proprio.insert(out.proprio.end(), proprio.begin(), proprio.end());
        out.targets.insert(out.targets.end(), labels[i].distances.begin(), labels[i].distances.end());
        out.marks.insert(out.marks.end(), labels[i].marks.begin(), labels[i].marks.end());
        out.instruction.push_back(first + i);
      }
    }
    env.step(actions);
    if (step == kLongest) break;  // what has gone wrong until then will go on so
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
      if (get_text(s_, "backbone_suites") == "all" || suite.name == "vla/object" || suite.name == "vla/robot")
        record(suite, static_cast<int>(get_int(s_, "backbone_episodes")), static_cast<int>(image_size),
               context.request.threads, frames_);
    const auto n = frames_.count();
    images_ = torch::from_blob(frames_.images.data(), {n, 2, image_size, image_size, 3}, torch::kUInt8);
    // Every suite keeps this range: the backbone knows by it how many centimetres of a picture are how much of the
    // hand's place, and no demonstrations may move that.
    normaliser_.emplace(Quantiles{std::vector<double>(kActionSize, -1), std::vector<double>(kActionSize, 1)},
                        quantiles_of(frames_.proprio, kProprioSize));
    proprio_ = torch::empty({n, kProprioSize}, torch::kFloat32);
    for (std::int64_t i = 0; i < n; ++i)
      normaliser_->normalise_proprio(
          std::span(frames_.proprio).subspan(static_cast<std::size_t>(i) * kProprioSize, kProprioSize),
          {proprio_[i].data_ptr<float>(), kProprioSize});
    targets_ = torch::from_blob(frames_.targets.data(), {n, kTargets}, torch::kFloat32);
    marks_ = torch::from_blob(frames_.marks.data(), {n, 2, 2 + kMarks, 2}, torch::kFloat32) *
             static_cast<double>(image_size);
    kinds_ = torch::from_blob(frames_.kinds.data(), {static_cast<std::int64_t>(frames_.instructions.size()), kMarks},
                              torch::kInt64);
    none_weight_ = torch::ones({1 + static_cast<std::int64_t>(object_kinds().size())});
    none_weight_[0] = kNoneWeight;
    none_weight_ = none_weight_.to(context.device);
    words_ = policy_.encode_words(frames_.instructions);
    for (std::int64_t i = 0; i < n; ++i)
      (frames_.instruction[static_cast<std::size_t>(i)] % kHeldOut ? train_ : held_out_).push_back(i);
    const auto width = policy_.config().width;
    auto generator = at::detail::createCPUGenerator(seed_ + 1);
    for (const auto& p : policy_.parameters())
      if (p.modality != optim::Modality::kAction) trained_.push_back(p);
    const auto add = [&](const char* name, std::int64_t rows, std::int64_t columns) {
      const auto w =
          (torch::randn({rows, columns}, generator, torch::TensorOptions()) / std::sqrt(static_cast<double>(columns)))
              .to(context.device)
              .set_requires_grad(true);
      trained_.push_back({name, w, optim::Role::kOutput, optim::Modality::kOther});
      return w;
    };
    naming_ = add("naming", none_weight_.size(0), policy_.config().vision_width);
    pointing_ = add("pointing", 2, width);
    place_ = add("place", kTargets, width);
    readout_ = add("readout", kTargets, width);
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
    const auto train = [&](std::int64_t step) -> std::optional<std::string> {
      PhaseTimer timer(context_.events, step, "train", cuda);
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < batch; ++i) rows.push_back(train_[order_() % train_.size()]);
      Random random(order_());
      optimizer_->zero_grad();
      const auto part = parts(rows, Augmentation::kFull, random);
      const auto loss = part.squared + kErrorWeight * part.error.mean() + part.place + kNamingWeight * part.naming +
                        kPointingWeight * (part.pointing + part.looking);
      loss.backward();
      torch::nn::utils::clip_grad_norm_(tensors_, 1.0);
      const double factor = schedule_factor(step, steps, std::min<std::int64_t>(50, steps / 10), true, 0);
      for (auto& group : optimizer_->param_groups()) group.options().set_lr(get_real(s_, "backbone_lr") * factor);
      optimizer_->step();
      const double value = loss.item<double>();
      timer.stop();
      if (!std::isfinite(value)) return "the loss is not finite at step " + std::to_string(step);
      if (step % 10 == 0 || step == steps) {
        context_.events.metric(step, {{"loss", value}});
        context_.events.progress(step, steps);
      }
      if (step % 500 == 0 || step == steps) report(step);
      return std::nullopt;
    };
    auto outcome = run_steps(
        context_, {.resumed = resumed_, .steps = steps, .step = train, .save = [&](std::int64_t step) { save(step); }});
    if (outcome.status != RunStatus::kDone) return outcome;
    const PhaseTimer timer(context_.events, steps, "save", cuda);
    make_directories(context_.artifacts());
    policy_.save(context_.artifacts(), /*backbone_only=*/true);
    normaliser_->save(context_.artifacts() / "normaliser.json");
    for (const char* name : {"policy.json", "model.safetensors", "normaliser.json"})
      context_.events.artifact("backbone", std::string("artifacts/") + name,
                               static_cast<std::int64_t>(std::filesystem::file_size(context_.artifacts() / name)));
    return outcome;
  }

 private:
  struct Parts {
    torch::Tensor error;  ///< |error| of the queries' distances in decimetres, [rows, 6]
    torch::Tensor squared, naming, pointing, looking, place;  ///< losses
    double named = 0, pointed_what = 0, pointed_where = 0;    ///< parts of the visible ones that are right
  };
  Parts parts(const std::vector<std::int64_t>& rows, Augmentation augmentation, Random& random) {
    const auto device = context_.device;
    const auto& config = policy_.config();
    const auto index = torch::tensor(rows, torch::kInt64);
    std::vector<std::int64_t> said_rows, cuts;
    for (const auto row : rows) said_rows.push_back(frames_.instruction[static_cast<std::size_t>(row)]);
    const auto said = torch::tensor(said_rows, torch::kInt64);
    // Only as many words as the longest of these: the rest is padding.
    auto words = words_.index_select(0, said);
    words = words.narrow(1, 0, (words != Vocabulary::kPad).sum(1).max().item<std::int64_t>());
    const auto batch = index.size(0), per_view = config.patches() / 2, grid = config.image / config.patch;
    const Observation observation = {augmented(images_, rows, config.image, augmentation, random, &cuts).to(device),
                                     words.to(device), proprio_.index_select(0, index).to(device)};
    const auto features = policy_.encode(observation, /*with_looks=*/true);
    const auto target = targets_.index_select(0, index).to(device);
    const auto wide = [&](const torch::Tensor& x) { return x.to(readout_.scalar_type()); };

    // The patch of every mark, [batch, 2, 2 + kMarks]; −1: beside the picture.
    const auto at = ((marks_.index_select(0, index) - torch::tensor(cuts, torch::kInt64).view({batch, 2, 1, 2})) /
                     static_cast<double>(config.patch))
                        .floor();
    const auto inside = torch::logical_and(at >= 0, at < grid).all(-1);
    const auto column_row = at.clamp(0, static_cast<double>(grid - 1)).to(torch::kInt64);
    const auto cell = torch::where(inside, column_row.select(-1, 1) * grid + column_row.select(-1, 0),
                                   torch::full({}, -1, torch::kInt64));

    Parts out;
    const auto& last = features.states.back();
    // Every query by itself, by one map: what attention over them can then read with any weights.
    const auto queries = last.narrow(1, last.size(1) - features.queries, features.queries);
    const auto off = torch::linear(wide(queries), readout_) - target.unsqueeze(1);  // [batch, queries, 6]
    out.error = off.abs().mean(1);
    out.squared = off.square().mean();

    // Names by patch; where two objects share one, the later of the scene.
    auto names = torch::zeros({batch, 2, per_view + 1}, torch::kInt64);
    const auto kinds = kinds_.index_select(0, said);
    for (std::int64_t k = 0; k < kMarks; ++k) {
      const auto kind = kinds.select(1, k).view({batch, 1}).expand({batch, 2});
      const auto seen = cell.select(2, 2 + k);
      // What is not there falls into a patch of its own.
      names.scatter_(
          2, torch::where((seen >= 0) & (kind > 0), seen, torch::full({}, per_view, torch::kInt64)).unsqueeze(2),
          kind.unsqueeze(2));
    }
    const auto labels = names.narrow(2, 0, per_view).reshape({-1}).to(device);
    const auto scores = torch::linear(wide(features.vision), naming_).view({-1, none_weight_.size(0)});
    out.naming = torch::cross_entropy_loss(scores, labels, none_weight_);
    out.named = share_right(scores, labels, labels > 0);

    const auto patches = wide(features.states[(features.states.size() - 1) / 2].narrow(1, 0, features.patches));
    const auto points = torch::linear(patches, pointing_).view({batch * 2, per_view, 2});
    const auto places = torch::linear(patches, place_).view({batch * 2, per_view, kTargets});
    for (std::int64_t i = 0; i < 2; ++i) {
      const auto patch = cell.select(2, i).reshape({-1}).to(device);
      const auto logits = points.select(2, i);
      const auto loss = torch::cross_entropy_loss(logits, patch, {}, at::Reduction::Mean, /*ignore_index=*/-1);
      const auto there = places.gather(1, patch.clamp_min(0).view({-1, 1, 1}).expand({-1, 1, kTargets})).squeeze(1);
      const auto wanted = target.narrow(1, 3 * i, 3).repeat_interleave(2, 0);
      const auto visible = (patch >= 0).to(there.scalar_type()).unsqueeze(1);
      const auto off = ((there.narrow(1, 3 * i, 3) - wanted).abs() * visible).sum() / (3 * visible.sum().clamp_min(1));
      out.pointing = i == 0 ? loss : out.pointing + loss;
      out.place = i == 0 ? off : out.place + off;
      (i == 0 ? out.pointed_what : out.pointed_where) = share_right(logits, patch, patch >= 0);
      // Half of the attention on each view's patch, or all of it on the only one.
      const auto keys = (cell.select(2, i) + torch::tensor({std::int64_t{0}, per_view})).to(device);  // [batch, 2]
      const auto shown = (cell.select(2, i) >= 0).to(device, there.scalar_type());
      const auto share = (shown / shown.sum(1, true).clamp_min(1)).unsqueeze(1);  // [batch, 1, 2]
      const auto seen = wide(features.looks.select(1, i))
                            .gather(2, keys.clamp_min(0).unsqueeze(1).expand({batch, config.queries, 2}));
      const auto looked = -(seen * share).sum() / static_cast<double>(batch * config.queries);
      out.looking = i == 0 ? looked : out.looking + looked;
    }
    return out;
  }

  static double share_right(const torch::Tensor& scores, const torch::Tensor& labels, const torch::Tensor& counted) {
    const auto right = (scores.detach().argmax(-1) == labels) & counted;
    return right.sum().item<double>() / std::max(1., counted.sum().item<double>());
  }

  void report(std::int64_t step) {
    const torch::NoGradGuard no_grad;
    const PhaseTimer timer(context_.events, step, "evaluate", context_.device.is_cuda());
    Random unused(0);
    std::vector<torch::Tensor> errors;
    Named sums;
    for (std::size_t begin = 0; begin < held_out_.size(); begin += 256) {
      const auto end = std::min(held_out_.size(), begin + 256);
      const auto part = parts({held_out_.begin() + static_cast<std::ptrdiff_t>(begin),
                               held_out_.begin() + static_cast<std::ptrdiff_t>(end)},
                              Augmentation::kNone, unused);
      errors.push_back(part.error.to(torch::kCPU, torch::kFloat32));
      const double share = static_cast<double>(end - begin) / static_cast<double>(held_out_.size());
      sums["named"] += share * part.named;
      sums["pointed_what"] += share * part.pointed_what;
      sums["pointed_where"] += share * part.pointed_where;
    }
    const auto error = torch::cat(errors) * (kUnit * 100);
    const auto object = targets_.index_select(0, torch::tensor(held_out_, torch::kInt64)).narrow(1, 0, 2);
    const auto far = object.square().sum(1).sqrt() > kFar;
    const auto across = error.narrow(1, 0, 2).mean(1);
    sums["object_error_cm"] = error.narrow(1, 0, 3).mean().item<double>();
    sums["far_error_cm"] = across.masked_select(far).mean().item<double>();
    sums["near_error_cm"] = across.masked_select(~far).mean().item<double>();
    sums["target_error_cm"] = error.narrow(1, 3, 3).mean().item<double>();
    sums["error_cm"] = error.mean().item<double>();
    context_.events.evaluation(step, "validation", sums);
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
  std::optional<Normaliser> normaliser_;
  Frames frames_;
  torch::Tensor images_, proprio_, targets_, marks_, kinds_, words_, none_weight_;
  torch::Tensor naming_, pointing_, place_, readout_;
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
  info.version = 4;
  info.name = kBackbone;
  info.title = "Pre-trained backbone of the robot policies";
  info.help = "vision and language learn where the instruction's object and its place are; no actions; AdamW";
  info.takes_optimizer = false;
  info.primary_metric = "evaluation/validation/error_cm";
  info.higher_is_better = false;
  info.table = {backbone_settings(), {model_bundles()}, backbone_relations()};
  return {info, run_backbone};
}

}  // namespace pionbench::vla
