#pragma once
/// What the rules are made of: groups of runs, and the few ways to judge them.
///
/// Runs fall into strata by all coordinates but the seed, and are paired by seed where both groups have the same seeds.
/// A permutation test decides at alpha 0.05; where its least p is above that, nothing can be REPRODUCED or contradicted
/// by it, and the finding is UNDERPOWERED. Diverged runs count as misses: 0.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/claims/claim.h"

namespace pionbench::claims {

inline constexpr double kAlpha = 0.05;
/// Accuracy differences below a point do not matter.
inline constexpr double kMargin = 0.01;

/// Picks the cells of an arm.
struct Arm {
  std::string label;
  std::function<bool(const CellEvidence&, const Json& config)> keeps;
};
Arm by_name(const std::string& arm);  ///< as the experiment file names it
/// By optimizer and hyperparameters, e.g. by_config("Muon, scale 5", "muon", {{"update_scale", 5.0}}): then it does not
/// matter how the file names the arm.
Arm by_config(const std::string& label, const std::string& optimizer, const Json& hyper = Json::object());

using Measure = std::function<std::optional<double>(const Evidence&, const CellEvidence&)>;
Measure final_value(const std::string& metric);  ///< last point; 0 of a diverged run
Measure first_value(const std::string& metric);  ///< at step 0
Measure value_at(const std::string& metric, std::int64_t step);
/// The first step at which the metric is ≥ target(evidence, cell); one step beyond the last look where it never is.
Measure steps_to(const std::string& metric, const Measure& target);

struct Group {
  std::string label;
  std::map<std::string, std::map<std::string, double>> values;  ///< stratum -> seed -> value
  std::vector<std::string> runs;
  std::size_t planned = 0;
  const Evidence* evidence = nullptr;

  int size() const;
};
/// `folded`: coordinates that do not part strata (what the claim compares).
Group collect(const Evidence& evidence, const Arm& arm, const Measure& measure,
              const std::vector<std::string>& folded = {});

enum class Where { kOverall, kEverywhere };

/// a > b.  REPRODUCED: p ≤ alpha and the difference is positive (everywhere: in every stratum).  DIFFERS: p ≤ alpha and
/// negative, or the 95 % upper bound of the difference is below `margin`, or (everywhere) a stratum in which b is ahead
/// at alpha after Benjamini-Hochberg, by t-tests with the pooled spread.
Finding superior(const Group& a, const Group& b, double margin = kMargin, Where where = Where::kOverall);

/// a ≥ b.  REPRODUCED: p ≤ alpha and positive, or the 95 % lower bound of the difference is above −margin (everywhere:
/// and no stratum's mean is below −margin).  DIFFERS: p ≤ alpha and negative, or a stratum as above.
Finding not_inferior(const Group& a, const Group& b, double margin = kMargin, Where where = Where::kOverall);

/// The mean is below `bound`: in every stratum the 95 % interval (pooled spread) ends below it. DIFFERS: one begins
/// above it.
Finding below(const Group& group, double bound);

/// a > b at every step that both report, seed by seed, with a metric's series in place of a value.
/// REPRODUCED: superior() of the least difference over steps.  DIFFERS: at some step b is ahead at alpha after
/// Benjamini-Hochberg over the steps.
Finding superior_at_every_step(const Evidence& evidence, const Arm& a, const Arm& b, const std::string& metric);

/// DIFFERS if one does, else NOT RUN, UNDERPOWERED, REPRODUCED; texts side by side.
Finding all_of(const std::vector<Finding>& findings);

Finding not_run(const std::string& why);
/// "no experiment fig6 in this store" or "... not at scale paper".
Finding no_experiment(std::span<const char* const> names);
/// Fills verdict-independent fields of a computed finding.
Finding computed(const Evidence& evidence, const CellEvidence& cell, bool holds, const std::string& ours,
                 const std::string& why);

/// "+0.031 [-0.004, 0.066]"
std::string effect_text(double value, const std::optional<stats::Bounds>& interval);

}  // namespace pionbench::claims
