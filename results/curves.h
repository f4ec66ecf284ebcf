#pragma once
/// Curves over the course of training: panels for settings, a line for each arm, rows for metrics.

#include <string>
#include <vector>

#include "results/panels.h"

namespace pionbench {

struct CurveRow {
  std::string metric, title;  ///< title of the y axis
};

struct CurveOptions {
  enum class X { kStep, kTrainSeconds };
  enum class Y { kShare, kPositive, kNumber };  ///< per cent; logarithmic where all values are above 0; as it is
  X x = X::kStep;
  Y y = Y::kShare;
  std::vector<std::string> arms = {};    ///< drawn; empty = all
  std::vector<std::string> folded = {};  ///< coordinates that part no panels: runs differ in them under one arm
  std::size_t columns = 2;
  /// Coordinates by whose values panels are put in order, the first slowest; empty: display order.
  std::vector<std::string> order = {};
  int width = 0, height = 210;      ///< width 0: by the number of panels
  std::size_t first_panel = 0;      ///< letters before these: of the figure's other parts
  bool is_always_lettered = false;  ///< also where there is one panel
};

struct CurveChart {
  Json rows = Json::array();  ///< views to concatenate vertically
  /// panel, metric, the coordinates, arm, seed, step, value, train_seconds, state, run
  Grid data;
  std::vector<Source> sources;
  std::string seeds;  ///< "n = 3 seeds", of the first row
  std::size_t panels = 0;
};

/// Lines: mean over seeds; bands: lowest to highest seed, not an interval. Panels of one row share their axes. A panel
/// names what is missing in it.
CurveChart draw_curves(const Evidence& evidence, const std::vector<CurveRow>& rows, const CurveOptions& options = {});

}  // namespace pionbench
