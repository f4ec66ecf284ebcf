#pragma once
/// Bars: one for each arm, in groups. A dot for each run, a rule for the 95 % interval, and where nothing was run a
/// word in the bar's place.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "results/finals.h"
#include "results/panels.h"

namespace pionbench {

struct BarOptions {
  std::string panel;  ///< "b"; "" for the only one
  std::string title, y_title;
  std::string quantity;  ///< column `metric` of the data
  bool is_share = true;  ///< 0..1, shown as per cent
  double factor = 1;     ///< what is drawn is factor · value; the data have the value
  int width = 330, height = 220;
  std::function<std::string(const CellEvidence&)> group_of = {};     ///< none: the arms are the groups
  std::map<std::pair<std::string, std::string>, double> paper = {};  ///< (group, arm) -> the published value, as drawn
};

struct BarChart {
  Json view;
  Grid data;  ///< panel, metric, group, arm, seed, value, run
  std::vector<Source> sources;
};

BarChart draw_bars(const Evidence& evidence, const CellValue& value, const BarOptions& options);

}  // namespace pionbench
