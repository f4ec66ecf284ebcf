#include <algorithm>

#include "core/error.h"
#include "harness/spec/plan.h"

namespace pionbench {

namespace fs = std::filesystem;

std::vector<fs::path> list_specs(const std::vector<fs::path>& folders) {
  std::vector<fs::path> out;
  for (const auto& folder : folders) {
    std::error_code error;  // a folder that is not there holds no experiments
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml" && entry.is_regular_file(error)) out.push_back(entry.path());
  }
  // Stable: of two files with one name, the earlier folder's comes first.
  std::ranges::stable_sort(out, {}, [](const fs::path& path) { return path.stem().string(); });
  return out;
}

fs::path find_spec(const std::string& name_or_path, const std::vector<fs::path>& folders) {
  if (name_or_path.starts_with('{')) return name_or_path;
  const bool is_path = name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".yaml");
  std::error_code error;
  if (is_path) {
    if (fs::is_regular_file(name_or_path, error)) return name_or_path;
    throw UserError("no experiment file " + name_or_path, kUsage);
  }
  std::vector<std::string> known;
  for (const auto& path : list_specs(folders)) {
    if (path.stem() == name_or_path) return path;
    known.push_back(path.stem().string());
  }
  throw UserError(unknown_name("experiment", name_or_path, known) + "  (or give the path of a .yaml file)", kUsage);
}

}  // namespace pionbench
