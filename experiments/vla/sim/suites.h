#pragma once
/// The suites of tasks. One more task is one more file under experiments/vla/tasks/<suite>/; one more suite is a
/// folder and one entry in suites.cpp.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {

struct SuiteTask {
  std::string suite;  ///< "vla/object"
  int index;          ///< in the order of file names
  int horizon;        ///< actions; settling steps do not count
  std::string instruction;
  TaskFile file;
};

struct TaskSuite {
  std::string name;         ///< "vla/object"
  std::string title;        ///< for tables; says so when it stands in for something else
  std::string counterpart;  ///< what it follows: "libero_object", or the paper's real robot
  std::string folder;       ///< under tasks/
  int horizon;
  int trials;  ///< per task in an evaluation
};

/// Every suite, in display order.
const std::vector<TaskSuite>& task_suites();
/// Throws UserError with the nearest name.
const TaskSuite& find_task_suite(const std::string& name);

/// $PIONBENCH_HOME/experiments/vla/tasks, or the source folder of this build.
std::filesystem::path tasks_folder();

/// The suite's tasks, read and parsed. Throws UserError when the folder is missing or a file is wrong.
std::vector<SuiteTask> load_tasks(const TaskSuite& suite);

/// The digests of tasks/init_digests.txt, "TASK DIGEST" a line, compared with what sample_init gives: the names of
/// tasks whose initial states are not the stored ones. Empty on every machine, or results are not comparable.
std::vector<std::string> changed_inits(const TaskSuite& suite);

}  // namespace pionbench::vla
