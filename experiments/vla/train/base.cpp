/// Suites `vla/<suite>-base`: what every arm of a suite starts from, made once. Artifacts:
///   <task>_demo.hdf5                     demonstrations of the noisy expert, LIBERO's layout (data/demonstrations.h)
///   normaliser.json                      1 % and 99 % quantiles of their actions, and of pre-training's proprioception
///   policy.json, model.safetensors       the pre-trained backbone

#include "core/files.h"
#include "experiments/vla/data/demonstrations.h"
#include "experiments/vla/train/dataset.h"
#include "experiments/vla/train/suites.h"

namespace pionbench::vla {
namespace {

RunOutcome run_base(RunContext& context) {
  const Values& s = context.settings();
  const auto& suite = task_suite_of(context.request.config.suite);
  const auto folder = context.artifacts();
  make_directories(folder);
  const auto tasks = load_tasks(suite);
  RecordOptions options;
  options.per_task = static_cast<int>(get_int(s, "demos"));
  options.image_size = static_cast<int>(get_int(s, "image_size"));
  options.threads = context.request.threads;
  options.noise.translation = get_real(s, "demo_noise");
  options.noise.rotation = get_real(s, "demo_turns");
  const auto total = static_cast<std::int64_t>(tasks.size());
  std::int64_t done = 0, frames = 0, kept = 0, attempts = 0;
  for (const auto& task : tasks) {
    // One task is seconds: what was recorded before a stop is recorded again, to the same bytes.
    if (context.stop_requested()) return {RunStatus::kInterrupted, done};
    const PhaseTimer timer(context.events, ++done, "record");
    const auto report = record_demonstrations(task, folder, options);
    frames += report.frames;
    kept += report.kept;
    attempts += report.attempts;
    context.events.progress(done, total);
  }
  // The hand's place is measured as in pre-training, whose pictures and numbers belong together.
  Normaliser(normaliser_of(load_demonstration_folder(folder)).actions(),
             Normaliser::load(context.input(kBackbone) / "normaliser.json").proprio())
      .save(folder / "normaliser.json");
  for (const char* name : {"policy.json", "model.safetensors"})
    write_file_atomic(folder / name, read_file(context.input(kBackbone) / name));
  context.events.metric(total, {{"demonstrations", static_cast<double>(kept)},
                                {"attempts", static_cast<double>(attempts)},
                                {"frames", static_cast<double>(frames)},
                                {"expert_success", static_cast<double>(kept) / static_cast<double>(attempts)}});
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    context.events.artifact(entry.path().extension() == ".hdf5" ? "demonstrations" : "base",
                            "artifacts/" + entry.path().filename().string(),
                            static_cast<std::int64_t>(entry.file_size()));
  return {RunStatus::kDone, total};
}

}  // namespace

SuiteEntry base_suite(const TaskSuite& tasks) {
  SuiteInfo info;
  info.version = 2;
  info.name = base_of(tasks);
  info.title = "Demonstrations of " + tasks.title;
  info.help = "the scripted expert's demonstrations, their quantiles, and the backbone; shared by all arms and seeds";
  info.takes_optimizer = false;
  info.prerequisite = kBackbone;
  info.table = {base_settings(), {model_bundles()}, backbone_relations()};
  return {info, run_base};
}

}  // namespace pionbench::vla
