#pragma once
/// Attention heads in a run's spectral rows.

#include <map>
#include <string>

#include "store/store.h"

namespace pionbench {

/// Query projection -> variance over heads of a head's mean value over steps, for the rows called `name`. Parameters
/// with fewer than two heads are left out.
std::map<std::string, double> query_head_variances(const Store& store, const std::string& run, const std::string& name);

/// The first number in a parameter's name: "model.layers.12.self_attn.q_proj.weight" is of layer 12; -1 without one.
int layer_of(const std::string& parameter);

}  // namespace pionbench
