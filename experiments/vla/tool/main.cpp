/// pionbench-vla: the simulator by hand. See docs/vla.md.
///   pionbench-vla check                     what this machine and build have
///   pionbench-vla tasks [SUITE]             suites and tasks
///   pionbench-vla expert SUITE              the scripted expert's success, per task
///   pionbench-vla frames SUITE FILE.png     both cameras along the expert's episodes
///   pionbench-vla sheet SUITE FILE.png      one scene under every kind of perturbation
///   pionbench-vla demos SUITE FOLDER        demonstrations in LIBERO's HDF5 layout
///   pionbench-vla inits [FILE]              digests of the fixed initial states; a .pruned_init file of LIBERO
///   pionbench-vla mjcf SUITE                the scenes as MuJoCo XML, separated by NUL bytes

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/data/demonstrations.h"
#include "experiments/vla/data/init_file.h"
#include "experiments/vla/data/png.h"
#include "experiments/vla/expert.h"
#include "experiments/vla/sim/init_state.h"
#include "experiments/vla/sim/vector_env.h"

namespace pionbench::vla {
namespace {

struct Options {
  std::string suite, file, task, category = "None", suffix;
  int trials = 0, size = 64, threads = 0, first = 0, count = 40, columns = 8, scale = 2;
  bool noise = false, trace = false, disturb = false;
};

std::vector<SuiteTask> chosen_tasks(const Options& options) {
  auto tasks = load_tasks(find_task_suite(options.suite));
  if (!options.task.empty())
    std::erase_if(tasks, [&](const SuiteTask& t) { return t.file.name.find(options.task) == std::string::npos; });
  if (tasks.empty())
    throw UserError("no task of " + options.suite + " has \"" + options.task + "\" in its name", kUsage);
  return tasks;
}

/// "vla/robot, Robot (simulated stand-in)": no line about that suite goes without it.
std::string label(const std::string& suite) {
  return suite + ", " + find_task_suite(suite).title;
}

/// One line per episode: the hand, what it does, which atoms of the goal hold and where their objects are.
void print_trace(VectorEnv& env, const std::vector<int>& ids, const std::vector<float>& actions) {
  std::vector<std::string> lines(static_cast<std::size_t>(env.size()));
  env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
    for (const auto& atom : env.scene(i).goal) {
      lines[i] += holds(env.scene(i), atom, data) ? " 1" : " 0";
      if (atom.object < 0) continue;
      const mjtNum* at = data->xpos + 3 * env.scene(i).objects[atom.object].body;
      char where[64];
      std::snprintf(where, sizeof where, " (%.3f %.3f %.3f)", at[0], at[1], at[2]);
      lines[i] += where;
    }
  });
  for (const int i : ids) {
    std::printf("%d:%3d  hand", i, env.steps(i));
    for (int k = 0; k < 8; ++k) std::printf(" %6.3f", env.proprio()[static_cast<std::size_t>(i) * kProprioSize + k]);
    std::printf("  action");
    for (int k = 0; k < 7; ++k) std::printf(" %5.2f", actions[static_cast<std::size_t>(i) * kActionSize + k]);
    std::printf("  goal%s\n", lines[i].c_str());
  }
}

/// Runs the expert in every episode until all have ended, with noise or a disturbance if asked for; `each_step` sees
/// the state before each action.
void run_expert(VectorEnv& env, const Options& options, const std::function<void()>& each_step = {}) {
  std::vector<float> actions(static_cast<std::size_t>(env.size()) * kActionSize);
  std::vector<Random> random;
  for (int i = 0; i < env.size(); ++i)
    random.emplace_back(fnv1a(env.trial(i).task->file.name) + static_cast<std::uint64_t>(env.trial(i).init));
  for (auto ids = env.running(); !ids.empty(); ids = env.running()) {
    if (each_step) each_step();
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      Action action = expert_action(env.scene(i), data);
      if (options.noise) action = with_noise(action, {}, random[i]);
      constexpr int kFrom = 6, kTo = 18;
      if (options.disturb && env.steps(i) >= kFrom && env.steps(i) < kTo)
        for (float& a : action) a = static_cast<float>(random[i].uniform(-.8, .8));
      std::ranges::copy(action, actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
    });
    if (options.trace) print_trace(env, ids, actions);
    env.step(actions);
  }
}

std::vector<Trial> trials_of(const std::vector<SuiteTask>& tasks, const Options& options) {
  std::vector<Trial> trials;
  const Category category = find_category(options.category);
  if (category != Category::kNone) {
    for (const auto& p : perturbed_tasks(tasks, category, options.count)) trials.push_back({p.task, 0, p.perturbation});
    return trials;
  }
  const int per_task = options.trials > 0 ? options.trials : find_task_suite(options.suite).trials;
  for (const auto& task : tasks)
    for (int k = 0; k < per_task; ++k) trials.push_back({&task, options.first + k, parse_perturbation(options.suffix)});
  return trials;
}

