#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/subprocess.h"
#include "core/error.h"
#include "core/material.h"
#include "harness/cli/planning.h"
#include "harness/schedule/audit.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/gpus.h"
#include "harness/schedule/noise.h"
#include "harness/slurm/queue.h"
#include "harness/slurm/site.h"
#include "harness/spec/resources.h"
#include "store/filesystem.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

// A quick reproduction leaves some hundred megabytes behind.
constexpr double kLeastFreeGiB = 1;

struct Check {
  enum class Result { kOk, kNote, kMissing };
  std::string name;
  Result result;
  std::string found;
  std::string fix = {};  ///< the command that mends it
};

Check check_worker(const Context& context) {
  if (::access(context.worker.c_str(), X_OK) == 0) return {"worker", Check::Result::kOk, context.worker.string()};
  return {"worker", Check::Result::kMissing, "no program at " + context.worker.string(), "ci/build"};
}

Check check_catalog(const Context& context) {
  try {
    const Catalog catalog = context.catalog();
    return {"catalog", Check::Result::kOk,
            std::to_string(catalog.suites.size()) + " suites, " + std::to_string(catalog.optimizers.size()) +
                " optimizers"};
  } catch (const UserError& e) {
    return {"catalog", Check::Result::kMissing, e.what(), "ci/build"};
  }
}

Check check_python(const Context& context) {
  if (const auto version = output_of({context.python.string(), "--version"}))
    return {"python", Check::Result::kOk, *version + " (" + context.python.string() + ")"};
  return {"python", Check::Result::kMissing, "no interpreter at " + context.python.string(), "ci/setup"};
}

Check check_figures(const Context& context) {
  const auto version = output_of({context.python.string(), "-c", "import vl_convert; print(vl_convert.__version__)"});
  if (version) return {"figures", Check::Result::kOk, "vl-convert " + *version};
  return {"figures", Check::Result::kMissing, "the Python package vl-convert-python is missing", "ci/setup"};
}

/// The folder itself, or the nearest parent that exists.
fs::path existing(const fs::path& path) {
  std::error_code error;
  fs::path at = fs::absolute(path, error);
  while (!at.empty() && at != at.root_path() && !fs::exists(at, error)) at = at.parent_path();
  return at;
}

std::string filesystem_type(const fs::path& folder) {
  std::error_code error;
  const std::string wanted = fs::canonical(folder, error).string();
  std::ifstream mounts("/proc/self/mounts");
  std::string best_point, best_type;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, point, type;
    fields >> device >> point >> type;
    const bool covers = point == "/" || wanted == point || wanted.starts_with(point + "/");
    if (covers && point.size() >= best_point.size()) {
      best_point = point;
      best_type = type;
    }
  }
  return best_type.empty() ? "unknown file system" : best_type;
}

Check check_out(const Context& context) {
  const fs::path folder = existing(context.out);
  struct statvfs space {};
  const bool known = ::statvfs(folder.c_str(), &space) == 0;
  const double free_gib = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) / (1 << 30);
  char text[64];
  std::snprintf(text, sizeof text, "%.1f GiB free", free_gib);
  const std::string found = context.out.string() + " on " + filesystem_type(folder) + ", " + text;
  try {
    if (!fs::exists(context.out / "database")) require_local_filesystem(folder);  // else it lies elsewhere
  } catch (const UserError& e) {
    return {"out folder", Check::Result::kMissing, e.what(), "name another folder: --out FOLDER"};
  }
  if (::access(folder.c_str(), W_OK) != 0)
    return {"out folder", Check::Result::kMissing, folder.string() + " cannot be written",
            "name another folder: --out FOLDER"};
  if (known && free_gib < kLeastFreeGiB)
    return {"out folder", Check::Result::kMissing, found, "free some space, or name another folder: --out FOLDER"};
  return {"out folder", Check::Result::kOk, found};
}

Check check_store(const Context& context) {
  try {
    const auto store = open_store_if_any(context.out);
    if (!store) return {"store", Check::Result::kNote, "none yet; the first run makes it"};
    const auto problems = store->verify();
    if (problems.empty()) return {"store", Check::Result::kOk, std::to_string(store->runs().size()) + " runs, sound"};
    return {"store", Check::Result::kMissing, problems.front(), "pionbench store rebuild"};
  } catch (const UserError& e) {
    return {"store", Check::Result::kMissing, e.what(), "pionbench store rebuild"};
  }
}

/// The VLA suites are left out of a build without MuJoCo or HDF5, and cannot draw without OpenGL.
Check check_vla(const Context& context) {
  if (const std::string lacks = PIONBENCH_VLA_LACKS; !lacks.empty())
    return {"vla", Check::Result::kNote, "this build has no VLA suites; it lacks " + lacks, "ci/setup, then ci/build"};
  const fs::path tool = context.bin / "pionbench-vla";
  if (auto found = output_of({tool.string(), "check"})) {
    std::ranges::replace(*found, '\n', ';');
    return {"vla", Check::Result::kOk, *found};
  }
  return {"vla", Check::Result::kNote, "the VLA suites cannot draw camera images here: no OpenGL",
          "apt-get install libosmesa6, or a GPU driver with EGL"};
}

