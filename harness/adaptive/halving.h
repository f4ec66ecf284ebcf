#pragma once
/// Successive halving (see adaptive.h).

#include "harness/adaptive/adaptive.h"

namespace pionbench {

struct HalvingStep {
  Plan plan;                 ///< all rungs reached so far
  std::optional<Plan> last;  ///< the last rung, once the one before it is decided
  std::vector<Rung> rungs;
};

/// `base` is the experiment without halving.
HalvingStep halve(const PlanSource& source, const Catalog& catalog, const Plan& base, const Store* store);

/// Adds what `more` has and `plan` has not.
void extend(Plan& plan, const Plan& more);

}  // namespace pionbench
