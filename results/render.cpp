#include "results/render.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/files.h"

extern char** environ;

namespace pionbench {
namespace {

/// Runs a program with its output going to `log`; returns its exit code, or 128 + signal, or nothing was started: -1.
int run_logged(std::vector<std::string> arguments, const std::filesystem::path& log) {
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string render_figures(const std::filesystem::path& python, const std::filesystem::path& script,
                           const std::filesystem::path& folder, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  if (!std::filesystem::exists(python)) return "there is no Python at " + python.string();
  // -B: no __pycache__ beside the script, which may lie in a folder that is not ours to write.
  std::vector<std::string> arguments = {python.string(), "-B", script.string(), folder.string()};
  arguments.insert(arguments.end(), names.begin(), names.end());
  const auto log = folder / "render.log";
  const int code = run_logged(std::move(arguments), log);
  std::string said = code == -1 ? "cannot start " + python.string() : read_file(log);
  std::filesystem::remove(log);
  if (code == 0) return "";
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said.empty() ? "render.py ended with " + std::to_string(code) : said;
}

}  // namespace pionbench
