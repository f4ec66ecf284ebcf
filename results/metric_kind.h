#pragma once
/// What a metric means by its name: which way is better, and how much of a change matters. One table for `compare` and
/// `gate`, in metric_kind.cpp; the first pattern that fits holds.

#include <optional>
#include <string>
#include <vector>

namespace pionbench {

enum class Better {
  kLower,   ///< times, bytes, errors, losses
  kHigher,  ///< accuracies, rates
  kNeither  ///< spectral quantities: a change either way is to be explained
};

struct MetricKind {
  Better better = Better::kNeither;
  double floor = 0.02;      ///< the least change that matters
  bool is_relative = true;  ///< the floor is a share of the value, else in the metric's own unit
};

/// By name, or by what stands behind the last ':' of a series' name ("step/pion:real_time").
MetricKind metric_kind(const std::string& name);

/// From the command line: "PATTERN=lower", "PATTERN=0.05", "PATTERN=0.01abs"; shell patterns (fnmatch) on whole names.
struct KindOverride {
  std::string pattern;
  std::optional<Better> better;
  std::optional<double> floor;
  bool is_relative = true;
};
/// UserError naming what is allowed.
KindOverride parse_kind_override(const std::string& text);
MetricKind metric_kind(const std::string& name, const std::vector<KindOverride>& overrides);

bool fits(const std::string& pattern, const std::string& name);  ///< fnmatch(3); '*' also takes '/'

/// Change from `base` to `now` in the kind's terms: relative to |base|, or in its own unit. Relative to a base of 0
/// everything but 0 is infinite.
double change_of(double base, double now, const MetricKind& kind);
/// +1: the change is for the worse, −1: for the better, for kNeither any change is for the worse.
int direction_of(double change, const MetricKind& kind);
/// "+5.2 %", "−0.031"
std::string change_text(double change, const MetricKind& kind);

}  // namespace pionbench
