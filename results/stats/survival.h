#pragma once
/// Time to target. A run that never came there is censored at its budget, not dropped and not a number: means over
/// those that did come would reward an optimizer for failing.

#include <optional>
#include <span>
#include <vector>

namespace pionbench::stats {

struct TimeToTarget {
  double time = 0;         ///< of reaching the target, else of the last look
  bool is_reached = true;  ///< false: right-censored at `time`
};

struct SurvivalStep {
  double time;
  double not_reached;     ///< S(t): the share that has not reached the target after `time`
  double standard_error;  ///< Greenwood's, of S(t)
  int at_risk;            ///< just before `time`
  int reached;            ///< at `time`
};

/// Kaplan-Meier: S(t) = Π_{t_i ≤ t} (1 − d_i / n_i), one step for each time at which a run reached the target.
/// Runs censored at a time still count as at risk there.
std::vector<SurvivalStep> kaplan_meier(std::span<const TimeToTarget> runs);

/// The least time with S(t) ≤ ½; nothing when fewer than half ever came there.
std::optional<double> median_time(std::span<const SurvivalStep> curve);

/// Area under S(t) from 0 to `horizon`: the mean time to target, counting at most `horizon` for each run. The horizon
/// must not lie beyond the last look at a censored run unless S is 0 there; compare arms at one horizon.
double restricted_mean_time(std::span<const SurvivalStep> curve, double horizon);

/// Log-rank test of two arms: the p of equal hazards (χ², one degree of freedom). 1 when nobody reached the target.
double log_rank_test(std::span<const TimeToTarget> a, std::span<const TimeToTarget> b);

/// AlgoPerf's score of each arm from its median time to target on each workload (infinity: never reached):
///   r = t / min over arms,  ρ(τ) = share of workloads with r ≤ τ,  score = 1/(τ_max − 1) ∫₁^τ_max ρ
/// times[arm][workload]. A workload that nobody solved counts against everybody.
std::vector<double> performance_scores(const std::vector<std::vector<double>>& times, double tau_max = 4);

}  // namespace pionbench::stats
