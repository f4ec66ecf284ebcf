#pragma once
/// From a figure's, a table's or a panel's name to what is behind it.

#include <optional>
#include <string>
#include <vector>

#include "results/registry.h"

namespace pionbench {

/// A figure or a table with what both have.
struct FoundResult {
  std::string name;   ///< "fig6", "fig6-desk"
  std::string panel;  ///< "a"; "" = all of it
  std::string title, caption;
  std::string experiment, scale;
  Grid data;
  std::vector<Source> sources;  ///< of the panel
};

/// Whether figures() or tables() has the name, alone or with a panel's letter ("fig6", "fig6a", "fig1c": panel c of
/// fig1b). What is meant by a cell's or a run's name is no result.
bool names_a_result(const std::string& name);

/// UserError where the name is known but `all` has nothing for it (with the command that fills it), where several
/// scales have it (with their names), and where it is unknown (with the nearest one).
FoundResult find_result(const std::string& name, const std::vector<Evidence>& all);

}  // namespace pionbench
