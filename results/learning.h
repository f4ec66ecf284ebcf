#pragma once
/// Accuracy over the course of training, per run and over seeds. A diverged run counts as a miss: accuracy 0 at every
/// evaluation that it did not reach.

#include <optional>
#include <string>
#include <vector>

#include "results/evidence.h"

namespace pionbench {

// Curves are drawn on the validation split, which is read all along; tables take the test split, which is read at the
// first and the last step only, so that nothing that was looked at during training ends up in a table.
inline constexpr const char* kSampledCurve = "evaluation/validation/sampled";
inline constexpr const char* kGreedyCurve = "evaluation/validation/greedy";
inline constexpr const char* kSampledFinal = "evaluation/test/sampled";
inline constexpr const char* kGreedyFinal = "evaluation/test/greedy";

struct SeedPoint {
  std::int64_t step;
  double value;
  std::optional<double> train_seconds;  ///< nothing where a diverged run never came
};

struct SeedCurve {
  const CellEvidence* cell;
  std::vector<SeedPoint> points;
};

/// One curve for each finished cell, in display order.
std::vector<SeedCurve> seed_curves(const Evidence& evidence, const std::string& metric);

struct ArmPoint {
  std::int64_t step;
  double mean, low, high;  ///< over seeds: mean, least, greatest
  int n;
  std::optional<double> train_seconds;  ///< mean over the seeds that came here
};

/// The points of `arm` over the curves given.
std::vector<ArmPoint> arm_points(const std::vector<SeedCurve>& curves, const std::string& arm);

/// What an experiment is judged by: a metric of its finished runs, read all along (`curve`) and at the end (`final`).
/// "evaluation/validation/x" and "evaluation/test/x" where there are both, with x the first of sampled, success,
/// accuracy, whatever else is there.
struct Yardstick {
  std::string curve, final;  ///< "" where no run has an evaluation
  std::string title;         ///< "sampled accuracy"
};
Yardstick yardstick(const Evidence& evidence);

/// "n = 3 seeds", "n = 2 to 3 seeds"; of the arms that have any.
std::string seeds_text(const std::vector<SeedCurve>& curves);

}  // namespace pionbench
