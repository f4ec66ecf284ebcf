#include "common/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "core/files.h"

extern char** environ;

namespace pionbench {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);

int memory_file(const char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw UserError(std::string("cannot keep a command's output: ") + std::strerror(errno), kInternal);
  return fd;
}

std::string all_of(int fd) {
  std::string out;
  std::array<char, 1 << 16> buffer;
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), at);
    if (n <= 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(n));
    at += n;
  }
}

}  // namespace

std::string SubprocessResult::complaint() const {
  std::string_view text = errors;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t begin = text.rfind('\n');
  if (begin != text.npos) text.remove_prefix(begin + 1);
  if (!text.empty()) return std::string(text);
  return exit_code == 124 ? "no answer in time" : "exit code " + std::to_string(exit_code);
}

Subprocess::Subprocess(const std::vector<std::string>& argv, const std::vector<std::string>& without_variables)
    : output_(memory_file("output")), errors_(memory_file("errors")), began_(steady_seconds()) {
  std::vector<char*> arguments;
  for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> variables;
  for (char** variable = environ; *variable; ++variable)
    if (std::ranges::none_of(without_variables, [&](const std::string& prefix) {
          return std::string_view(*variable).starts_with(prefix);
        }))
      variables.push_back(*variable);
  variables.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output_, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors_, STDERR_FILENO);
  // Ctrl-C on our terminal is for us: a group of its own.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;  // the caller may hold signals back
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  const int error = ::posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), variables.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return;
  pid_ = -1;
  const std::string text = argv[0] + ": " + std::strerror(error) + "\n";
  [[maybe_unused]] const auto written = ::write(errors_, text.data(), text.size());
}

Subprocess::~Subprocess() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(output_);
  ::close(errors_);
}

std::optional<SubprocessResult> Subprocess::poll(double limit_s) {
  SubprocessResult result;
  result.exit_code = 127;
  if (pid_ > 0) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == 0) {
      if (!timed_out_ && steady_seconds() - began_ > limit_s) {
        timed_out_ = true;
        ::kill(-pid_, SIGKILL);
      }
      return std::nullopt;
    }
    pid_ = -1;
    if (timed_out_)
      result.exit_code = 124;
    else
      result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  result.output = all_of(output_);
  result.errors = all_of(errors_);
  return result;
}

SubprocessResult Subprocess::wait(double limit_s) {
  for (;;) {
    if (auto result = poll(limit_s)) return std::move(*result);
    std::this_thread::sleep_for(kPoll);
  }
}

SubprocessResult run_program(const std::vector<std::string>& argv, double limit_s,
                             const std::vector<std::string>& without_variables) {
  return Subprocess(argv, without_variables).wait(limit_s);
}

std::optional<std::string> output_of(const std::vector<std::string>& argv, double limit_s) {
  auto result = run_program(argv, limit_s);
  if (!result.ok()) return std::nullopt;
  while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
  return std::move(result.output);
}

}  // namespace pionbench
