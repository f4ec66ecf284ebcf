#include "experiments/vla/data/demonstrations.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/data/hdf5_file.h"

namespace pionbench::vla {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = "_demo.hdf5";

/// Appends row t of an episode: `action` as recorded, the state before it, the observation after it.
void append_row(Demonstration& demo, const VectorEnv& env, int i, const Action& action,
                const std::vector<double>& state) {
  demo.actions.insert(demo.actions.end(), action.begin(), action.end());
  demo.states.insert(demo.states.end(), state.begin(), state.end());
  const auto proprio = env.proprio().subspan(static_cast<std::size_t>(i) * kProprioSize, kProprioSize);
  const double p[3] = {proprio[0], proprio[1], proprio[2]}, r[3] = {proprio[3], proprio[4], proprio[5]};
  const double fingers[2] = {proprio[6], proprio[7]};
  const double angle = std::hypot(r[0], r[1], r[2]), s = angle < 1e-9 ? .5 : std::sin(angle / 2) / angle;
  demo.robot_states.insert(demo.robot_states.end(), {fingers[0], fingers[1], p[0], p[1], p[2], r[0] * s, r[1] * s,
                                                     r[2] * s, std::cos(angle / 2)});
  demo.ee_pos.insert(demo.ee_pos.end(), p, p + 3);
  demo.ee_ori.insert(demo.ee_ori.end(), r, r + 3);
  demo.gripper_states.insert(demo.gripper_states.end(), fingers, fingers + 2);
  demo.joint_states.insert(demo.joint_states.end(), {p[0], p[1], p[2], r[0], r[1], r[2], fingers[0] - fingers[1]});
  const auto append_image = [&](std::vector<unsigned char>& out, int camera) {
    const auto image = env.image(i, camera);
    const std::size_t before = out.size();
    out.insert(out.end(), image.begin(), image.end());
    rotate_180(std::span(out).subspan(before));  // back to OpenGL's rows
  };
  append_image(demo.agentview, 0);
  append_image(demo.eye_in_hand, 1);
  ++demo.steps;
}

/// One round of attempts; successes are appended in the order of their initial states.
void attempt(const SuiteTask& task, const RecordOptions& options, int first, int count,
             std::vector<Demonstration>& kept) {
  std::vector<Trial> trials;
  for (int k = 0; k < count; ++k) trials.push_back({&task, first + k});
  VectorEnv env(std::move(trials), {.image_size = options.image_size, .threads = options.threads});
  std::vector<Demonstration> demos(static_cast<std::size_t>(count));
  std::vector<Random> random;
  const Action settle = {0, 0, 0, 0, 0, 0, -1};
  env.render();
  for (int i = 0; i < count; ++i) {
    random.emplace_back(fnv1a(task.file.name) ^ (static_cast<std::uint64_t>(first + i) * 0x9e3779b97f4a7c15ULL));
    auto& demo = demos[i];
    demo.image_size = options.image_size;
    demo.model_file = env.scene(i).mjcf;
    demo.init_state = env.libero_state(i);
    append_row(demo, env, i, settle, demo.init_state);
  }
  std::vector<Action> clean(static_cast<std::size_t>(count));
  std::vector<std::vector<double>> before(static_cast<std::size_t>(count));
  std::vector<float> executed(static_cast<std::size_t>(count) * kActionSize);
  for (auto ids = env.running(); !ids.empty(); ids = env.running()) {
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      clean[i] = expert_action(env.scene(i), data);
      std::ranges::copy(with_noise(clean[i], options.noise, random[i]),
                        executed.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
      before[i] = env.libero_state(i);
    });
    env.step(executed);
    env.render();
    for (const int i : ids) append_row(demos[i], env, i, clean[i], before[i]);
  }
  for (int i = 0; i < count; ++i)
    if (env.status(i) == EpisodeStatus::kSuccess) kept.push_back(std::move(demos[i]));
}

