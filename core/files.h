#pragma once
/// Files that are whole or absent. Every failure is a UserError that names the path and the system's reason
/// (exit code 64 for a missing or unreadable input, 70 for a write that failed: full disk, read-only folder).

#include <filesystem>
#include <string>
#include <string_view>

namespace pionbench {

std::string read_file(const std::filesystem::path& path);

/// Writes beside `path`, flushes to the disk, then renames: readers see the old file or the new one, and a full
/// disk or a kill leaves the old one. Creates missing parent folders.
void write_file_atomic(const std::filesystem::path& path, std::string_view text);

/// Flushes `temporary`, a finished file in the same folder, to the disk and renames it to `path`. On failure it is gone
/// and `path` as it was.
void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

/// create_directories with the same error contract.
void make_directories(const std::filesystem::path& path);

/// An append-only text file: each line reaches the kernel whole, in one write.
/// Not thread-safe; one writer per file.
class LineWriter {
 public:
  explicit LineWriter(const std::filesystem::path& path);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;
  /// `line` without its newline. With `durable`, returns only once the disk has it (for state changes).
  void write(std::string_view line, bool durable = false);
  /// Returns once the disk has all lines written so far.
  void flush();

 private:
  std::filesystem::path path_;
  int fd_;
};

/// Seconds since the epoch with milliseconds, as ISO 8601 UTC: "2026-05-24T01:02:03.456Z".
std::string utc_now();

/// Seconds on the steady clock, which neither leaps nor follows the wall clock.
double steady_seconds();

}  // namespace pionbench
