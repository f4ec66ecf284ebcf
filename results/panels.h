#pragma once
/// Panels of a figure: which cells stand in which, what is missing there, and which runs are behind it.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/registry.h"

namespace pionbench {

/// Title of the only panel, where nothing but the seed varies.
inline constexpr const char* kAllRuns = "All runs";

struct Panel {
  std::string id;     ///< "a", "b", ...; "" where it is the only one
  std::string title;  ///< "(a) GRPO, model small"; without the letter where it is the only one
  std::vector<const CellEvidence*> cells;
};

/// One panel for each setting: for each combination of the coordinates that vary, but the seed and `folded`, in the
/// paper's order of settings, then in display order.
/// `keep`: arms that are drawn; empty = all.
std::vector<Panel> setting_panels(const Evidence& evidence, const std::vector<std::string>& folded = {},
                                  const std::vector<std::string>& keep = {});

/// "auxiliary parameters frozen", "Language", "GRPO": a coordinate as part of a title.
std::string coordinate_title(const std::string& key, const std::string& value);
/// Coordinates that have one value in the whole experiment, and so part nothing.
std::vector<std::string> constant_keys(const Evidence& evidence);
/// The titles of all coordinates of a cell but the seed and `folded`; "All runs" where none is left.
std::string setting_title(const CellEvidence& cell, const std::vector<std::string>& folded = {});

/// The n-th letter from "a".
std::string panel_letter(std::size_t index);

/// "not run: Muon (seeds 0, 1, 2), Pion (1 of 3)" for the cells without a result; "" when all have one. Long lists
/// become counts: it stands in the panel's head.
std::string gap_text(const std::vector<const CellEvidence*>& cells);

/// Finished runs of these cells that `select` takes, in display order.
std::vector<std::string> finished_runs(const std::vector<const CellEvidence*>& cells,
                                       const std::function<bool(const CellEvidence&)>& select);

/// One source for each arm that has finished runs in the panel.
std::vector<Source> arm_sources(const Panel& panel, const std::vector<std::string>& arms);

}  // namespace pionbench
