#pragma once
/// Tables with the paper's numbers beside ours: a row for each arm and each of the two, then the differences that the
/// paper's claims are about, with interval and minimum detectable effect.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "results/finals.h"
#include "results/published.h"
#include "results/registry.h"

namespace pionbench {

struct VersusColumn {
  std::string title;
  /// The runs of an arm that the column averages; settings weigh the same whatever their number of seeds.
  std::function<bool(const CellEvidence&)> holds;
  std::string published;  ///< column of the reference file; "" where nothing is published
  CellValue value = {};   ///< none: the table's
};
struct VersusRow {
  std::string arm, published;  ///< name in the reference file; "" where nothing is published
  std::string title = {};      ///< "": the arm
};
struct VersusTable {
  std::vector<VersusColumn> columns;
  std::vector<VersusRow> rows;
  std::vector<std::pair<std::string, std::string>> differences;  ///< a − b, by arm
  CellValue value;                                               ///< a share, shown in per cent
  std::string reference;                                         ///< stem of the reference file
};

/// Fills everything but title and caption.
Table make_versus(const Evidence& evidence, const VersusTable& plan);

/// "Cells: mean over seeds in per cent [95 % ...]; paper: ...": what every such caption begins with.
std::string versus_caption(const VersusTable& plan);

}  // namespace pionbench
