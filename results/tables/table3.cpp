/// Paper Table 3: the real robot, by task. Ours is a simulated stand-in and says so.

#include "results/episodes.h"
#include "results/grid.h"
#include "results/versus.h"

namespace pionbench {
namespace {

constexpr const char* kSuccess = "evaluation/test/success";

}  // namespace

Table make_table3(const Evidence& evidence) {
  VersusTable plan{.value = final_of(evidence, kSuccess), .reference = "table3"};
  const auto all = [](const CellEvidence&) { return true; };
  for (std::size_t i = 0; i < kRobotTasks.size(); ++i)
    plan.columns.push_back({capitalized(kRobotTasks[i]), all, kRobotTasks[i], success_on_task(evidence, i)});
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
