#pragma once
/// How each cell of a plan ended, and the value that speaks for it.

#include <map>
#include <optional>
#include <string>

#include "harness/spec/plan.h"
#include "store/store.h"

namespace pionbench {

struct Outcome {
  bool ended = false;           ///< done, diverged or failed; not while it runs, was interrupted or lost
  bool counts = false;          ///< done: its value is a fair one
  std::string state;            ///< "" without a run
  std::optional<double> value;  ///< the metric's last, also of a run that diverged
};

/// By cell; a cell without a run is missing.
std::map<std::string, Outcome> outcomes_of(const Plan& plan, const Store* store, const std::string& metric);

}  // namespace pionbench
