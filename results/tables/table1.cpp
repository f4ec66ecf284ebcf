/// Paper Table 1: VLANeXt on LIBERO and, without training for it, under LIBERO-Plus's seven perturbations.

#include <algorithm>
#include <array>

#include "results/versus.h"

namespace pionbench {
namespace {

constexpr const char* kSuccess = "evaluation/test/success";
constexpr std::array kCategories = {"background", "camera", "language", "layout", "light", "noise", "robot"};

bool is_clean(const std::string& category) {
  return category.empty() || category == "none" || category == "clean" || category == "libero";
}

}  // namespace

Table make_table1(const Evidence& evidence) {
  VersusTable plan{.value = final_of(evidence, kSuccess), .reference = "table1"};
  plan.columns.push_back(
      {"LIBERO", [](const CellEvidence& cell) { return is_clean(cell.coordinate("category")); }, "LIBERO"});
  plan.columns.push_back(
      {"LIBERO-Plus", [](const CellEvidence& cell) { return !is_clean(cell.coordinate("category")); }, "LIBERO Plus"});
  for (const char* category : kCategories)
    plan.columns.push_back({capitalized(category),
                            [category](const CellEvidence& cell) { return cell.coordinate("category") == category; },
                            capitalized(category)});
  std::vector<std::string> paper_arms = {"AdamW", "Muon", "Pion"};
  for (const auto& arm : evidence.arms())
    plan.rows.push_back({arm, std::find(paper_arms.begin(), paper_arms.end(), arm) == paper_arms.end() ? "" : arm});
  plan.differences = {{"Pion", "Muon"}, {"Pion", "AdamW"}};
  Table table = make_versus(evidence, plan);
  table.title = evidence.title();
  table.caption = versus_caption(plan) +
                  "LIBERO-Plus is the plain mean of the seven categories here; how the paper pools them is not stated. "
                  "\"Pion\" is Pion on the action head and Muon elsewhere. " +
                  caption_end(evidence);
  return table;
}

}  // namespace pionbench
