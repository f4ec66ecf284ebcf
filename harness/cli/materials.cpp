#include "harness/cli/materials.h"

#include <set>

namespace pionbench {

std::vector<MissingMaterial> missing_materials(const std::vector<PlannedCell>& cells) {
  std::vector<MissingMaterial> out;
  std::set<std::pair<MaterialKind, std::string>> seen;
  for (const auto& cell : cells)
    for (const auto& [setting, kind] : material_settings()) {
      const auto it = cell.config.settings.find(setting);
      if (it == cell.config.settings.end()) continue;
      const std::string name = to_text(it->second);
      if (name.empty() || !seen.emplace(kind, name).second) continue;
      if (auto missing = missing_material(kind, name)) out.push_back(std::move(*missing));
    }
  return out;
}

}  // namespace pionbench
