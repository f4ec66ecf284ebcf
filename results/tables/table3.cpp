/// Paper Table 3: the real robot, by task. Ours is a simulated stand-in and says so.

#include <array>
#include <map>

#include "results/stats/interval.h"
#include "results/versus.h"

namespace pionbench {
namespace {

constexpr const char* kSuccess = "evaluation/test/success";
struct Task {
  const char *title, *published;
};
/// In the order in which the suite numbers its tasks, that of their files' names.
constexpr std::array kTasks = {Task{"Cube to bowl", "cube to bowl"}, Task{"Cube to plate", "cube to plate"},
                               Task{"Cucumber to plate", "cucumber to plate"}};

/// The share of successes among the episodes of one task at the last step, from the run's records by episode.
CellValue on_task(const Evidence& evidence, std::size_t task) {
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

}  // namespace

Table make_table3(const Evidence& evidence) {
  VersusTable plan{.value = final_of(evidence, kSuccess), .reference = "table3"};
  const auto all = [](const CellEvidence&) { return true; };
  for (std::size_t i = 0; i < kTasks.size(); ++i)
    plan.columns.push_back({kTasks[i].title, all, kTasks[i].published, on_task(evidence, i)});
  plan.columns.push_back({"Average", all, "average"});
  for (const auto& arm : evidence.arms())
    plan.rows.push_back({arm, arm == "AdamW" || arm == "Muon" || arm == "Pion" ? arm : ""});
  plan.differences = {{"Pion", "Muon"}, {"Muon", "AdamW"}};
  Table table = make_versus(evidence, plan);
  table.title = evidence.title() + " (a simulated stand-in for the real robot)";
  table.caption = "A simulated stand-in: no robot was moved, and no real-robot data exist in public. " +
                  versus_caption(plan) + caption_end(evidence);
  return table;
}

}  // namespace pionbench
