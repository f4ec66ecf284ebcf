#include "store/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/error.h"

namespace pionbench {
namespace {

constexpr std::size_t kBlock = 1 << 20;

class ReadOnlyFile {
 public:
  explicit ReadOnlyFile(const std::filesystem::path& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail();
  }
  ~ReadOnlyFile() { ::close(fd_); }
  ReadOnlyFile(const ReadOnlyFile&) = delete;
  ReadOnlyFile& operator=(const ReadOnlyFile&) = delete;

  /// Appends up to `count` bytes at `offset`; false at the end of the file.
  bool append_to(std::string& buffer, std::int64_t offset, std::size_t count) const {
    const std::size_t before = buffer.size();
    buffer.resize(before + count);
    ssize_t n;
    do n = ::pread(fd_, buffer.data() + before, count, offset);
    while (n < 0 && errno == EINTR);
    if (n < 0) fail();
    buffer.resize(before + static_cast<std::size_t>(n));
    return n > 0;
  }

 private:
  [[noreturn]] void fail() const { throw UserError("cannot read " + path_.string() + ": " + std::strerror(errno)); }
  const std::filesystem::path& path_;
  int fd_;
};

}  // namespace

std::optional<FileStamp> file_stamp(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileStamp{info.st_size, info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec};
}

std::int64_t read_whole_lines(const std::filesystem::path& path, std::int64_t offset, std::int64_t end,
                              const std::function<void(std::string_view)>& take,
                              const std::function<void(std::int64_t)>& block_done) {
  const ReadOnlyFile file(path);
  std::string buffer;
  std::int64_t read_to = offset;  // where the buffer ends in the file
  while (read_to < end) {
    const std::size_t searched = buffer.size();  // what is left of the block before has no '\n'
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(end - read_to, kBlock));
    if (!file.append_to(buffer, read_to, want)) break;
    read_to += static_cast<std::int64_t>(buffer.size() - searched);
    const std::string_view text(buffer);
    std::size_t begin = 0;
    for (std::size_t newline; (newline = text.find('\n', std::max(begin, searched))) != text.npos; begin = newline + 1)
      take(text.substr(begin, newline - begin));
    if (begin == 0) continue;
    buffer.erase(0, begin);
    offset = read_to - static_cast<std::int64_t>(buffer.size());
    block_done(offset);
  }
  return offset;
}

}  // namespace pionbench
