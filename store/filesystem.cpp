#include "store/filesystem.h"

#include <sys/vfs.h>

#include <array>
#include <cstdint>

#include "core/error.h"

namespace pionbench {
namespace {

// linux/magic.h and the file systems' own headers.
constexpr std::array kNetworkFilesystems = {
    std::pair{std::int64_t{0x6969}, "NFS"},        std::pair{std::int64_t{0x517B}, "SMB"},
    std::pair{std::int64_t{0xFF534D42}, "CIFS"},   std::pair{std::int64_t{0xFE534D42}, "SMB2"},
    std::pair{std::int64_t{0x0BD00BD0}, "Lustre"}, std::pair{std::int64_t{0x01021997}, "9p"},
    std::pair{std::int64_t{0x65735546}, "FUSE"},
};

}  // namespace

std::optional<std::string> network_filesystem_name(std::int64_t magic) {
  for (const auto& [known, name] : kNetworkFilesystems)
    if (known == (magic & 0xFFFFFFFF)) return name;
  return std::nullopt;
}

void require_local_filesystem(const std::filesystem::path& folder) {
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return;  // what is wrong with the folder, opening the database will say
  const auto name = network_filesystem_name(info.f_type);
  if (!name) return;
  throw UserError(
      folder.string() + " is on a network file system (" + *name +
      "), where SQLite's shared memory and locks are not safe; name a folder on a local disk with --out, or, "
      "where other machines must see the runs, keep the database alone on one: echo /local/folder > " +
      (folder / "database").string());
}

}  // namespace pionbench
