#pragma once
/// What the tests of this folder share.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "core/error.h"

namespace pionbench::rlvr {

/// A file of this process alone.
inline std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::temp_directory_path() / ("pionbench-rlvr-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  return folder / name;
}

/// What the UserError says, or "no error".
inline std::string message(auto&& action) {
  try {
    action();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

/// The folder of the real GSM8K and MATH files, which are not part of the project, when it stands beside the checkout.
inline std::optional<std::filesystem::path> real_data() {
  const char* home = std::getenv("PIONBENCH_HOME");
  const auto folder = std::filesystem::path(home ? home : ".") / ".." / "shared" / "data";
  return std::filesystem::exists(folder) ? std::optional(folder) : std::nullopt;
}

/// Runs tests/tools/SCRIPT with the project's Python. Nothing when there is no Python, or the script ends with 3: what
/// it needs is not installed.
inline std::optional<int> run_tool(const std::string& script, const std::string& arguments) {
  const char* python = std::getenv("PIONBENCH_PYTHON");
  const char* home = std::getenv("PIONBENCH_HOME");
  if (!python || !home || !std::filesystem::exists(python)) return std::nullopt;
  const std::string command = std::string(python) + " " + home + "/tests/tools/" + script + " " + arguments;
  const int status = std::system(command.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return code == 3 ? std::nullopt : std::optional(code);
}

}  // namespace pionbench::rlvr