int expert(const Options& options) {
  const auto tasks = chosen_tasks(options);
  const double start = steady_seconds();
  VectorEnv env(trials_of(tasks, options), {.image_size = 0, .threads = options.threads});
  const double built = steady_seconds();
  run_expert(env, options);
  const double seconds = steady_seconds() - built;
  int success = 0, steps = 0;
  for (const auto& task : tasks) {
    int n = 0, ok = 0, longest = 0, sum = 0;
    std::string failed;
    for (int i = 0; i < env.size(); ++i) {
      if (env.trial(i).task != &task) continue;
      ++n;
      steps += env.steps(i);
      if (env.status(i) == EpisodeStatus::kSuccess) {
        ++ok;
        sum += env.steps(i);
        longest = std::max(longest, env.steps(i));
      } else {
        failed += " " + (env.trial(i).perturbation.category == Category::kNone ? std::to_string(env.trial(i).init)
                                                                               : env.trial(i).perturbation.suffix());
        if (env.status(i) == EpisodeStatus::kDiverged) failed += "(diverged)";
      }
    }
    success += ok;
    std::printf("%3d/%-3d  mean %5.1f  longest %3d  %s%s%s\n", ok, n, ok ? static_cast<double>(sum) / ok : 0., longest,
                task.file.name.c_str(), failed.empty() ? "" : "  failed:", failed.c_str());
  }
  std::printf("%s: expert %d/%d = %.1f %%; %d steps in %.1f s (%.0f steps/s), set-up %.1f s\n",
              label(options.suite).c_str(), success, env.size(), 100. * success / env.size(), steps, seconds,
              steps / seconds, built - start);
  return kDone;
}

int frames(const Options& options) {
  const auto tasks = chosen_tasks(options);
  auto trials = trials_of(tasks, options);
  VectorEnv env(trials, {.image_size = options.size, .threads = options.threads});
  // Every episode is drawn at `columns` moments: first the lengths, then the pictures.
  std::vector<std::vector<std::vector<unsigned char>>> film(static_cast<std::size_t>(env.size()) * 2);
  run_expert(env, options, [&] {
    env.render();
    for (const int i : env.running())
      for (int c = 0; c < 2; ++c)
        film[static_cast<std::size_t>(i) * 2 + c].emplace_back(env.image(i, c).begin(), env.image(i, c).end());
  });
  TileSheet sheet(options.size, options.columns, env.size() * 2, options.scale);
  for (int row = 0; row < env.size() * 2; ++row)
    for (int column = 0; column < options.columns; ++column) {
      const auto& images = film[row];
      if (images.empty()) continue;
      const auto at = images.size() > 1 && options.columns > 1
                          ? static_cast<std::size_t>(column) * (images.size() - 1) / (options.columns - 1)
                          : 0;
      sheet.put(column, row, images[at]);
    }
  sheet.write(options.file);
  std::printf("%s\n", label(options.suite).c_str());
  for (int i = 0; i < env.size(); ++i)
    std::printf("rows %d, %d: %s init %d%s: %s after %d actions\n", 2 * i + 1, 2 * i + 2, env.instruction(i).c_str(),
                env.trial(i).init, env.trial(i).perturbation.suffix().c_str(), status_name(env.status(i)),
                env.steps(i));
  return kDone;
}

int tasks(const Options& options) {
  for (const auto& suite : task_suites()) {
    if (!options.suite.empty() && suite.name != options.suite) continue;
    std::printf("%s  %s (follows %s), horizon %d, %d trials a task\n", suite.name.c_str(), suite.title.c_str(),
                suite.counterpart.c_str(), suite.horizon, suite.trials);
    for (const auto& task : load_tasks(suite)) std::printf("  %d  %s\n", task.index, task.instruction.c_str());
  }
  if (!options.suite.empty()) find_task_suite(options.suite);
  return kDone;
}

