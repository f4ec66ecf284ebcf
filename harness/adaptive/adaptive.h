#pragma once
/// Plans that depend on results: successive halving, and more seeds until an interval is narrow enough.
///
/// `decide` is a function of the experiment file and the store, and of nothing else. So a killed program, asked again,
/// decides the same and goes on; nothing about a decision is kept anywhere but in the runs themselves.
///
///   candidate   an arm with its coordinates that are the optimizer's settings or drawn by the search
///   condition   the coordinates that are the suite's (model, algorithm, ...), but for the seed
///   score       mean over seeds of the suite's primary metric, at its last step; a candidate that diverged or failed
///               under some seed ranks behind those that did not
///
/// Halving. Rung r gives every candidate left from·eta^r of the resource, the last rung what the experiment asks for.
/// Candidates compete under one condition, within their arm (or with halving.among=arms all together); the best
/// ⌈n/eta⌉ go on. Ties go by name. A rung is decided once each of its cells has ended; a failed cell that is run again
/// and succeeds is judged anew.
///
/// Until. With t the two-sided 95 % Student quantile, half = t·sd/√n over the seeds that have a value. While half is
/// above the wish and the candidate has fewer than max_seeds seeds, it gets the next one; the widest go first. Which
/// seeds a candidate ends up with depends on its own results alone, not on the order or on how many run at once.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/spec/plan.h"
#include "store/store.h"

namespace pionbench {

/// Where a plan comes from, so that it can be made again with more in it.
struct PlanSource {
  std::filesystem::path file;
  PlanOptions options = {};
};

struct Candidate {
  std::string label;  ///< "Muon lr=0.003, model=small"
  std::string arm;
  std::optional<double> score;  ///< nothing: not all ended, or no value
  bool kept = false;            ///< of a decided rung: it goes on
  std::string reason;           ///< why it was stopped; "" otherwise
};

struct Rung {
  std::int64_t amount = 0;  ///< of the resource
  bool decided = false;
  std::vector<Candidate> candidates;  ///< best first once decided, else in the order planned; none: not reached yet
};

struct SeedGroup {
  std::string label;
  int seeds = 0;                     ///< planned so far
  int values = 0;                    ///< of those, with a value of the metric
  std::optional<double> mean, half;  ///< half: of the 95 % interval; nothing below two values
  std::string state;                 ///< "reached", "wants more", "running", "at the cap"
};

struct AdaptiveReport {
  std::string experiment;
  std::string metric;
  std::string resource;  ///< "" without halving
  std::vector<Rung> rungs;
  std::string until;  ///< "" without
  std::vector<SeedGroup> groups;

  bool empty() const { return rungs.empty() && until.empty(); }
};

struct Decision {
  Plan plan;  ///< everything decided so far; what has no result in it is what to run next
  AdaptiveReport report;
};

/// Without halving and until this is make_plan. `store` null: nothing has been run yet. `batch`: how many candidates
/// get a further seed at a time. UserError where the experiment cannot be halved (see docs/sweeps.md).
Decision decide(const PlanSource& source, const Catalog& catalog, const Store* store, int batch = 1);

Json to_json(const AdaptiveReport& report);
/// For people: each rung with what it stopped and why, each group with its interval. "" for an empty report.
std::string to_text(const AdaptiveReport& report);
/// The part of it that speaks of one rung, from 0.
std::string rung_text(const AdaptiveReport& report, std::size_t rung);

}  // namespace pionbench