std::string gpu_text(const Gpu& gpu, const GpuInventory& inventory, bool is_usable) {
  std::string text = gpu.label + " " + gpu.name;
  if (gpu.total_bytes) text += ", " + bytes_text(static_cast<double>(*gpu.total_bytes));
  if (gpu.free_bytes) text += ", " + bytes_text(static_cast<double>(*gpu.free_bytes)) + " free";
  if (gpu.has_instances)
    text += ", MIG is on: its instances are used instead";
  else if (!is_usable)
    text += gpu.compute_mode == "Prohibited" ? ", compute mode Prohibited" : ", not in CUDA_VISIBLE_DEVICES";
  else if (gpu.compute_mode != "Default")
    text += ", compute mode " + gpu.compute_mode;
  for (const auto& process : inventory.processes)
    if (process.uuid == gpu.uuid) text += ", process " + std::to_string(process.pid) + " is on it";
  if (const auto throttled = throttle_text(gpu.throttle); !throttled.empty())
    text += ", clocks held back: " + throttled;
  return text;
}

std::vector<Check> check_gpus() {
  const auto inventory = query_gpus();
  if (!inventory.has_tool)
    return {{"gpu", Check::Result::kNote, "no nvidia-smi; the quick and desk scales need no GPU"}};
  if (!inventory.problem.empty())
    return {{"gpu", Check::Result::kMissing, inventory.problem, "reinstall the driver, or reboot after its update"}};
  if (inventory.gpus.empty()) return {{"gpu", Check::Result::kNote, "nvidia-smi lists none"}};
  std::vector<Check> out = {{"driver", Check::Result::kOk, "NVIDIA " + inventory.driver}};
  const auto usable = usable_gpus(inventory, std::getenv("CUDA_VISIBLE_DEVICES"));
  for (const auto& gpu : inventory.gpus) {
    const bool is_usable = std::ranges::any_of(usable, [&](const Gpu& g) { return g.uuid == gpu.uuid; });
    const bool is_disturbed =
        !throttle_text(gpu.throttle).empty() ||
        std::ranges::any_of(inventory.processes, [&](const auto& p) { return p.uuid == gpu.uuid; });
    out.push_back({"gpu", is_usable && !is_disturbed ? Check::Result::kOk : Check::Result::kNote,
                   gpu_text(gpu, inventory, is_usable)});
  }
  return out;
}

