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
  /// kShare: per cent. kPositive: logarithmic where all values are above 0; where noise takes some below, linear up to
  /// its size and logarithmic beyond (kSymlogFrom). kNumber: as it is.
  enum class Y { kShare, kPositive, kNumber };
  X x = X::kStep;
  Y y = Y::kShare;
  std::vector<std::string> arms = {};    ///< drawn; empty = all
  std::vector<std::string> folded = {};  ///< coordinates that part no panels: runs differ in them under one arm
  std::string published = "The paper prints no values. ";  ///< of curve_figure's caption
  std::size_t columns = 0;                                 ///< 0: by the number of panels
  int width = 0, height = 0;                               ///< 0: by the number of columns
  std::size_t first_panel = 0;                             ///< letters before these: of the figure's other parts
  bool is_always_lettered = false;                         ///< also where there is one panel
};

struct CurveChart {
  Json rows = Json::array();  ///< views to concatenate vertically
  /// panel, metric, the coordinates, arm, seed, step, value, train_seconds, state, run
  Grid data;
  std::vector<Source> sources;
  std::string seeds;  ///< "n = 3 seeds", of the first row
  std::size_t panels = 0;
};

/// Lines: mean over seeds; bands: lowest to highest seed, not an interval. Panels share their axes, but not a clock: a
/// large model's seconds would press a small one's into a corner. A panel names what is missing in it.
CurveChart draw_curves(const Evidence& evidence, const std::vector<CurveRow>& rows, const CurveOptions& options = {});

/// A figure of nothing but draw_curves. `what` begins the caption: whole sentences that end with a space.
Figure curve_figure(const Evidence& evidence, const std::string& what, const std::vector<CurveRow>& rows,
                    const CurveOptions& options = {});

}  // namespace pionbench
