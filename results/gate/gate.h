#pragma once
/// The regression gate: has this revision changed a series (a time, an accuracy, a spectral quantity) beyond its noise?
///
/// Stage 1 screens the head against the last good sittings on the same machine. It is cheap and cries wolf: 1 to 9
/// times in 100 revisions. Stage 2 measures the suspects again, head and baseline interleaved, and decides with an
/// exact rank test. Both together are wrong less than once in 100 revisions (docs/gate.md has the measured rates).
///
///   suspect      |c| > max(floor, 5 · 1.4826 · MAD) with c the change of the head's median against the median of the
///                last 30 medians; or, from 20 of them on, the head beyond mean ± t(.99, n − 1) · sd · √(1 + 1/n)
///   REGRESSED    rank test p ≤ alpha / looks, Benjamini-Hochberg over the suspects ≤ 0.05, and |change| ≥ floor, for
///   IMPROVED     the worse or the better
///   PASS         not suspect, or the 95 % interval of the change, measured again, lies inside ± floor
///   UNKNOWN      neither: too few samples for alpha, too noisy for the floor, or nothing to measure again
///   NEW          no history and no baseline: recorded, and judged from the next revision on
///
/// One mechanism for every series; what differs is the direction and the floor (results/metric_kind.h).

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/metric_kind.h"
#include "results/stats/random.h"
#include "store/records.h"

namespace pionbench::gate {

struct Options {
  double alpha = 0.01;            ///< of the rank test, over all looks together
  double false_discovery = 0.05;  ///< over the suspects of one call
  int window = 30;                ///< good sittings that a head is screened against
  int least_history = 5;          ///< fewer: everything is a suspect
  double mad_factor = 5;          ///< times 1.4826 · MAD
  double t_quantile = 0.99;
  int t_from = 20;                  ///< sittings from which on the t screen counts
  int looks = 3;                    ///< times that an undecided suspect is measured again
  std::vector<KindOverride> kinds;  ///< --better, --floor
  std::vector<std::string> advise;  ///< patterns of series that are reported but never block
};

enum class Verdict { kPass, kImproved, kNew, kUnknown, kRegressed };
const char* to_string(Verdict verdict);  ///< "PASS", "REGRESSED", ...

/// Medians of good sittings of one series, oldest first. An accepted change begins a new history.
std::vector<double> history_of(const std::vector<Sitting>& sittings, const std::string& series);

struct Screen {
  bool is_suspect = false;
  double change = 0;     ///< against the history's median, in the kind's terms
  double threshold = 0;  ///< of |change|; for the t screen, expressed the same way
  int history = 0;       ///< sittings compared with
  std::string why;       ///< "5.1 % above the median of 30, threshold 2.0 %"
};
Screen screen(const std::vector<double>& history, double head, const MetricKind& kind, const Options& options);

struct Samples {
  std::vector<double> head, baseline;
};
struct Decision {
  Verdict verdict = Verdict::kUnknown;
  double change = 0, low = 0, high = 0;  ///< of the medians, with a 95 % bootstrap interval
  double p = 1, least_p = 1;
  double adjusted_p = 1;    ///< Benjamini-Hochberg over the suspects of the call
  bool has_enough = false;  ///< samples for `alpha`
};
/// One look of stage 2, at `alpha` for this look.
Decision decide(const Samples& samples, const MetricKind& kind, double alpha, stats::Random random);

struct SeriesResult {
  std::string name, unit;
  MetricKind kind;
  Verdict verdict = Verdict::kPass;
  bool is_blocking = true;
  double head = 0;                ///< median
  std::optional<double> typical;  ///< median of the history
  Screen screen;
  std::optional<Decision> decision;  ///< of the last look, where stage 2 ran
  Samples samples;                   ///< of stage 2
  int looks = 0;
  int magnitude = 0;  ///< of a change, in floors: 1 from ×1, 2 from ×1.5, 3 from ×3, 4 from ×6, 5 from ×12
};

/// Measures these series again on both sides, interleaved; adds to what it gave before. Empty: nothing can be measured
/// again.
using Remeasure = std::function<std::map<std::string, Samples>(const std::vector<std::string>& series)>;

struct FalseAlarms {
  int screened = 0;   ///< past sittings replayed against what came before them
  int suspects = 0;   ///< of these, tripped stage 1
  int confirmed = 0;  ///< of these, would have tripped stage 2
  double upper = 1;   ///< 95 % upper limit of confirmed / screened (Wilson, one-sided)
};

struct Result {
  Verdict verdict = Verdict::kPass;  ///< the worst of the blocking series
  std::vector<SeriesResult> series;  ///< worst first, then by size of change
  FalseAlarms false_alarms;          ///< of this gate on this history
};

/// `head` is the sitting to judge; `history` older ones of the same fingerprint. Same input, same result.
Result run(const std::vector<Sitting>& history, const Sitting& head, const Remeasure& remeasure,
           const Options& options);

/// Replays the gate on sittings that were good: each is screened against those before it; where it trips, stage 2 is
/// played with both sides drawn from one sitting, so that a finding there is false.
FalseAlarms replay(const std::vector<Sitting>& history, const Options& options);

/// 0 pass, improved or new; 1 regressed; 3 unknown.
int exit_code(Verdict verdict);

/// What led to the verdict, in one sentence.
std::string reason(const SeriesResult& series);

Json to_json(const Result& result);
std::string to_markdown(const Result& result, const std::string& head, const std::string& baseline);
/// One test case per series: a regression is a failure, UNKNOWN is a skipped test with its reason.
std::string to_junit(const Result& result);
std::string to_plain(const Result& result);

}  // namespace pionbench::gate
