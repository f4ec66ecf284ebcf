#include "results/versus.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "results/panels.h"
#include "results/stats/difference.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

constexpr const char* kNone = "–";

struct Cell {
  std::map<std::string, std::map<std::string, double>> values;  // setting -> seed -> value
  std::vector<std::string> runs;
  std::size_t planned = 0, ran = 0, finished = 0;  // finished: with a value

  stats::Strata strata() const {
    stats::Strata out;
    for (const auto& [setting, seeds] : values) {
      auto& stratum = out.emplace_back();
      for (const auto& [seed, value] : seeds) stratum.push_back(value);
    }
    return out;
  }
  int n() const {
    std::size_t n = 0;
    for (const auto& [setting, seeds] : values) n += seeds.size();
    return static_cast<int>(n);
  }
};

Cell collect(const Evidence& evidence, const std::string& arm, const VersusColumn& column, const CellValue& fallback) {
  Cell out;
  for (const auto& cell : evidence.cells) {
    if (cell.cell.arm != arm || !column.holds(cell)) continue;
    ++out.planned;
    if (!cell.is_finished()) continue;
    ++out.ran;
    const auto value = (column.value ? column.value : fallback)(cell);
    if (!value) continue;
    ++out.finished;
    out.values[setting_title(cell)][cell.coordinate("seed")] = *value;
    out.runs.push_back(cell.run->run);
  }
  return out;
}

std::string percent(double share) {
  return fixed(100 * share, 1);
}
std::string signed_percent(double share) {
  return (share > 0 ? "+" : "") + percent(share);
}

std::string bounds_text(const std::optional<stats::Bounds>& bounds, bool is_signed, int n) {
  if (!bounds) return "";
  const auto number = [&](double x) { return is_signed ? signed_percent(x) : percent(x); };
  return " [" + number(bounds->low) + ", " + number(bounds->high) + "]" + (n < kFewSeeds ? " ≈" : "");
}

/// a − b where both have the setting: paired by seed where all seeds pair up.
std::optional<stats::Estimate> difference(const Cell& a, const Cell& b, int& n) {
  stats::Strata of_a, of_b, paired;
  bool is_paired = true;
  for (const auto& [setting, seeds] : a.values) {
    const auto other = b.values.find(setting);
    if (other == b.values.end()) continue;
    auto& values_a = of_a.emplace_back();
    auto& values_b = of_b.emplace_back();
    auto& both = paired.emplace_back();
    for (const auto& [seed, value] : seeds) {
      values_a.push_back(value);
      if (const auto twin = other->second.find(seed); twin != other->second.end()) both.push_back(value - twin->second);
    }
    for (const auto& [seed, value] : other->second) values_b.push_back(value);
    is_paired = is_paired && both.size() == values_a.size() && both.size() == values_b.size();
    n += static_cast<int>(std::min(values_a.size(), values_b.size()));
  }
  if (of_a.empty()) return std::nullopt;
  return is_paired ? stats::paired_difference(paired) : stats::pooled_difference(of_a, of_b);
}

}  // namespace

