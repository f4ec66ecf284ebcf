#pragma once
/// What tells two cells apart.

#include <string>
#include <vector>

#include "core/run_request.h"

namespace pionbench {

/// One input of a cell that differs: "settings.steps" from "40" to "60". "-": it is not there.
struct InputChange {
  std::string input;
  std::string from, to;
};

/// A setting that is a JSON object is compared member by member: "settings.command.files.train.py".
/// In the order suite, versions, optimizer, inputs, settings, hyperparameters; empty for one and the same cell.
std::vector<InputChange> config_diff(const CellConfig& from, const CellConfig& to);

/// The same for people: "the code of optimizer muon: version 1 -> 2", "settings.steps: 40 -> 60".
std::string to_text(const InputChange& change, const CellConfig& to);

}  // namespace pionbench
