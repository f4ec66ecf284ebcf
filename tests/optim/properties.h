#pragma once
/// What every optimizer here promises, as tests over an entry. The claims stand in optimizers_test.cpp and
/// step_test.cpp; any file may hold one more entry to them:
///   INSTANTIATE_TEST_SUITE_P(Mine, EveryOptimizer, testing::Values(my_entry()), entry_name);
///   INSTANTIATE_TEST_SUITE_P(Mine, EveryOptimizerStep, testing::Values(my_entry()), entry_name);

#include <gtest/gtest.h>

#include <ostream>

#include "optim/registry.h"

namespace pionbench::optim {

inline void PrintTo(const OptimizerEntry& entry, std::ostream* out) {
  *out << entry.info.name;
}
inline std::string entry_name(const testing::TestParamInfo<OptimizerEntry>& param) {
  return param.param.info.name;
}

class EveryOptimizer : public testing::TestWithParam<OptimizerEntry> {};
class EveryOptimizerStep : public testing::TestWithParam<OptimizerEntry> {};

}  // namespace pionbench::optim
