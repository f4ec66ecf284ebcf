#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "harness/cli/planning.h"
#include "harness/schedule/cores.h"

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

/// Standard output of a program, or nothing when it fails.
std::optional<std::string> output_of(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return std::nullopt;
  std::string out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  if (::pclose(pipe) != 0) return std::nullopt;
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string quoted(const fs::path& path) {
  std::string out = "'";
  for (const char c : path.string()) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

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
  if (const auto version = output_of(quoted(context.python) + " --version"))
    return {"python", Check::Result::kOk, *version + " (" + context.python.string() + ")"};
  return {"python", Check::Result::kMissing, "no interpreter at " + context.python.string(), "ci/setup"};
}

Check check_figures(const Context& context) {
  const auto version = output_of(quoted(context.python) + " -c 'import vl_convert; print(vl_convert.__version__)'");
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

Check check_gpu() {
  const auto gpus = output_of("nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader");
  if (gpus && !gpus->empty()) return {"gpu", Check::Result::kOk, gpus->substr(0, gpus->find('\n'))};
  return {"gpu", Check::Result::kNote, "none; the quick and desk scales need none"};
}

Check check_cores() {
  return {"cores", Check::Result::kOk, std::to_string(available_cores()) + " to run on"};
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

int doctor(const Context& context) {
  const std::vector<Check> checks = {
      check_worker(context), check_catalog(context), check_python(context), check_figures(context),
      check_out(context),    check_store(context),   check_cores(),         check_gpu()};
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

const Verb kDoctorVerb = {
    "doctor", "What this machine or build lacks, and the command that mends it", "pionbench doctor",
    [](CLI::App&, const Context& context) { return Runner([&context] { return doctor(context); }); }};

}  // namespace pionbench