void write_file(const SuiteTask& task, const std::vector<Demonstration>& demos, const RecordOptions& options,
                const fs::path& path) {
  auto file = Hdf5File::create(path);
  file.make_group("data");
  std::int64_t total = 0;
  for (std::size_t n = 0; n < demos.size(); ++n) {
    const auto& demo = demos[n];
    const std::string group = "data/demo_" + std::to_string(n) + "/";
    const auto t = static_cast<std::uint64_t>(demo.steps), s = static_cast<std::uint64_t>(demo.image_size);
    total += demo.steps;
    file.write(group + "actions", demo.actions, {t, kActionSize});
    file.write(group + "states", demo.states, {t, demo.states.size() / t});
    file.write(group + "robot_states", demo.robot_states, {t, 9});
    std::vector<unsigned char> last(t, 0);
    last.back() = 1;
    file.write(group + "rewards", last, {t});
    file.write(group + "dones", last, {t});
    file.write(group + "obs/agentview_rgb", demo.agentview, {t, s, s, 3});
    file.write(group + "obs/eye_in_hand_rgb", demo.eye_in_hand, {t, s, s, 3});
    file.write(group + "obs/ee_pos", demo.ee_pos, {t, 3});
    file.write(group + "obs/ee_ori", demo.ee_ori, {t, 3});
    std::vector<double> both;
    for (std::uint64_t k = 0; k < t; ++k) {
      both.insert(both.end(), demo.ee_pos.begin() + static_cast<std::ptrdiff_t>(3 * k),
                  demo.ee_pos.begin() + static_cast<std::ptrdiff_t>(3 * k + 3));
      both.insert(both.end(), demo.ee_ori.begin() + static_cast<std::ptrdiff_t>(3 * k),
                  demo.ee_ori.begin() + static_cast<std::ptrdiff_t>(3 * k + 3));
    }
    file.write(group + "obs/ee_states", both, {t, 6});
    file.write(group + "obs/gripper_states", demo.gripper_states, {t, 2});
    file.write(group + "obs/joint_states", demo.joint_states, {t, 7});
    const std::string object = "data/demo_" + std::to_string(n);
    file.set_attribute(object, "num_samples", static_cast<std::int64_t>(demo.steps));
    file.set_attribute(object, "model_file", demo.model_file);
    file.set_attribute(object, "init_state", demo.init_state);
  }
  using Json = nlohmann::json;
  const Json problem = {
      {"problem_name", task.file.problem}, {"domain_name", "robosuite"}, {"language_instruction", task.instruction}};
  const Json arguments = {{"type", 1},
                          {"env_name", task.file.problem},
                          {"env_kwargs",
                           {{"suite", task.suite},
                            {"title", find_task_suite(task.suite).title},
                            {"camera_heights", options.image_size},
                            {"camera_widths", options.image_size},
                            {"control_freq", 20}}}};
  file.set_attribute("data", "env_name", task.file.problem);
  file.set_attribute("data", "problem_info", problem.dump());
  file.set_attribute("data", "macros_image_convention", std::string("opengl"));
  file.set_attribute("data", "bddl_file_name", fs::path(task.file.path).filename().string());
  file.set_attribute("data", "bddl_file_content", read_file(task.file.path));
  file.set_attribute("data", "env_args", arguments.dump());
  file.set_attribute("data", "num_demos", static_cast<std::int64_t>(demos.size()));
  file.set_attribute("data", "total", total);
  file.close();
}

/// "demo_12" → 12; −1 for other names.
int demo_number(const std::string& name) {
  constexpr std::string_view kPrefix = "demo_";
  if (!name.starts_with(kPrefix)) return -1;
  int number = -1;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
  return error == std::errc() && stop == end ? number : -1;
}

Episode load_episode(const Hdf5File& file, const std::string& name, const LoadOptions& options,
                     TaskDemonstrations& out) {
  const std::string group = "data/" + name + "/";
  const auto actions = file.read_floats(group + "actions", {Hdf5File::kAny, kActionSize});
  const std::uint64_t t = actions.size() / kActionSize;
  const auto pose = file.read_floats(group + "obs/ee_states", {t, 6});
  const auto fingers = file.read_floats(group + "obs/gripper_states", {t, 2});
  const Shape shape = file.shape(group + "obs/agentview_rgb");
  const std::uint64_t s = shape.size() == 4 ? shape[1] : Hdf5File::kAny;
  const auto agent = file.read_bytes(group + "obs/agentview_rgb", {t, s, s, 3});
  const auto wrist = file.read_bytes(group + "obs/eye_in_hand_rgb", {t, s, s, 3});
  if (out.image_size == 0) out.image_size = static_cast<int>(s);
  if (out.image_size != static_cast<int>(s))
    throw UserError(out.task + std::string(kSuffix) + ": " + name + " has images of " + std::to_string(s) +
                    " pixels, the demonstrations before it of " + std::to_string(out.image_size));
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!std::ranges::all_of(actions, finite) || !std::ranges::all_of(pose, finite) ||
      !std::ranges::all_of(fingers, finite))
    throw UserError(out.task + std::string(kSuffix) + ": " + name + " holds numbers that are not finite");
  Episode episode;
  episode.name = name;
  const std::size_t bytes = s * s * 3;
  for (std::uint64_t k = 1; k < t; ++k) {  // obs[k − 1] is what is seen before actions[k]
    const float* action = actions.data() + k * kActionSize;
    if (options.drop_noops && is_noop(action, action - kActionSize)) {
      ++out.dropped_noops;
      continue;
    }
    episode.actions.insert(episode.actions.end(), action, action + kActionSize);
    const float* p = pose.data() + (k - 1) * 6;
    const float* f = fingers.data() + (k - 1) * 2;
    episode.proprio.insert(episode.proprio.end(), p, p + 6);
    episode.proprio.insert(episode.proprio.end(), f, f + 2);
    for (const auto* view : {&agent, &wrist}) {
      const std::size_t before = episode.images.size();
      const auto from = view->begin() + static_cast<std::ptrdiff_t>((k - 1) * bytes);
      episode.images.insert(episode.images.end(), from, from + static_cast<std::ptrdiff_t>(bytes));
      rotate_180(std::span(episode.images).subspan(before));
    }
    ++episode.steps;
  }
  return episode;
}

}  // namespace

