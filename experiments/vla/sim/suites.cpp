#include "experiments/vla/sim/suites.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/sim/init_state.h"

namespace pionbench::vla {

namespace fs = std::filesystem;

const std::vector<TaskSuite>& task_suites() {
  // Horizons: at least twice the expert's longest episode (docs/vla.md); LIBERO's are 220, 280, 300 and 520.
  static const std::vector<TaskSuite> kSuites = {
      {"vla/object", "Object", "libero_object", "object", 80, 50},
      {"vla/spatial", "Spatial", "libero_spatial", "spatial", 80, 50},
      {"vla/goal", "Goal", "libero_goal", "goal", 200, 50},
      {"vla/long", "Long", "libero_10", "long", 200, 50},
      {"vla/robot", "Robot (simulated stand-in)", "the paper's three real-robot tasks", "robot", 100, 30},
  };
  return kSuites;
}

const TaskSuite& find_task_suite(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& suite : task_suites()) {
    if (suite.name == name) return suite;
    known.push_back(suite.name);
  }
  throw UserError(unknown_name("task suite", name, known));
}

fs::path tasks_folder() {
  const char* home = std::getenv("PIONBENCH_HOME");
  return fs::path(home && *home ? home : PIONBENCH_SOURCE_FOLDER) / "experiments" / "vla" / "tasks";
}

std::vector<SuiteTask> load_tasks(const TaskSuite& suite) {
  const fs::path folder = tasks_folder() / suite.folder;
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".bddl") paths.push_back(entry.path());
  if (paths.empty())
    throw UserError("no task files (*.bddl) in " + folder.string() + "; set PIONBENCH_HOME to the checkout");
  std::ranges::sort(paths);
  std::vector<SuiteTask> tasks;
  for (const auto& path : paths) {
    TaskFile file = read_task(path);
    const std::string instruction = instruction_of(file.name);
    tasks.push_back({suite.name, static_cast<int>(tasks.size()), suite.horizon, instruction, std::move(file)});
  }
  return tasks;
}

std::vector<std::string> changed_inits(const TaskSuite& suite) {
  std::map<std::string, std::string> stored;
  std::istringstream lines(read_file(tasks_folder() / "init_digests.txt"));
  for (std::string task, digest; lines >> task >> digest;) stored[task] = digest;
  std::vector<std::string> changed;
  for (const auto& task : load_tasks(suite)) {
    char digest[17];
    std::snprintf(digest, sizeof digest, "%016llx",
                  static_cast<unsigned long long>(init_digest(*build_scene(task.file))));
    if (stored[suite.folder + "/" + task.file.name] != digest) changed.push_back(task.file.name);
  }
  return changed;
}

}  // namespace pionbench::vla
