#include "optim/registry.h"

#include "core/error.h"

namespace pionbench::optim {

const std::vector<OptimizerEntry>& registry() {
  static const std::vector<OptimizerEntry> entries = {
      adamw_entry(),   muon_entry(), pion_entry(), lowrank_muon_entry(), lpmuon_entry(), normuon_entry(),
      dynmuon_entry(), dion_entry(), sgd_entry(),  modules_entry(),      frozen_entry(),
  };
  return entries;
}

const OptimizerEntry& find_optimizer(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& entry : registry()) {
    if (entry.info.name == name) return entry;
    known.push_back(entry.info.name);
  }
  throw UserError(unknown_name("optimizer", name, known));
}

std::unique_ptr<RoutedOptimizer> make_optimizer(const std::string& name, const std::vector<Parameter>& parameters,
                                                const Values& explicit_values) {
  return make_optimizer(find_optimizer(name), parameters, explicit_values);
}

std::unique_ptr<RoutedOptimizer> make_optimizer(const OptimizerEntry& entry, const std::vector<Parameter>& parameters,
                                                const Values& explicit_values) {
  return entry.make(parameters, entry.info.table.resolve(explicit_values));
}

}  // namespace pionbench::optim