/// What the sheet shows of a category, weak before strong. Language is said, not shown.
std::vector<std::string> sheet_suffixes(Category category) {
  switch (category) {
    case Category::kBackground:
      return {"_table_3", "_table_5", "_table_7", "_table_12", "_tb_4", "_tb_6", "_tb_9"};
    case Category::kCamera:
      return {"_view_20_0_100_0_0_initstate_0",   "_view_310_0_100_0_0_initstate_0", "_view_30_15_100_0_0_initstate_0",
              "_view_300_15_100_0_0_initstate_0", "_view_0_0_130_0_0_initstate_0",   "_view_0_0_190_0_0_initstate_0",
              "_view_0_0_100_8_352_initstate_0"};
    case Category::kLayout:
      return {"_level1_sample0", "_level5_sample2", "_moved_level1_sample0", "_moved_level3_sample1", "_add_2",
              "_add_9",          "_add_30"};
    case Category::kLight:
      return {"_light_2", "_light_4", "_light_6", "_light_8", "_light_10", "_light_12", "_light_14"};
    case Category::kNoise:
      return {"_noise_5", "_noise_10", "_noise_15", "_noise_25", "_noise_35", "_noise_40", "_noise_48"};
    case Category::kRobot:
      return {"_view_0_0_100_0_0_initstate_50",  "_view_0_0_100_0_0_initstate_150", "_view_0_0_100_0_0_initstate_250",
              "_view_0_0_100_0_0_initstate_330", "_view_0_0_100_0_0_initstate_350", "_view_0_0_100_0_0_initstate_420",
              "_view_0_0_100_0_0_initstate_450"};
    case Category::kLanguage:
    case Category::kNone:
      return {};
  }
  return {};
}

/// A row per category that changes images: the agent view of the unperturbed scene, then seven perturbed ones.
int sheet(const Options& options) {
  const auto tasks = chosen_tasks(options);
  std::vector<Trial> trials;
  std::vector<Category> rows;
  std::size_t columns = 0;
  for (const auto category : perturbation_categories()) {
    const auto suffixes = sheet_suffixes(category);
    if (suffixes.empty()) continue;
    rows.push_back(category);
    columns = suffixes.size() + 1;
    trials.push_back({&tasks.front(), 0});
    for (const auto& suffix : suffixes) trials.push_back({&tasks.front(), 0, parse_perturbation(suffix)});
  }
  VectorEnv env(trials, {.image_size = options.size, .threads = options.threads});
  env.render();
  const int across = static_cast<int>(columns);
  TileSheet picture(options.size, across, static_cast<int>(rows.size()), options.scale);
  for (int i = 0; i < env.size(); ++i) picture.put(i % across, i / across, env.image(i, 0));
  picture.write(options.file);
  std::printf("%s: %s\n", label(options.suite).c_str(), tasks.front().instruction.c_str());
  for (int i = 0; i < env.size(); ++i) {
    if (i % across == 0) std::printf("row %d, %s:\n", i / across + 1, category_name(rows[i / across]).c_str());
    std::printf("  %s\n", i % across == 0 ? "unperturbed" : env.trial(i).perturbation.suffix().c_str());
  }
  std::printf("Language:\n");
  for (const int k : {13, 2, 38, 46, 24, 10, 47}) {
    Perturbation p{.category = Category::kLanguage, .number = k};
    std::printf("  %s  \"%s\"\n", p.suffix().c_str(), perturb_instruction(tasks.front(), p).c_str());
  }
  return kDone;
}

int demos(const Options& options) {
  const auto tasks = chosen_tasks(options);
  const double start = steady_seconds();
  std::int64_t frames = 0;
  int kept = 0, attempts = 0;
  for (const auto& task : tasks) {
    const auto report = record_demonstrations(
        task, options.file,
        {.per_task = options.trials > 0 ? options.trials : 50, .image_size = options.size, .threads = options.threads});
    std::printf("%3d of %3d attempts kept, %5lld frames  %s\n", report.kept, report.attempts,
                static_cast<long long>(report.frames), task.file.name.c_str());
    frames += report.frames;
    kept += report.kept;
    attempts += report.attempts;
  }
  const double seconds = steady_seconds() - start;
  std::printf("%s: %d demonstrations (%d attempts), %lld frames in %.1f s (%.0f frames/s)\n",
              label(options.suite).c_str(), kept, attempts, static_cast<long long>(frames), seconds,
              static_cast<double>(frames) / seconds);
  return kDone;
}

std::string joined(std::span<const double> values) {
  std::string out;
  for (const double v : values) out += (out.empty() ? "" : " ") + std::to_string(v);
  return out;
}

/// The keyframe of each scene is its initial state --first (default 0).
int mjcf(const Options& options) {
  for (const auto& task : chosen_tasks(options)) {
    const auto scene = build_scene(task.file);
    const auto init = sample_init(*scene, options.first);
    const auto hand = std::span(init).subspan(static_cast<std::size_t>(scene->hand.qpos), 7);
    const std::string key = "<keyframe><key name=\"init\" qpos=\"" + joined(init) + "\" mpos=\"" +
                            joined(hand.first(3)) + "\" mquat=\"" + joined(hand.subspan(3)) + "\"/></keyframe>\n";
    std::string text = scene->mjcf;
    text.insert(text.rfind("</mujoco>"), key);
    std::fwrite(text.data(), 1, text.size() + 1, stdout);
  }
  return kDone;
}

