#include "harness/adaptive/adaptive.h"

#include <cstdio>

#include "harness/adaptive/halving.h"
#include "harness/adaptive/until.h"

namespace pionbench {
namespace {

Json or_null(const std::optional<double>& x) {
  return x ? Json(*x) : Json();
}

std::string number(const std::optional<double>& x) {
  if (!x) return "-";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", *x);
  return buffer;
}

}  // namespace

Decision decide(const PlanSource& source, const Catalog& catalog, const Store* store, int batch) {
  Decision out{make_plan(source.file, catalog, source.options), {}};
  const SweepOptions sweep = out.plan.sweep;
  out.report.experiment = out.plan.experiment.name;
  if (!sweep.halving && !sweep.until) return out;
  out.report.metric = out.plan.primary_metric;

  std::optional<Plan> last = out.plan;
  std::vector<Assignment> pins = source.options.pins;
  if (sweep.halving) {
    HalvingStep step = halve(source, catalog, out.plan, store);
    out.report.resource = sweep.halving->resource;
    out.report.rungs = std::move(step.rungs);
    out.plan = std::move(step.plan);
    last = std::move(step.last);
    if (sweep.halving->resource != "seed")
      pins.push_back({sweep.halving->resource, {out.report.rungs.back().amount}, sweep.halving->where});
  }
  if (sweep.until) {
    out.report.until = sweep.until->text;
    if (last) out.report.groups = add_seeds(source, catalog, *last, pins, store, batch, out.plan);
  }
  return out;
}

Json to_json(const AdaptiveReport& report) {
  Json rungs = Json::array(), groups = Json::array();
  for (const auto& rung : report.rungs) {
    Json candidates = Json::array();
    for (const auto& c : rung.candidates)
      candidates.push_back({{"label", c.label},
                            {"arm", c.arm},
                            {"score", or_null(c.score)},
                            {"stopped", rung.decided && !c.kept},
                            {"reason", c.reason}});
    rungs.push_back({{"amount", rung.amount}, {"decided", rung.decided}, {"candidates", candidates}});
  }
  for (const auto& g : report.groups)
    groups.push_back({{"label", g.label},
                      {"seeds", g.seeds},
                      {"values", g.values},
                      {"mean", or_null(g.mean)},
                      {"half_width", or_null(g.half)},
                      {"state", g.state}});
  Json out = {{"experiment", report.experiment}, {"metric", report.metric}};
  if (!report.rungs.empty()) out["halving"] = {{"resource", report.resource}, {"rungs", rungs}};
  if (!report.until.empty()) out["until"] = {{"wish", report.until}, {"candidates", groups}};
  return out;
}

std::string rung_text(const AdaptiveReport& report, std::size_t r) {
  const Rung& rung = report.rungs[r];
  std::string out = "  rung " + std::to_string(r + 1) + " of " + std::to_string(report.rungs.size()) + ", " +
                    report.resource + "=" + std::to_string(rung.amount) + ": ";
  const bool is_last = r + 1 == report.rungs.size();
  if (rung.candidates.empty()) return out + "not reached yet\n";
  if (!rung.decided || is_last) {
    out += std::to_string(rung.candidates.size()) + (is_last ? " at full length" : " compete") +
           (rung.decided ? "\n" : ", not all have ended\n");
    if (!rung.decided) return out;
  } else {
    std::size_t kept = 0;
    for (const auto& c : rung.candidates) kept += c.kept;
    out += std::to_string(kept) + " of " + std::to_string(rung.candidates.size()) + " go on\n";
  }
  for (const auto& c : rung.candidates)
    out += std::string(c.kept ? "    goes on  " : "    stopped  ") + number(c.score) + "  " + c.label +
           (c.reason.empty() ? "" : "  (" + c.reason + ")") + "\n";
  return out;
}

std::string to_text(const AdaptiveReport& report) {
  if (report.empty()) return "";
  std::string out = report.experiment + ", by " + report.metric + "\n";
  for (std::size_t r = 0; r < report.rungs.size(); ++r) out += rung_text(report, r);
  if (report.until.empty()) return out;
  out += "  until " + report.until + (report.groups.empty() ? ": begins after the last rung\n" : "\n");
  for (const auto& g : report.groups)
    out += "    " + g.state + "  " + number(g.mean) + " ± " + number(g.half) + " over " + std::to_string(g.values) +
           (g.values == 1 ? " seed  " : " seeds  ") + g.label + "\n";
  return out;
}

}  // namespace pionbench
