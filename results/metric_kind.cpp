#include "results/metric_kind.h"

#include <fnmatch.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/error.h"
#include "results/grid.h"

namespace pionbench {
namespace {

struct Row {
  const char* pattern;
  MetricKind kind;
};

constexpr MetricKind kTime = {Better::kLower, 0.02, true};
constexpr MetricKind kRate = {Better::kHigher, 0.02, true};
constexpr MetricKind kShare = {Better::kHigher, 0.01, false};

// Time: 2 % is what quiet machines resolve. Shares: one point. Errors of floating-point results move with every
// reordering of sums, so only a change by a tenth counts.
constexpr std::array kKinds = {
    Row{"*_per_second", kRate},
    Row{"*real_time", kTime},
    Row{"*cpu_time", kTime},
    Row{"*seconds*", kTime},
    Row{"*bytes*", kTime},
    Row{"evaluation/*loss*", {Better::kLower, 0.02, true}},
    Row{"evaluation/*error*", {Better::kLower, 0.02, true}},
    Row{"evaluation/*diverged", {Better::kLower, 0.01, false}},
    Row{"evaluation/*length*", {Better::kNeither, 0.02, true}},
    Row{"evaluation/*", kShare},
    Row{"*accuracy*", kShare},
    Row{"*success*", kShare},
    Row{"*reward*", kShare},
    Row{"*error*", {Better::kLower, 0.1, true}},
    Row{"*loss*", {Better::kLower, 0.02, true}},
    Row{"*", {Better::kNeither, 0.02, true}},
};

constexpr std::array kBetterNames = {std::pair{"lower", Better::kLower}, std::pair{"higher", Better::kHigher},
                                     std::pair{"neither", Better::kNeither}};

std::string metric_of(const std::string& name) {
  const auto colon = name.rfind(':');
  return colon == name.npos ? name : name.substr(colon + 1);
}

}  // namespace

bool fits(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

MetricKind metric_kind(const std::string& name) {
  const std::string metric = metric_of(name);
  for (const auto& row : kKinds)
    if (fits(row.pattern, metric)) return row.kind;
  return {};
}

KindOverride parse_kind_override(const std::string& text) {
  const auto equals = text.rfind('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size())
    throw UserError("\"" + text +
                        "\" is no rule for metrics; write PATTERN=lower|higher|neither, PATTERN=0.05 (a share"
                        " of the value) or PATTERN=0.01abs (in the metric's unit)",
                    kUsage);
  KindOverride out{text.substr(0, equals), {}, {}};
  std::string value = text.substr(equals + 1);
  for (const auto& [name, better] : kBetterNames)
    if (value == name) out.better = better;
  if (out.better) return out;
  if (value.ends_with("abs")) {
    out.is_relative = false;
    value.resize(value.size() - 3);
  }
  char* end = nullptr;
  const double floor = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0' || !(floor >= 0) || std::isinf(floor))
    throw UserError("\"" + text + "\": " + value + " is neither lower, higher, neither nor a number from 0 up", kUsage);
  out.floor = floor;
  return out;
}

MetricKind metric_kind(const std::string& name, const std::vector<KindOverride>& overrides) {
  MetricKind kind = metric_kind(name);
  for (const auto& o : overrides) {
    if (!fits(o.pattern, name) && !fits(o.pattern, metric_of(name))) continue;
    if (o.better) kind.better = *o.better;
    if (o.floor) {
      kind.floor = *o.floor;
      kind.is_relative = o.is_relative;
    }
  }
  return kind;
}

double change_of(double base, double now, const MetricKind& kind) {
  if (!kind.is_relative) return now - base;
  if (now == base) return 0;
  if (base == 0) return std::copysign(std::numeric_limits<double>::infinity(), now);
  return (now - base) / std::abs(base);
}

int direction_of(double change, const MetricKind& kind) {
  if (change == 0) return 0;
  switch (kind.better) {
    case Better::kLower:
      return change > 0 ? 1 : -1;
    case Better::kHigher:
      return change < 0 ? 1 : -1;
    case Better::kNeither:
      return 1;
  }
  return 0;
}

std::string change_text(double change, const MetricKind& kind) {
  const std::string sign = change > 0 ? "+" : "";
  if (std::isinf(change)) return sign + (change < 0 ? "−" : "") + "∞";
  return kind.is_relative ? sign + fixed(100 * change, 2) + " %" : sign + significant(change, 3);
}

}  // namespace pionbench