int inits(const Options& options) {
  if (!options.file.empty()) {
    const auto read = load_init_states(options.file);
    std::printf("%s: %d initial states of %d numbers (time, qpos, qvel)\n", options.file.c_str(), read.states,
                read.width);
    return kDone;
  }
  for (const auto& suite : task_suites())
    for (const auto& task : load_tasks(suite))
      std::printf("%s/%s %016llx\n", suite.folder.c_str(), task.file.name.c_str(),
                  static_cast<unsigned long long>(init_digest(*build_scene(task.file))));
  return kDone;
}

int check() {
  std::printf("MuJoCo %s, batch engine: %s\n", mj_versionString(),
              default_engine() == Engine::kBatch ? "mjbatch" : "own threads");
  std::printf("OpenGL: %s\n", describe_gl().c_str());
  return describe_gl().starts_with("none") ? kFailed : kDone;
}

}  // namespace
}  // namespace pionbench::vla

int main(int argc, char** argv) {
  using namespace pionbench;
  using namespace pionbench::vla;
  CLI::App app("The robot simulator behind the VLA suites");
  app.require_subcommand(1);
  Options options;
  const auto common = [&](CLI::App* verb) {
    verb->add_option("suite", options.suite, "suite, e.g. vla/object")->required();
    verb->add_option("--task", options.task, "only tasks with this in their name");
    verb->add_option("--trials", options.trials, "initial states per task (default: the suite's)");
    verb->add_option("--first", options.first, "the first initial state (default 0; 1000 on for demonstrations)");
    verb->add_option("--perturb", options.category, "a LIBERO-Plus category: Background, Camera, ...");
    verb->add_option("--suffix", options.suffix, "one LIBERO-Plus perturbation, e.g. _noise_31");
    verb->add_option("--count", options.count, "perturbed tasks (default 40)");
    verb->add_option("--threads", options.threads, "threads (default: all)");
    verb->add_flag("--trace", options.trace, "print every step");
    verb->add_flag("--disturb", options.disturb, "twelve random actions in the middle of each episode");
    verb->add_flag("--noise", options.noise, "execute the noisy actions of demonstrations");
  };
  auto* check_verb = app.add_subcommand("check", "what this machine and build have");
  auto* tasks_verb = app.add_subcommand("tasks", "suites and tasks");
  tasks_verb->add_option("suite", options.suite, "one suite");
  auto* expert_verb = app.add_subcommand("expert", "success of the scripted expert");
  common(expert_verb);
  auto* frames_verb = app.add_subcommand("frames", "a picture of both cameras along the expert's episodes");
  common(frames_verb);
  frames_verb->add_option("file", options.file, "PNG to write")->required();
  frames_verb->add_option("--size", options.size, "pixels (default 64)");
  frames_verb->add_option("--columns", options.columns, "moments per episode (default 8)");
  frames_verb->add_option("--scale", options.scale, "magnification (default 2)");
  auto* sheet_verb = app.add_subcommand("sheet", "one scene under every perturbation, a row per category");
  common(sheet_verb);
  sheet_verb->add_option("file", options.file, "PNG to write")->required();
  sheet_verb->add_option("--size", options.size, "pixels (default 64)");
  sheet_verb->add_option("--scale", options.scale, "magnification (default 2)");
  auto* demos_verb =
      app.add_subcommand("demos", "record demonstrations, <task>_demo.hdf5 each; --trials says how many (50)");
  common(demos_verb);
  demos_verb->add_option("folder", options.file, "folder to write into")->required();
  demos_verb->add_option("--size", options.size, "pixels (default 64)");
  auto* mjcf_verb = app.add_subcommand("mjcf", "the scenes as MuJoCo XML, separated by NUL bytes");
  common(mjcf_verb);
  auto* inits_verb = app.add_subcommand(
      "inits",
      "digests of the fixed initial states, as in tasks/init_digests.txt; of a FILE: what LIBERO stored in it");
  inits_verb->add_option("file", options.file, "a .pruned_init file of LIBERO");
  CLI11_PARSE(app, argc, argv);
  try {
    if (*check_verb) return check();
    if (*tasks_verb) return vla::tasks(options);
    if (*expert_verb) return expert(options);
    if (*frames_verb) return frames(options);
    if (*sheet_verb) return sheet(options);
    if (*demos_verb) return demos(options);
    if (*mjcf_verb) return mjcf(options);
    if (*inits_verb) return inits(options);
  } catch (const UserError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return e.exit_code();
  } catch (const std::exception& e) {
    std::cerr << "internal error: " << e.what() << "\n";
    return kInternal;
  }
  return kUsage;
}
