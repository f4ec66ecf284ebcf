#pragma once
/// Which part of a cell's coordinates is compared, and which is the condition it is compared under.

#include <string>
#include <vector>

#include "harness/spec/plan.h"

namespace pionbench {

/// All cells of one candidate under one condition: they differ in the seed.
struct CandidateCells {
  std::string key;        ///< of the candidate, without the condition; the same in every rung
  std::string condition;  ///< "model=small"; "" where there is none
  std::string arm;
  std::string label;                                 ///< both, for people
  std::vector<const ExperimentRecord::Cell*> cells;  ///< in the order planned
};

/// In the order planned. `resource` is a coordinate that belongs to neither ("" = none). Points into `plan`.
std::vector<CandidateCells> candidates_of(const Plan& plan, const std::string& resource);

}  // namespace pionbench
