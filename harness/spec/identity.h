#pragma once
/// The identity of a cell, without building its JSON: a plan of 100,000 cells hashes each in about 3 µs.

#include <string>

#include "core/run_request.h"

namespace pionbench {

/// `canonical(to_json(values))` (common/hash.h).
std::string canonical_text(const Values& values);

/// `content_hash(to_json(config))`, given the canonical texts of its settings and its hyperparameters.
std::string cell_identity(const CellConfig& config, const std::string& settings, const std::string& hyper);

}  // namespace pionbench