bool is_noop(const float* action, const float* previous) {
  double sum = 0;
  for (int i = 0; i < 6; ++i) sum += static_cast<double>(action[i]) * action[i];
  return std::sqrt(sum) < 1e-4 && (!previous || action[6] == previous[6]);
}

RecordReport record_demonstrations(const SuiteTask& task, const fs::path& folder, const RecordOptions& options) {
  make_directories(folder);
  RecordReport report;
  std::vector<Demonstration> kept;
  while (static_cast<int>(kept.size()) < options.per_task) {
    // One or two more than needed cost less than another round for one that is missing.
    const int missing = options.per_task - static_cast<int>(kept.size()), round = missing + 1 + missing / 12;
    attempt(task, options, options.first_init + report.attempts, round, kept);
    report.attempts += round;
    if (static_cast<int>(kept.size()) * 2 < report.attempts && static_cast<int>(kept.size()) < options.per_task)
      throw UserError(task.file.path + ": the expert succeeded in " + std::to_string(kept.size()) + " of " +
                      std::to_string(report.attempts) + " attempts; the task or the expert is wrong");
  }
  kept.resize(static_cast<std::size_t>(options.per_task));
  const fs::path final_path = folder / (task.file.name + std::string(kSuffix));
  const fs::path partial = final_path.string() + ".partial";
  try {
    write_file(task, kept, options, partial);
    fs::rename(partial, final_path);
  } catch (...) {
    std::error_code error;
    fs::remove(partial, error);
    throw;
  }
  report.kept = options.per_task;
  for (const auto& demo : kept) report.frames += demo.steps;
  return report;
}

TaskDemonstrations load_demonstrations(const fs::path& path, const LoadOptions& options) {
  TaskDemonstrations out;
  const std::string file_name = path.filename().string();
  if (!file_name.ends_with(kSuffix))
    throw UserError(path.string() + ": a demonstration file is called <task>" + std::string(kSuffix) +
                    ", since the instruction is taken from its name");
  out.task = file_name.substr(0, file_name.size() - kSuffix.size());
  out.instruction = instruction_of(out.task);
  const auto file = Hdf5File::open(path);
  std::vector<std::string> names;
  for (const auto& member : file.members("data"))
    if (demo_number(member) >= 0) names.push_back(member);
  if (names.empty()) throw UserError(path.string() + ": group \"data\" holds no demo_<n>");
  std::ranges::sort(names, {}, demo_number);
  if (options.most >= 0 && static_cast<int>(names.size()) > options.most)
    names.resize(static_cast<std::size_t>(options.most));
  for (const auto& name : names) out.episodes.push_back(load_episode(file, name, options, out));
  return out;
}

std::vector<TaskDemonstrations> load_demonstration_folder(const fs::path& folder, const LoadOptions& options) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().ends_with(kSuffix)) paths.push_back(entry.path());
  if (paths.empty()) throw UserError(folder.string() + ": no *" + std::string(kSuffix) + " in this folder");
  for (const auto& task : options.tasks)
    if (std::ranges::find(paths, folder / (task + std::string(kSuffix))) == paths.end())
      throw UserError(folder.string() + ": " + task + std::string(kSuffix) + " is missing; record or copy it again");
  std::ranges::sort(paths);
  std::vector<TaskDemonstrations> out;
  for (const auto& path : paths) out.push_back(load_demonstrations(path, options));
  return out;
}

}  // namespace pionbench::vla