Table make_versus(const Evidence& evidence, const VersusTable& plan) {
  const auto published = published_table(plan.reference);
  Table table;
  table.display.columns = {"Arm", "Of", "n"};
  for (const auto& column : plan.columns) table.display.columns.push_back(column.title);
  table.data.columns = {"row", "column", "of",      "value",  "low",   "high",
                        "n",   "mde",    "planned", "source", "trust", "runs"};
  const auto add_data = [&](const std::string& row, const std::string& column, const char* of,
                            const std::optional<stats::Estimate>& estimate, int n, const Cell* cell) {
    std::vector<std::string> out = {row, column, of};
    const auto bounds = estimate ? stats::t_interval(*estimate) : std::nullopt;
    const auto mde = estimate ? stats::minimum_detectable_effect(*estimate) : std::nullopt;
    out.push_back(estimate ? exact(estimate->value) : "");
    out.push_back(bounds ? exact(bounds->low) : "");
    out.push_back(bounds ? exact(bounds->high) : "");
    out.push_back(std::to_string(n));
    out.push_back(mde ? exact(*mde) : "");
    out.push_back(cell ? std::to_string(cell->planned) : "");
    out.insert(out.end(), {"", "", cell ? join(cell->runs, " ") : ""});
    table.data.rows.push_back(std::move(out));
  };

  std::map<std::string, std::vector<Cell>> ours;
  for (const auto& row : plan.rows) {
    auto& cells = ours[row.arm];
    std::vector<std::string> texts, paper_texts;
    std::vector<std::vector<std::string>> runs(3);
    std::vector<std::string> all_runs;
    int least = 0, most = 0;
    const std::string title = row.title.empty() ? row.arm : row.title;
    for (const auto& column : plan.columns) {
      cells.push_back(collect(evidence, row.arm, column, plan.value));
      const auto& cell = cells.back();
      const int n = cell.n();
      least = texts.empty() ? n : std::min(least, n);
      most = std::max(most, n);
      runs.push_back(cell.runs);
      for (const auto& run : cell.runs)
        if (std::find(all_runs.begin(), all_runs.end(), run) == all_runs.end()) all_runs.push_back(run);
      if (n == 0) {
        texts.push_back(cell.planned && !cell.ran ? "not run" : kNone);
        add_data(title, column.title, "ours", std::nullopt, 0, &cell);
      } else {
        const auto estimate = stats::pooled_mean(cell.strata());
        std::string text = percent(estimate.value) + bounds_text(stats::t_interval(estimate), false, n);
        if (cell.finished < cell.planned)
          text += " (" + std::to_string(cell.finished) + " of " + std::to_string(cell.planned) + " runs)";
        texts.push_back(text);
        add_data(title, column.title, "ours", estimate, n, &cell);
      }
      const auto* value = published.find(row.published, column.published);
      paper_texts.push_back(value ? value->text : kNone);
      if (value)
        table.data.rows.push_back({title, column.title, "paper",
                                   value->value ? exact(*value->value / 100) : value->text, "", "", "", "", "",
                                   value->source, value->trust, ""});
    }
    std::vector<std::string> line = {
        title, "ours", least == most ? std::to_string(most) : std::to_string(least) + "–" + std::to_string(most)};
    line.insert(line.end(), texts.begin(), texts.end());
    table.display.rows.push_back(std::move(line));
    table.cell_runs.push_back(runs);
    if (!row.published.empty()) {
      line = {title, "paper", kNone};
      line.insert(line.end(), paper_texts.begin(), paper_texts.end());
      table.display.rows.push_back(std::move(line));
      table.cell_runs.emplace_back();
    }
    if (!all_runs.empty()) table.sources.push_back({"", title, all_runs});
    for (std::size_t i = 0; i < plan.columns.size(); ++i)
      if (const auto& behind = table.cell_runs[table.cell_runs.size() - (row.published.empty() ? 1 : 2)][i + 3];
          behind.size() > 1 && behind != all_runs)
        table.sources.push_back({"", title + ", " + plan.columns[i].title, behind});
  }
  for (const auto& [a, b] : plan.differences) {
    if (!ours.contains(a) || !ours.contains(b)) continue;  // an experiment without the arm
    std::vector<std::string> values = {a + " − " + b, "ours", ""}, powers = {a + " − " + b, "MDE", kNone};
    int most = 0;
    for (std::size_t i = 0; i < plan.columns.size(); ++i) {
      int n = 0;
      const auto estimate = difference(ours[a][i], ours[b][i], n);
      most = std::max(most, n);
      const auto mde = estimate ? stats::minimum_detectable_effect(*estimate) : std::nullopt;
      values.push_back(estimate ? signed_percent(estimate->value) + bounds_text(stats::t_interval(*estimate), true, n)
                                : kNone);
      powers.push_back(mde ? percent(*mde) : kNone);
      add_data(a + " − " + b, plan.columns[i].title, "ours", estimate, n, nullptr);
    }
    values[2] = std::to_string(most);
    table.display.rows.push_back(std::move(values));
    table.display.rows.push_back(std::move(powers));
    table.cell_runs.resize(table.display.rows.size());
  }
  return table;
}

std::string versus_caption(const VersusTable& plan) {
  const auto published = published_table(plan.reference);
  return "Success in per cent. Ours: mean over seeds [95 % Student-t interval, one spread for all settings], ≈ below " +
         std::to_string(kFewSeeds) +
         " runs; n runs a cell; differences are paired by seed where the seeds pair up; MDE: the least true difference "
         "that such runs find in four of five cases. Paper: single runs of larger models on other data (" +
         published.source + "; trust: " + published.trust + "). ";
}

}  // namespace pionbench
