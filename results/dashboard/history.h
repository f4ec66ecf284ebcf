#pragma once
/// How each measured series stands, and what it was before: the dashboard's first page.
///
/// It reads the sittings that `bench` and `gate` recorded, with the gate's verdicts, and screens what no gate has
/// judged by the gate's own first stage (results/gate/gate.h). It measures nothing again, so by itself it can suspect
/// but not convict.

#include <map>
#include <string>
#include <vector>

#include "results/metric_kind.h"
#include "store/records.h"

namespace pionbench::dashboard {

/// What is known of a series at its newest point, most urgent first.
///   REGRESSED  a gate's verdict, and nobody has accepted the change
///   UNKNOWN    a gate could not tell
///   MISSING    measured in the machine's last sitting but one, not in the last
///   SUSPECT    beyond the noise band, and no gate has judged it: confirm with `pionbench gate`
///   IMPROVED   a gate's verdict: history starts anew
///   ACCEPTED   a change that is meant (gate --accept): history starts anew
///   NEW        too little history to judge by
///   PASS       a gate's verdict, or inside the noise band
enum class Standing { kRegressed, kUnknown, kMissing, kSuspect, kImproved, kAccepted, kNew, kPass };
const char* to_string(Standing standing);

/// REGRESSED, UNKNOWN, MISSING, SUSPECT: what a person has to see to.
bool needs_a_look(Standing standing);

struct HistoryPoint {
  int sitting;          ///< index into the sittings given
  double value;         ///< median of the samples
  double low, high;     ///< lowest and highest sample
  std::string state;    ///< "good", "changed", "accepted"
  std::string verdict;  ///< of a gate; "" where none has judged it
  /// What the gate's screen would let pass, from the sittings before; low > high where there were too few.
  double band_low = 1, band_high = 0;
};

struct SeriesHistory {
  std::string name, unit, fingerprint;
  MetricKind kind;
  Standing standing = Standing::kPass;
  int direction = 0;                 ///< of the newest change: +1 for the worse, −1 for the better
  double change = 0;                 ///< of the newest point against its history, in the kind's terms; may be infinite
  std::string why;                   ///< one sentence
  std::vector<HistoryPoint> points;  ///< oldest first, at most `most_points`
};

struct HistoryOptions {
  std::vector<KindOverride> kinds;  ///< as for the gate
  std::size_t most_points = 250;    ///< of each series; older ones are left out
};

/// Most urgent first, then by size of change in floors, then by name. `sittings` in order of time.
/// Cost: one screen of at most 30 numbers a point.
std::vector<SeriesHistory> histories(const std::vector<Sitting>& sittings, const HistoryOptions& options = {});

}  // namespace pionbench::dashboard
