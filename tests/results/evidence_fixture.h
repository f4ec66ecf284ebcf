#pragma once
/// A store of a test's own, and what the results side gathers from it.

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "results/evidence.h"
#include "tests/results/synthetic.h"

namespace pionbench::testing {

class EvidenceTest : public ::testing::Test {
 protected:
  const Evidence& evidence(const std::string& experiment) {
    all_ = gather(store_);
    for (const auto& e : all_)
      if (e.experiment.name == experiment) return e;
    throw std::logic_error("no such experiment in the test");
  }
  TemporaryFolder folder_;
  Store store_{folder_.path(), Store::Mode::kReadWrite};
  std::vector<Evidence> all_;
};

}  // namespace pionbench::testing
