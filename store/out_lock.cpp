#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "store/store.h"

namespace pionbench {
namespace {

/// The process that wrote itself down as the holder; 0: none did.
int holder_pid(int fd) {
  char buffer[32];
  const ssize_t n = ::pread(fd, buffer, sizeof buffer, 0);
  int pid = 0;
  if (n > 0) std::from_chars(buffer, buffer + n, pid);
  return pid;
}

bool is_running(int pid) {
  return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM);
}

/// Takes the lock, or tells in `errno` why not. Two holders are gone in a moment and are waited for: a worker on its
/// way from fork to exec, which keeps the lock of an orchestrator that was killed just then, and a look at the holder.
bool take(int fd) {
  using namespace std::chrono_literals;
  const auto began = std::chrono::steady_clock::now();
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return false;
    const auto patience = is_running(holder_pid(fd)) ? 100ms : 2000ms;
    if (std::chrono::steady_clock::now() - began > patience) {
      errno = EWOULDBLOCK;
      return false;
    }
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

}  // namespace

OutLock::OutLock(const std::filesystem::path& out) {
  make_directories(out);
  const auto path = out / "lock";
  // Closed on exec: a worker that outlives its orchestrator must not keep the folder locked.
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0)
    throw UserError("cannot write " + path.string() + ": " + std::strerror(errno) +
                        "; make the folder writable or name another one with --out",
                    kInternal);
  if (!take(fd_)) {
    const int error = errno;
    const int pid = holder_pid(fd_);
    ::close(fd_);
    if (error != EWOULDBLOCK) throw UserError("cannot lock " + path.string() + ": " + std::strerror(error), kInternal);
    throw UserError("another pionbench" + (pid > 0 ? " (process " + std::to_string(pid) + ")" : "") +
                        " is writing in " + out.string() + "; wait for it, or name another folder with --out",
                    kInterrupted);
  }
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const int error = errno;
    ::close(fd_);
    throw UserError("cannot write " + path.string() + ": " + std::strerror(error), kInternal);
  }
}

std::optional<int> OutLock::holder(const std::filesystem::path& out) {
  const int fd = ::open((out / "lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const bool is_held = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const int pid = is_held ? holder_pid(fd) : 0;
  ::close(fd);
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

OutLock::~OutLock() {
  ::close(fd_);
}

}  // namespace pionbench
