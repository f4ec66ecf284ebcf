#pragma once
/// The trained VLA suites. For each suite of tasks (sim/suites.h), here "vla/object":
///
///   vla/backbone     vision, connectors and language, pre-trained once for all suites, seeds and arms (backbone.cpp)
///   vla/object-base  what all arms start from: demonstrations, their quantiles, the backbone (base.cpp)
///   vla/object       behaviour cloning and rollout: the arms (training.cpp)
///   vla/object-plus  a trained policy under one category of LIBERO-Plus; films (plus.cpp)
///
/// Each reads what the one above it leaves.

#include <vector>

#include "experiments/suite.h"
#include "experiments/vla/policy/policy.h"
#include "experiments/vla/sim/suites.h"

namespace pionbench::vla {

/// All of them, in display order.
std::vector<SuiteEntry> suites();

SuiteEntry backbone_suite();
SuiteEntry base_suite(const TaskSuite& tasks);
SuiteEntry training_suite(const TaskSuite& tasks);
SuiteEntry plus_suite(const TaskSuite& tasks);

inline constexpr const char* kBackbone = "vla/backbone";
inline std::string base_of(const TaskSuite& tasks) {
  return tasks.name + "-base";
}
inline std::string plus_of(const TaskSuite& tasks) {
  return tasks.name + "-plus";
}
/// Of the name of any of the three.
const TaskSuite& task_suite_of(const std::string& suite);

// Settings: each table holds the one before it, so that a run and its prerequisites agree.
std::vector<Setting> backbone_settings();
std::vector<Setting> base_settings();
std::vector<Setting> training_settings(const TaskSuite& tasks);
std::vector<Relation> backbone_relations();
std::vector<Relation> training_relations();
/// Bundle keys "model" (sizes) and "recipe" (head, schedule, protocol of one of the paper's three stacks).
BundleSet model_bundles();
BundleSet recipe_bundles();

/// UserError naming the setting when sizes do not fit each other.
PolicyConfig policy_config(const Values& settings, const std::vector<std::string>& vocabulary);
/// The backbone alone: its settings know no head.
PolicyConfig backbone_config(const Values& settings, const std::vector<std::string>& vocabulary);

/// Factor on the learning rate: linear warm-up, then constant or a cosine to `last` of the peak.
double schedule_factor(std::int64_t step, std::int64_t steps, std::int64_t warmup, bool cosine, double last);

}  // namespace pionbench::vla
