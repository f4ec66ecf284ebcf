#pragma once
/// Every optimizer, in display order. One more is one file and one line in registry.cpp (optim/README.md).

#include <memory>
#include <string>
#include <vector>

#include "core/info.h"
#include "optim/parameter.h"
#include "optim/routing.h"

namespace pionbench::optim {

struct OptimizerEntry {
  OptimizerInfo info;
  std::unique_ptr<RoutedOptimizer> (*make)(const std::vector<Parameter>& parameters, const Values& hyper);
};

const std::vector<OptimizerEntry>& registry();

/// UserError with the nearest name when there is none.
const OptimizerEntry& find_optimizer(const std::string& name);

/// Resolves `explicit_values` against the entry's table, then builds.
std::unique_ptr<RoutedOptimizer> make_optimizer(const std::string& name, const std::vector<Parameter>& parameters,
                                                const Values& explicit_values);
/// The same for an entry of your own, registered or not.
std::unique_ptr<RoutedOptimizer> make_optimizer(const OptimizerEntry& entry, const std::vector<Parameter>& parameters,
                                                const Values& explicit_values);

// One declaration per file of this folder.
OptimizerEntry adamw_entry();
OptimizerEntry muon_entry();
OptimizerEntry pion_entry();
OptimizerEntry lowrank_muon_entry();
OptimizerEntry lpmuon_entry();
OptimizerEntry normuon_entry();
OptimizerEntry dynmuon_entry();
OptimizerEntry dion_entry();
OptimizerEntry sgd_entry();
OptimizerEntry modules_entry();
OptimizerEntry frozen_entry();

}  // namespace pionbench::optim
