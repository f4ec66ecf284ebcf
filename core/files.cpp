#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "core/error.h"

namespace pionbench {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path, int error, int exit_code) {
  throw UserError(std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(error), exit_code);
}

void write_all(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path, errno, kInternal);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("read", path, errno, kBadConfig);
  std::string out;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(fd);
      fail("read", path, error, kBadConfig);
    }
    if (n == 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return out;
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("create the folder", path, error.value(), kInternal);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view text) {
  if (path.has_parent_path()) make_directories(path.parent_path());
  static std::atomic<unsigned> counter{0};
  auto temporary = path;
  temporary += ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail("write", path, errno, kInternal);
  try {
    write_all(fd, text, path);
    if (::fsync(fd) != 0) fail("write", path, errno, kInternal);
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(fd);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail("write", path, error, kInternal);
  }
}

void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  const int fd = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("write", path, errno, kInternal);
  int error = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (!error && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (!error) return;
  ::unlink(temporary.c_str());
  fail("write", path, error, kInternal);
}

LineWriter::LineWriter(const std::filesystem::path& path) : path_(path) {
  if (path.has_parent_path()) make_directories(path.parent_path());
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("write", path, errno, kInternal);
}

LineWriter::~LineWriter() {
  ::close(fd_);
}

void LineWriter::write(std::string_view line, bool durable) {
  std::string text(line);
  text += '\n';
  write_all(fd_, text, path_);
  if (durable) flush();
}

void LineWriter::flush() {
  if (::fdatasync(fd_) != 0 && errno != EINVAL) fail("write", path_, errno, kInternal);
}

std::string utc_now() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(now);
  const auto ms = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char buffer[40];
  const auto n = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(buffer + n, sizeof buffer - n, ".%03dZ", static_cast<int>(ms));
  return buffer;
}

double steady_seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace pionbench
