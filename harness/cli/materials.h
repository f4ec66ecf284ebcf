#pragma once
/// Which models and data of others the cells of a plan need and this machine lacks (core/material.h).

#include <vector>

#include "core/material.h"
#include "harness/spec/plan.h"

namespace pionbench {

/// Each once, in the order of the cells.
std::vector<MissingMaterial> missing_materials(const std::vector<PlannedCell>& cells);

}  // namespace pionbench
