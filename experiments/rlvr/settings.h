#pragma once
/// Settings that the warm start and the reinforcement learning of one suite share: data, model, warm start. Both
/// declare the same rows, so that all arms of a seed resolve to one and the same warm-start cell.

#include <vector>

#include "core/setting.h"
#include "experiments/rlvr/model/qwen3.h"

namespace pionbench::rlvr {

std::vector<Setting> warm_start_settings();
/// Bundle key "model": sizes of the decoder.
std::vector<Relation> warm_start_relations();
BundleSet model_bundles();
Qwen3Config model_config(const Values& settings, std::int64_t vocabulary);

}  // namespace pionbench::rlvr
