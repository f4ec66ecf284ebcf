#pragma once
/// Initial states: a pure function of (task file, index), the same on every machine, so that "50 fixed initial states"
/// are stored as the digest of what the function returns (tasks/init_digests.txt), not as files of numbers.

#include <cstdint>
#include <vector>

#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {

inline constexpr int kEvaluationInits = 50;           ///< 0 … 49 are for evaluation only
inline constexpr int kFirstDemonstrationInit = 1000;  ///< demonstrations start from here on, so the two never meet

/// Regions with names that end so hold what the Layout perturbation adds; those objects keep more distance.
inline constexpr const char* kClutterRegion = "_clutter_region";

/// qpos of the model, before the objects have settled. Objects stand in their regions without overlap; those that
/// share a region of several ranges are dealt out among the ranges; the hand is at home ± 1 cm; joints are where
/// (:init ...) leaves them. Throws UserError when a region is too crowded to place everything.
std::vector<double> sample_init(const Scene& scene, int index);

/// FNV-1a over the 50 evaluation states rounded to a micrometre.
std::uint64_t init_digest(const Scene& scene);

}  // namespace pionbench::vla
