/// Suites `vla/<suite>-plus`: a trained policy under one category of LIBERO-Plus, without further training: one trial
/// for each perturbed task. `category: none` is the unperturbed suite. evaluation/test/success.
///
/// With film: k, also k episodes as pictures, agent view and as an eye would see them:
///   artifacts/film_<i>.png    the frames from left to right, film_size pixels square each, no gaps
///   artifacts/film.json       {"frame_size", "frames_per_second", "episodes": [{"file", "frames", "task", "init",
///                             "instruction", "category", "suite", "status", "steps"}]}
/// Episode i is perturbed task i of the category (of `none`: initial state 0 of task i), so it is the same moment for
/// every arm.

#include "core/catalog.h"
#include "core/files.h"
#include "experiments/vla/data/png.h"
#include "experiments/vla/train/rollout.h"
#include "experiments/vla/train/suites.h"

namespace pionbench::vla {
namespace {

const std::vector<std::string>& category_choices() {
  static const std::vector<std::string> kChoices = {"none",   "background", "camera", "language",
                                                    "layout", "light",      "noise",  "robot"};
  return kChoices;
}

Category category_of(const std::string& choice) {
  if (choice == "none") return Category::kNone;
  std::string name = choice;
  name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return find_category(name);
}

std::vector<Trial> trials_of(const std::vector<SuiteTask>& tasks, const std::string& category, std::int64_t count,
                             std::int64_t per_task) {
  if (category == "none") return plain_trials(tasks, per_task, 0);
  std::vector<Trial> out;
  for (const auto& p : perturbed_tasks(tasks, category_of(category), static_cast<int>(count)))
    out.push_back({p.task, 0, p.perturbation});
  return out;
}

/// Follows a rollout with a second environment of larger pictures, which the same actions take to the same states.
class Film {
 public:
  Film(const std::vector<Trial>& trials, int size, int threads)
      : size_(size), env_(trials, {.image_size = size, .threads = threads}), frames_(trials.size()) {}

  void follow(std::span<const float> actions) {
    shoot();
    env_.step(actions);
  }
  void write(RunContext& context, const std::string& suite, const std::string& category) {
    shoot();
    Json episodes = Json::array();
    for (int i = 0; i < env_.size(); ++i) {
      const auto& frames = frames_[static_cast<std::size_t>(i)];
      const auto name = "film_" + std::to_string(i) + ".png";
      const auto count = static_cast<int>(frames.size());
      const auto row = static_cast<std::size_t>(size_) * 3;
      std::vector<unsigned char> strip(row * static_cast<std::size_t>(size_) * frames.size());
      for (std::size_t f = 0; f < frames.size(); ++f)
        for (std::size_t y = 0; y < static_cast<std::size_t>(size_); ++y)
          for (std::size_t x = 0; x < static_cast<std::size_t>(size_); ++x)
            // Mirrored left to right: policies see pictures turned by 180 degrees from OpenGL's bottom-up order.
            std::copy_n(frames[f].begin() + static_cast<std::ptrdiff_t>(y * row + (size_ - 1 - x) * 3), 3,
                        strip.begin() + static_cast<std::ptrdiff_t>((y * frames.size() + f) * row + x * 3));
      write_png(context.artifacts() / name, strip, size_ * count, size_);
      const auto& trial = env_.trial(i);
      episodes.push_back({{"file", name},
                          {"frames", count},
                          {"suite", suite},
                          {"task", trial.task->file.name + trial.perturbation.suffix()},
                          {"init", trial.init},
                          {"instruction", env_.instruction(i)},
                          {"category", category},
                          {"status", status_name(env_.status(i))},
                          {"steps", env_.steps(i)}});
      context.events.artifact("film", "artifacts/" + name,
                              static_cast<std::int64_t>(std::filesystem::file_size(context.artifacts() / name)));
    }
    const Json json = {{"frame_size", size_}, {"frames_per_second", 20}, {"episodes", episodes}};
    write_file_atomic(context.artifacts() / "film.json", json.dump(1) + "\n");
    context.events.artifact("film", "artifacts/film.json",
                            static_cast<std::int64_t>(std::filesystem::file_size(context.artifacts() / "film.json")));
  }

 private:
  /// One frame of every episode that has moved since its last one.
  void shoot() {
    env_.render();
    for (int i = 0; i < env_.size(); ++i) {
      auto& frames = frames_[static_cast<std::size_t>(i)];
      if (static_cast<int>(frames.size()) > env_.steps(i)) continue;
      const auto image = env_.image(i, 0);
      frames.emplace_back(image.begin(), image.end());
    }
  }

  int size_;
  VectorEnv env_;
  std::vector<std::vector<std::vector<unsigned char>>> frames_;
};

RunOutcome run_plus(RunContext& context) {
  const Values& s = context.settings();
  const auto& suite = task_suite_of(context.request.config.suite);
  const auto& category = get_text(s, "category");
  const auto steps = get_int(s, "steps");
  PhaseTimer setup(context.events, 0, "setup", context.device.is_cuda());
  const auto trained = context.input(suite.name);
  const auto tasks = load_tasks(suite);
  const Policy policy = Policy::load(trained, context.device, context.dtype);
  const auto normaliser = Normaliser::load(trained / "normaliser.json");
  setup.stop();

  RolloutOptions options;
  options.execute = get_int(s, "execute");
  options.flow_steps = get_int(s, "flow_steps");
  options.image_size = static_cast<int>(get_int(s, "image_size"));
  options.threads = context.request.threads;
  options.seed = static_cast<std::uint64_t>(get_int(s, "seed"));
  {
    const PhaseTimer timer(context.events, steps, "evaluate", context.device.is_cuda());
    const auto trials = trials_of(tasks, category, get_int(s, "perturbed_tasks"), get_int(s, "trials"));
    report_rollout(steps, "test", trials, rollout(policy, normaliser, trials, options), context.events);
  }
  if (const auto count = get_int(s, "film"); count > 0) {
    const PhaseTimer timer(context.events, steps, "film");
    auto trials = trials_of(tasks, category, count, 1);
    trials.resize(std::min(trials.size(), static_cast<std::size_t>(count)));
    make_directories(context.artifacts());
    Film film(trials, static_cast<int>(get_int(s, "film_size")), context.request.threads);
    options.watch = [&](const VectorEnv&, std::span<const float> actions) { film.follow(actions); };
    rollout(policy, normaliser, trials, options);
    film.write(context, suite.title, category);
  }
  return {RunStatus::kDone, steps};
}

}  // namespace

SuiteEntry plus_suite(const TaskSuite& tasks) {
  SuiteInfo info;
  info.version = 4;
  info.name = plus_of(tasks);
  info.title = "Robot policies under LIBERO-Plus, " + tasks.title;
  info.help = "the policy that " + tasks.name + " trained, one trial for each perturbed task of a category; films";
  info.primary_metric = "evaluation/test/success";
  info.prerequisite = tasks.name;
  info.table.settings = training_settings(tasks);
  const std::vector<Setting> own = {
      choice_setting("category", "none", category_choices(), "of LIBERO-Plus's perturbations"),
      int_setting("perturbed_tasks", 100, 1, 10000, "perturbed tasks of the category, one trial each"),
      int_setting("film", 0, 0, 50, "episodes left as pictures"),
      int_setting("film_size", 128, 16, 1024, "side of a film's frames, pixels"),
  };
  info.table.settings.insert(info.table.settings.end(), own.begin(), own.end());
  info.table.bundle_sets = {model_bundles(), recipe_bundles()};
  info.table.relations = training_relations();
  return {info, run_plus};
}

}  // namespace pionbench::vla
