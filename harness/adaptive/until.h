#pragma once
/// More seeds where the interval is widest (see adaptive.h).

#include "harness/adaptive/adaptive.h"

namespace pionbench {

/// Extends `plan`, whose candidates are those of `last` (the same plan where nothing is halved). `pins` made `last`.
std::vector<SeedGroup> add_seeds(const PlanSource& source, const Catalog& catalog, const Plan& last,
                                 const std::vector<Assignment>& pins, const Store* store, int batch, Plan& plan);

}  // namespace pionbench
