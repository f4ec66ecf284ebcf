#pragma once
/// Where a database may live.

#include <filesystem>
#include <optional>
#include <string>

namespace pionbench {

/// The name of a file system on which SQLite's write-ahead log is not safe (its readers and writers share memory, and
/// locks over the network are often wrong), by the magic number that statfs(2) gives; nothing for others.
std::optional<std::string> network_filesystem_name(std::int64_t magic);

/// UserError when `folder` (which exists) lies on such a file system.
void require_local_filesystem(const std::filesystem::path& folder);

}  // namespace pionbench
