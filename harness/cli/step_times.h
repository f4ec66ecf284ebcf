#pragma once
/// What claim C5 is judged by: times of whole optimizer steps, which no run of an experiment gives.

#include <string>

#include "core/catalog.h"
#include "harness/cli/backend.h"

namespace pionbench {

struct StepTimes {
  std::string sitting;       ///< in the store; "" when there is none
  std::string lacks;         ///< why not, one line; "" when there is one
  bool is_measured = false;  ///< only now
};

/// A sitting of this machine in the store that times steps of this revision (committed, not edited), or of optimizers
/// of the versions that the catalog names; else what stands between the user and one.
StepTimes find_step_times(const Store* store, const Catalog& catalog, const Context& context,
                          const BackendArguments& backend);

/// Measures and records one where find_step_times finds none and nothing stands in the way: five processes of
/// `optim_bench`, one thread each, half a minute, which nothing of ours disturbs. A program that fails is a `lacks`;
/// UserError(kInterrupted) when the user stops it.
StepTimes bring_step_times_up_to_date(Store& store, const Catalog& catalog, const Context& context,
                                      const BackendArguments& backend);

}  // namespace pionbench
