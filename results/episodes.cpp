#include "results/episodes.h"

#include <map>

#include "results/stats/interval.h"

namespace pionbench {

CellValue success_on_task(const Evidence& evidence, std::size_t task) {
  return [store = evidence.store, task](const CellEvidence& cell) -> std::optional<double> {
    if (cell.is_diverged()) return 0;
    struct Episode {
      std::optional<double> task, success;
    };
    std::map<std::int64_t, Episode> episodes;
    std::int64_t last = -1;
    for (const auto& row : store->items(cell.run->run)) {
      if (row.split != "test" || row.step < last) continue;
      if (row.step > last) episodes.clear();
      last = row.step;
      if (row.name == "task") episodes[row.item].task = row.value;
      if (row.name == "success") episodes[row.item].success = row.value;
    }
    std::vector<double> own;
    for (const auto& [item, episode] : episodes)
      if (episode.task && episode.success && *episode.task == static_cast<double>(task))
        own.push_back(*episode.success);
    return own.empty() ? std::nullopt : std::optional(mean(own));
  };
}

}  // namespace pionbench
