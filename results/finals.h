#pragma once
/// One value for each finished run, and what several of them say together.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "results/evidence.h"

namespace pionbench {

using CellValue = std::function<std::optional<double>(const CellEvidence&)>;

/// The last point of a metric; 0 of a diverged run, which counts as a miss.
CellValue final_of(const Evidence& evidence, const std::string& metric);
/// Training seconds; none of diverged runs, which ended early.
std::optional<double> train_seconds_of(const CellEvidence& cell);
/// A number of the cell's optimizer ("lr", "k_p") as its configuration has it.
CellValue hyper_of(const Evidence& evidence, const std::string& key);
/// The mean over steps of a training metric; none of diverged runs.
CellValue mean_of(const Evidence& evidence, const std::string& metric);

struct Summary {
  std::vector<double> values;
  std::vector<std::string> runs;
  double mean = 0, lowest = 0, highest = 0;  ///< meaningless without values
  std::optional<double> low, high;           ///< 95 % Student-t interval; none below two values
};
/// Of the finished cells that have a value.
Summary summarize(const std::vector<const CellEvidence*>& cells, const CellValue& value);

}  // namespace pionbench
