/// Paper Table A5: Pion on the action head's whole matrices against per-head, mean over four suites.

#include <algorithm>

#include "results/panels.h"
#include "results/versus.h"

namespace pionbench {

Table make_table_a5(const Evidence& evidence) {
  VersusTable plan{.value = final_of(evidence, "evaluation/test/success"), .reference = "table_a5"};
  const auto all = [](const CellEvidence&) { return true; };
  plan.columns.push_back({"Mean", all, "success"});
  for (const auto& panel : setting_panels(evidence)) {
    if (panel.id.empty()) break;  // one setting is its own mean
    const std::string setting = panel.title.substr(panel.title.find(' ') + 1);
    plan.columns.push_back({setting,
                            [cells = panel.cells](const CellEvidence& cell) {
                              return std::find(cells.begin(), cells.end(), &cell) != cells.end();
                            },
                            ""});
  }
  for (const auto& arm : evidence.arms())
    plan.rows.push_back({arm, arm == "Pion" ? "default" : arm == "Pion per-head" ? "per-head" : ""});
  plan.differences = {{"Pion", "Pion per-head"}};
  Table table = make_versus(evidence, plan);
  table.title = evidence.title();
  table.caption = versus_caption(plan) + caption_end(evidence);
  return table;
}

}  // namespace pionbench