std::string first_line_of(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

Check check_clock() {
  const std::string governor = first_line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (governor.empty()) return {"clock", Check::Result::kNote, "the kernel does not tell how the cores are clocked"};
  if (governor == "performance") return {"clock", Check::Result::kOk, "governor performance"};
  return {"clock", Check::Result::kNote, "governor " + governor + ": timings vary with load and heat",
          "cpupower frequency-set -g performance"};
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

std::string noise_text(const NoiseFloor& noise, const std::string& what) {
  char length[32];
  std::snprintf(length, sizeof length, noise.seconds < 1 ? "%.0f ms" : "%.1f s",
                noise.seconds * (noise.seconds < 1 ? 1000 : 1));
  return "identical " + what + " of " + length + " differ by less than " + percent(noise.floor) +
         " in 95 of 100 pairs (" + std::to_string(noise.pairs) + " A/A pairs)";
}

// Above this a 10 % difference needs many repetitions.
constexpr double kNoisy = 0.1;

Check check_noise() {
  const auto noise = measure_noise(20, time_kernel);
  const bool noisy = noise.floor > kNoisy;
  return {"noise", noisy ? Check::Result::kNote : Check::Result::kOk, noise_text(noise, "computations"),
          noisy ? "stop what else runs here, or repeat timings more often" : ""};
}

Check check_training_noise(const Context& context, int pairs) {
  try {
    const Catalog catalog = context.catalog();
    const auto noise = measure_noise(pairs, [&] { return time_training(context.worker, catalog); });
    const bool noisy = noise.floor > kNoisy;
    return {"noise", noisy ? Check::Result::kNote : Check::Result::kOk, noise_text(noise, "training runs"),
            noisy ? "stop what else runs here, or repeat timings more often" : ""};
  } catch (const UserError& e) {
    return {"noise", Check::Result::kMissing, e.what(), "ci/build"};
  }
}

Check check_cores() {
  return {"cores", Check::Result::kOk, std::to_string(available_cores()) + " to run on"};
}

/// Real checkpoints need a byte-level BPE tokenizer; the embedded suites do not.
Check check_tokenizers() {
  const std::string lacks = PIONBENCH_TOKENIZERS_LACK;
  if (lacks.empty()) return {"tokenizers", Check::Result::kOk, "byte-level BPE with any pattern"};
  return {"tokenizers", Check::Result::kNote, "not every tokenizer.json loads; this build lacks " + lacks,
          "ci/setup, then ci/build"};
}

/// Models and data of others: only the paper scale, and suites on checkpoints, need them.
std::vector<Check> check_materials() {
  std::vector<Check> out;
  for (const auto& material : known_materials())
    if (const auto missing = missing_material(material.kind, material.name))
      out.push_back({"paper scale", Check::Result::kNote, material.name + ": " + missing->problem, missing->fix});
  if (out.empty()) out.push_back({"paper scale", Check::Result::kOk, "every model and data file of RLVR is there"});
  return out;
}

/// A cluster, its controller, and the site file.
Check check_slurm() {
  Site site;
  try {
    site = load_site("");
  } catch (const UserError& e) {
    return {"slurm", Check::Result::kMissing, e.what(), "mend the site file (docs/slurm.md)"};
  }
  const bool is_wanted = site.backend == "slurm";
  const auto absent = is_wanted ? Check::Result::kMissing : Check::Result::kNote;
  const auto version = run_program({"sbatch", "--version"}, 20);
  if (version.exit_code == 127)
    return {"slurm", absent, "none; --backend slurm needs it", is_wanted ? "load Slurm's module" : ""};
  const auto queue = ask_queue();
  if (!queue.ok)
    return {"slurm", absent, "its commands are here, no controller answers (" + queue.complaint + ")",
            is_wanted ? "ask the cluster's administrator" : ""};
  const std::string name = version.output.substr(0, version.output.find('\n'));
  return {"slurm", Check::Result::kOk,
          name + ", arrays of up to " + std::to_string(max_array_size()) + " tasks, " +
              std::to_string(queue.rows.size()) + " of our jobs known"};
}

const char* word(Check::Result result) {
  switch (result) {
    case Check::Result::kOk:
      return "ok";
    case Check::Result::kNote:
      return "note";
    case Check::Result::kMissing:
      return "missing";
  }
  return "";
}

struct DoctorArguments {
  bool audit = false;
  int noise_pairs = 0;
};

int print_audit(const Context& context) {
  const auto report = audit(context.out);
  if (context.json) {
    print_json({{"sound", report.is_sound()},
                {"cells", report.cells},
                {"finished_cells", report.finished_cells},
                {"runs", report.runs},
                {"attempts", report.attempts},
                {"live", report.live},
                {"events", report.events},
                {"unreadable_lines", report.unreadable_lines},
                {"problems", report.problems}});
    return report.is_sound() ? kDone : kFailed;
  }
  for (const auto& problem : report.problems) std::printf("%s\n", problem.c_str());
  std::printf("%d of %d cells finished; %d runs, %d attempts (%d at work), %lld events", report.finished_cells,
              report.cells, report.runs, report.attempts, report.live, static_cast<long long>(report.events));
  if (report.unreadable_lines) std::printf(", %lld unreadable lines", static_cast<long long>(report.unreadable_lines));
  if (report.is_sound())
    std::printf("\nnothing lost, nothing doubled, the store equals its spools\n");
  else
    std::printf("\n%zu problems\n", report.problems.size());
  return report.is_sound() ? kDone : kFailed;
}

int doctor(const DoctorArguments& arguments, const Context& context) {
  if (arguments.audit) return print_audit(context);
  std::vector<Check> checks = {check_tokenizers(),    check_worker(context),  check_catalog(context),
                               check_python(context), check_figures(context), check_out(context),
                               check_store(context),  check_cores(),          check_clock()};
  checks.push_back(check_vla(context));
  for (auto& check : check_materials()) checks.push_back(std::move(check));
  for (auto& check : check_gpus()) checks.push_back(std::move(check));
  checks.push_back(check_slurm());
  checks.push_back(arguments.noise_pairs ? check_training_noise(context, arguments.noise_pairs) : check_noise());
  bool sound = true;
  Json rows = Json::array();
  for (const auto& check : checks) {
    sound = sound && check.result != Check::Result::kMissing;
    rows.push_back({{"name", check.name}, {"result", word(check.result)}, {"found", check.found}, {"fix", check.fix}});
    if (context.json) continue;
    std::printf("%-8s %-12s %s\n", word(check.result), check.name.c_str(), check.found.c_str());
    if (!check.fix.empty()) std::printf("%-21s mend it with: %s\n", "", check.fix.c_str());
  }
  if (context.json) print_json({{"sound", sound}, {"checks", rows}});
  return sound ? kDone : kFailed;
}

}  // namespace

const Verb kDoctorVerb = {"doctor", "What this machine or build lacks, and the command that mends it",
                          "pionbench doctor\npionbench doctor --audit\npionbench doctor --noise 10",
                          [](CLI::App& app, const Context& context) {
                            auto arguments = std::make_shared<DoctorArguments>();
                            app.add_flag("--audit", arguments->audit,
                                         "read every spool anew and prove that no run was lost and none counts twice");
                            app.add_option("--noise", arguments->noise_pairs,
                                           "measure the noise floor by this many A/A pairs of training runs")
                                ->check(CLI::Range(2, 1000));
                            return Runner([&context, arguments] { return doctor(*arguments, context); });
                          }};

}  // namespace pionbench
