#pragma once
/// AlgoPerf's tuning search spaces (JSON), as they are:
///
///   {"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"}, "beta2": {"feasible_points": [0.99, 0.999]}}
///   [{"learning_rate": 1e-3, "beta1": 0.9}, ...]      the points themselves
///
/// Its names are read as ours where they mean the same: learning_rate is lr, epsilon is eps, one_minus_beta1 is
/// 1 − beta1. Source: mlcommons/algorithmic-efficiency, algoperf/halton.py.

#include <filesystem>
#include <string>
#include <vector>

#include "harness/spec/search.h"

namespace pionbench {

struct SearchSpace {
  std::vector<Dimension> dimensions;  ///< in the order of the file; none where it lists points
  std::vector<Values> points;         ///< the listed points
};

/// `known`: the settings there are. Names that `ignore` lists keep their place in the sequence and set nothing.
/// UserError("WHERE: FILE: ...") for a name that is neither, with what to do, and for anything malformed.
SearchSpace read_search_space(const std::filesystem::path& file, const std::string& where,
                              const std::vector<std::string>& ignore, const std::vector<std::string>& known);

}  // namespace pionbench
