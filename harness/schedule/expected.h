#pragma once
/// How long a run will take, judged by finished ones: of the same suite and optimizer, else of the same suite.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/records.h"

namespace pionbench {

class ExpectedSeconds {
 public:
  explicit ExpectedSeconds(const std::vector<RunRow>& history);
  void add(const std::string& suite, const std::string& optimizer, double seconds);
  std::optional<double> of(const std::string& suite, const std::string& optimizer) const;

 private:
  struct Mean {
    double sum = 0;
    int count = 0;
  };
  std::map<std::string, Mean> means_;  // "suite" and "suite\noptimizer"
};

}  // namespace pionbench
