#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "core/error.h"
#include "experiments/vla/expert.h"
#include "experiments/vla/sim/vector_env.h"

namespace pionbench::vla {

/// The message of the UserError that `act` throws; a failure when it throws none.
inline std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const UserError& e) {
    return e.what();
  }
  ADD_FAILURE() << "no UserError was thrown";
  return "";
}

inline std::vector<SuiteTask> tasks_of(const std::string& suite) {
  return load_tasks(find_task_suite(suite));
}

inline const SuiteTask& task_named(const std::vector<SuiteTask>& tasks, const std::string& part) {
  for (const auto& task : tasks)
    if (task.file.name.find(part) != std::string::npos) return task;
  throw std::logic_error("no task " + part);
}

/// Lets the expert act until every episode has ended.
inline void run_expert(VectorEnv& env) {
  std::vector<float> actions(static_cast<std::size_t>(env.size()) * kActionSize);
  for (auto ids = env.running(); !ids.empty(); ids = env.running()) {
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      std::ranges::copy(expert_action(env.scene(i), data),
                        actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
    });
    env.step(actions);
  }
}

/// The same action for every episode.
inline std::vector<float> all(int episodes, const Action& action) {
  std::vector<float> out;
  for (int i = 0; i < episodes; ++i) out.insert(out.end(), action.begin(), action.end());
  return out;
}

/// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pionbench-vla-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Finished {
  int code;
  std::string output;  ///< both streams
};
inline Finished shell(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  return {WEXITSTATUS(::pclose(pipe)), output};
}

}  // namespace pionbench::vla
