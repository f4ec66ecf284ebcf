#pragma once
/// Reading append-only spools: whole lines from a byte offset on, in blocks.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

namespace pionbench {

struct FileStamp {
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
};

/// One stat; nothing when there is no such file.
std::optional<FileStamp> file_stamp(const std::filesystem::path& path);

/// Calls `take(line)` for every whole line between `offset` and `end` (without its '\n'), and `block_done(offset)`
/// after the last line of each block, with the offset behind it. A last line without '\n' is left alone.
/// Returns the offset behind the last line taken. UserError when the file cannot be read.
std::int64_t read_whole_lines(const std::filesystem::path& path, std::int64_t offset, std::int64_t end,
                              const std::function<void(std::string_view line)>& take,
                              const std::function<void(std::int64_t offset)>& block_done);

}  // namespace pionbench
