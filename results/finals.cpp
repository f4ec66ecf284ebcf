#include "results/finals.h"

#include <algorithm>
#include <cstdlib>

#include "results/stats/interval.h"

namespace pionbench {

CellValue final_of(const Evidence& evidence, const std::string& metric) {
  return [store = evidence.store, metric](const CellEvidence& cell) -> std::optional<double> {
    if (cell.is_diverged()) return 0;
    const auto points = store->series(cell.run->run, metric);
    return points.empty() ? std::nullopt : std::optional(points.back().value);
  };
}

std::optional<double> train_seconds_of(const CellEvidence& cell) {
  return cell.is_diverged() ? std::nullopt : std::optional(cell.run->train_seconds);
}

CellValue hyper_of(const Evidence& evidence, const std::string& key) {
  return [store = evidence.store, key](const CellEvidence& cell) -> std::optional<double> {
    // What the experiment varies stands in the cell's coordinates, also before anything was run.
    if (const std::string text = cell.coordinate(key); !text.empty()) {
      char* end = nullptr;
      const double number = std::strtod(text.c_str(), &end);
      if (*end == '\0') return number;
    }
    const Json config = store->config_of_cell(cell.cell.cell);
    if (!config.is_object()) return std::nullopt;
    for (const char* part : {"hyper", "settings"})
      if (config.contains(part) && config[part].contains(key) && config[part][key].is_number())
        return config[part][key].get<double>();
    return std::nullopt;
  };
}

CellValue mean_of(const Evidence& evidence, const std::string& metric) {
  return [store = evidence.store, metric](const CellEvidence& cell) -> std::optional<double> {
    if (cell.is_diverged()) return std::nullopt;
    std::vector<double> values;
    for (const auto& point : store->series(cell.run->run, metric)) values.push_back(point.value);
    return values.empty() ? std::nullopt : std::optional(mean(values));
  };
}

Summary summarize(const std::vector<const CellEvidence*>& cells, const CellValue& value) {
  Summary out;
  for (const auto* cell : cells) {
    if (!cell->is_finished()) continue;
    const auto one = value(*cell);
    if (!one) continue;
    out.values.push_back(*one);
    out.runs.push_back(cell->run->run);
  }
  if (out.values.empty()) return out;
  const auto interval = mean_interval(out.values);
  const auto [lowest, highest] = std::minmax_element(out.values.begin(), out.values.end());
  out.mean = interval.mean;
  out.low = interval.low;
  out.high = interval.high;
  out.lowest = *lowest;
  out.highest = *highest;
  return out;
}

}  // namespace pionbench
