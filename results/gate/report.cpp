/// The gate's answer for people, pull requests and CI systems.

#include <algorithm>
#include <cmath>

#include "results/gate/gate.h"
#include "results/grid.h"

namespace pionbench::gate {
namespace {

Json number(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

const char* to_string(Better better) {
  switch (better) {
    case Better::kLower:
      return "lower";
    case Better::kHigher:
      return "higher";
    case Better::kNeither:
      return "neither";
  }
  return "";
}

std::string value_text(double value, const std::string& unit) {
  return std::isfinite(value) ? significant(value, 4) + (unit.empty() ? "" : " " + unit) : "–";
}

std::string xml_escaped(const std::string& text) {
  return html_escaped(text);
}

std::string rate_text(const FalseAlarms& f) {
  if (f.screened == 0) return "False alarms of this gate: not measured yet, the history is too short to replay.";
  return "False alarms of this gate, replayed on " + counted(static_cast<std::size_t>(f.screened), "good measurement") +
         ": stage 1 suspected " + std::to_string(f.suspects) + " (" + fixed(100.0 * f.suspects / f.screened, 1) +
         " %), stage 2 would have confirmed " + std::to_string(f.confirmed) + " (at most " + fixed(100 * f.upper, 1) +
         " % at 95 %).";
}

Grid grid_of(const Result& result, bool with_passes) {
  Grid grid{{"Verdict", "Series", "Typical", "Head", "Change", "Why"}, {}};
  for (const auto& s : result.series) {
    if (s.verdict == Verdict::kPass && !with_passes) continue;
    const double change = s.decision ? s.decision->change : s.screen.change;
    const bool compared = s.decision || s.screen.history > 0;
    grid.rows.push_back({std::string(to_string(s.verdict)) + (s.is_blocking ? "" : " (advice)"), s.name,
                         s.typical ? value_text(*s.typical, s.unit) : "–", value_text(s.head, s.unit),
                         compared ? change_text(change, s.kind) : "–", reason(s)});
  }
  return grid;
}

std::string headline(const Result& result) {
  std::string text = to_string(result.verdict);
  for (const auto verdict :
       {Verdict::kRegressed, Verdict::kUnknown, Verdict::kImproved, Verdict::kNew, Verdict::kPass}) {
    const auto n = std::count_if(result.series.begin(), result.series.end(),
                                 [&](const SeriesResult& s) { return s.verdict == verdict; });
    if (n)
      text +=
          std::string(text == to_string(result.verdict) ? ": " : ", ") + std::to_string(n) + " " + to_string(verdict);
  }
  return text;
}

}  // namespace

std::string reason(const SeriesResult& s) {
  if (!s.decision) {
    if (s.verdict == Verdict::kUnknown && s.screen.is_suspect)
      return s.screen.why + "; nothing to measure it again with: give --baseline";
    return s.screen.why;
  }
  const auto& d = *s.decision;
  std::string text = "measured again, " + counted(s.samples.head.size(), "sample") + " against " +
                     std::to_string(s.samples.baseline.size()) + ": " + change_text(d.change, s.kind) + " [" +
                     change_text(d.low, s.kind) + ", " + change_text(d.high, s.kind) + "], p " + significant(d.p, 2);
  if (s.verdict == Verdict::kUnknown)
    text += d.has_enough ? "; too noisy to rule out " + change_text(s.kind.floor, s.kind)
                         : "; too few samples: none could give a p below " + significant(d.least_p, 2);
  return text;
}

Json to_json(const Result& result) {
  Json series = Json::array();
  for (const auto& s : result.series) {
    Json row = {{"name", s.name},
                {"verdict", to_string(s.verdict)},
                {"blocking", s.is_blocking},
                {"unit", s.unit},
                {"better", to_string(s.kind.better)},
                {"floor", s.kind.floor},
                {"floor_is_relative", s.kind.is_relative},
                {"head", number(s.head)},
                {"typical", s.typical ? number(*s.typical) : Json()},
                {"suspect", s.screen.is_suspect},
                {"change", number(s.decision ? s.decision->change : s.screen.change)},
                {"threshold", number(s.screen.threshold)},
                {"history", s.screen.history},
                {"looks", s.looks},
                {"magnitude", s.magnitude},
                {"why", reason(s)}};
    if (s.decision)
      row["confirmation"] = {
          {"low", number(s.decision->low)}, {"high", number(s.decision->high)},     {"p", s.decision->p},
          {"least_p", s.decision->least_p}, {"adjusted_p", s.decision->adjusted_p}, {"head", s.samples.head},
          {"baseline", s.samples.baseline}};
    series.push_back(std::move(row));
  }
  const auto& f = result.false_alarms;
  return {{"verdict", to_string(result.verdict)},
          {"series", series},
          {"tests", result.series.size()},
          {"false_alarms",
           {{"screened", f.screened}, {"suspects", f.suspects}, {"confirmed", f.confirmed}, {"upper_95", f.upper}}}};
}

std::string to_plain(const Result& result) {
  std::string out = headline(result) + "\n";
  const Grid grid = grid_of(result, false);
  if (!grid.rows.empty()) out += "\n" + pionbench::to_plain(grid);
  return out + "\n" + rate_text(result.false_alarms) + "\n";
}

std::string to_markdown(const Result& result, const std::string& head, const std::string& baseline) {
  std::string out = "## pionbench gate: " + headline(result) + "\n\nHead `" + head + "`" +
                    (baseline.empty() ? "" : ", baseline `" + baseline + "`") + ".\n\n";
  const Grid grid = grid_of(result, false);
  if (!grid.rows.empty()) out += pionbench::to_markdown(grid) + "\n";
  const Grid all = grid_of(result, true);
  if (all.rows.size() > grid.rows.size())
    out += "<details><summary>All " + std::to_string(all.rows.size()) + " series</summary>\n\n" +
           pionbench::to_markdown(all) + "\n</details>\n\n";
  return out + rate_text(result.false_alarms) + "\n";
}

std::string to_junit(const Result& result) {
  const auto count = [&](Verdict verdict) {
    return std::count_if(result.series.begin(), result.series.end(),
                         [&](const SeriesResult& s) { return s.verdict == verdict && s.is_blocking; });
  };
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"pionbench gate\" tests=\"" +
      std::to_string(result.series.size()) + "\" failures=\"" + std::to_string(count(Verdict::kRegressed)) +
      "\" skipped=\"" + std::to_string(count(Verdict::kUnknown)) + "\">\n";
  for (const auto& s : result.series) {
    out += "<testcase classname=\"pionbench.gate\" name=\"" + xml_escaped(s.name) + "\">";
    const std::string message = xml_escaped(reason(s));
    if (s.verdict == Verdict::kRegressed && s.is_blocking)
      out += "<failure type=\"REGRESSED\" message=\"" + message + "\"/>";
    else if (s.verdict == Verdict::kUnknown && s.is_blocking)
      out += "<skipped message=\"UNKNOWN: " + message + "\"/>";
    else
      out += "<system-out>" + std::string(to_string(s.verdict)) + ": " + message + "</system-out>";
    out += "</testcase>\n";
  }
  return out + "</testsuite>\n</testsuites>\n";
}

}  // namespace pionbench::gate
