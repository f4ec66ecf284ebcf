#include "harness/adaptive/candidates.h"

#include <unordered_map>

namespace pionbench {

std::vector<CandidateCells> candidates_of(const Plan& plan, const std::string& resource) {
  std::vector<CandidateCells> out;
  std::unordered_map<std::string, std::size_t> places;
  for (const auto& cell : plan.experiment.cells) {
    CandidateCells mine;
    mine.arm = cell.arm;
    mine.key = cell.arm;
    for (const auto& [key, text] : cell.point) {
      if (key == "seed" || key == resource) continue;
      std::string& part = plan.compared.contains(key) ? mine.key : mine.condition;
      part += (part.empty() ? "" : " ") + key + "=" + text;
    }
    mine.label = mine.key.empty() ? plan.experiment.name : mine.key;
    if (!mine.condition.empty()) mine.label += ", " + mine.condition;
    const auto [place, is_new] = places.try_emplace(mine.key + "\n" + mine.condition, out.size());
    if (is_new) out.push_back(std::move(mine));
    out[place->second].cells.push_back(&cell);
  }
  return out;
}

}  // namespace pionbench
