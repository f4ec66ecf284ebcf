#pragma once
/// A against B, metric by metric, in one word each.
///
///   SAME       TOST: |B − A| is below the metric's margin, p ≤ alpha
///   BETTER     the permutation test finds B − A ≠ 0, p ≤ alpha, for the better (B against A)
///   WORSE      the same, for the worse
///   DIFFERENT  the same, where neither way is better (spectral quantities)
///   UNKNOWN    none of these; with the number of further seeds that would decide
///
/// Runs are grouped into strata by all coordinates but the seed, and paired by seed where both sides have the same
/// seeds: then they share data and initial weights.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/metric_kind.h"
#include "results/stats/difference.h"

namespace pionbench::compare {

using Picks = std::function<bool(const Evidence&, const CellEvidence&)>;

struct Side {
  std::string label;
  const Evidence* evidence = nullptr;
  std::vector<const CellEvidence*> cells;  ///< finished ones
};
Side pick(const Evidence& evidence, const std::string& label, const Picks& picks);

/// Why A and B must not be compared, one line each; empty = they may.
struct Objections {
  std::vector<std::string> hardware;  ///< "cpu: A on EPYC 7763, B on Xeon 8481C"
  std::vector<std::string> tuning;    ///< "A is the best of 5 configurations tried, B of 1"
  std::vector<std::string> all() const;
};
Objections objections(const Side& a, const Side& b);

enum class Word { kBetter, kWorse, kDifferent, kSame, kUnknown };
const char* to_string(Word word);

struct Row {
  std::string metric;
  MetricKind kind;
  Word word = Word::kUnknown;
  double mean_a = 0, mean_b = 0;
  stats::Estimate effect;                 ///< B − A
  std::optional<stats::Bounds> interval;  ///< 95 %, Student's t
  double p = 1, least_p = 1;              ///< permutation test
  double equivalence_p = 1;               ///< TOST within the margin
  double margin = 0;                      ///< in the metric's unit
  std::optional<double> detectable;       ///< minimum detectable effect at 80 % power
  int strata = 0, runs_a = 0, runs_b = 0;
  bool is_paired = false;
  int more = 0;  ///< UNKNOWN: further seeds per arm and stratum
};

struct Options {
  double alpha = 0.05;
  std::vector<KindOverride> kinds;
  std::vector<std::string> metrics;  ///< patterns; empty = all that both sides have
};

struct Comparison {
  std::vector<Row> rows;
  std::vector<std::string> notes;  ///< strata or seeds that only one side has
};

/// UserError when the sides share a run, or no stratum, or one of them has several runs for one seed of one stratum.
Comparison run(const Side& a, const Side& b, const Options& options);

Json to_json(const Comparison& comparison);
std::string to_plain(const Comparison& comparison, const Side& a, const Side& b);

}  // namespace pionbench::compare
