/// Paper Table A6: which module gets which optimizer, on Object.

#include "results/versus.h"

namespace pionbench {

Table make_table_a6(const Evidence& evidence) {
  VersusTable plan{.value = final_of(evidence, "evaluation/test/success"), .reference = "table_a6"};
  plan.columns.push_back({"Success", [](const CellEvidence&) { return true; }, "success"});
  const auto published = published_table(plan.reference);
  for (const auto& arm : evidence.arms()) {
    // "S1" here, "S1 AdamW/AdamW/AdamW" in the reference: vision, language, action.
    std::string name;
    for (const auto& row : published.rows)
      if (row.name == arm || row.name.starts_with(arm + " ")) name = row.name;
    plan.rows.push_back({arm, name, name});
  }
  plan.differences = {{"S2", "S1"}, {"S3", "S1"}, {"S5", "S1"}, {"S7", "S1"}, {"S9", "S8"}, {"S8", "S1"}};
  Table table = make_versus(evidence, plan);
  table.title = evidence.title();
  table.caption = versus_caption(plan) +
                  "Arms: vision/language/action. S4 and S6 are not reported; the paper's step budget is not stated. " +
                  caption_end(evidence);
  return table;
}

}  // namespace pionbench
