/// Accuracy at the end against the number of promotion steps k_p (the paper's ablation, whose values it does not
/// print), with the other optimizers as levels.

#include "results/chart.h"
#include "results/finals.h"
#include "results/learning.h"

namespace pionbench {
namespace {

struct Point {
  std::string arm;
  double k_p;
  std::vector<const CellEvidence*> cells;
};

}  // namespace

Figure make_kp(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.final), k_p_of = hyper_of(evidence, "k_p");
  Figure figure{.title = evidence.title(), .data = {{"panel", "arm", "k_p", "seed", "value", "run"}, {}}};
  const auto styles = arm_styles(evidence.experiment);
  const auto panels = setting_panels(evidence, {"k_p"});
  std::vector<double> values;
  struct Made {
    const Panel* panel;
    Json points, levels, gaps;
  };
  std::vector<Made> made;
  double most = 1;
  for (const auto& panel : panels) {
    std::vector<Point> points;  // k_p −1: an optimizer without
    for (const auto* cell : panel.cells) {
      const double k_p = k_p_of(*cell).value_or(-1);
      most = std::max(most, k_p);
      auto at = std::find_if(points.begin(), points.end(),
                             [&](const Point& p) { return p.arm == cell->cell.arm && p.k_p == k_p; });
      if (at == points.end()) at = points.insert(points.end(), {cell->cell.arm, k_p, {}});
      at->cells.push_back(cell);
    }
    Made one{&panel, Json::array(), Json::array(), Json::array()};
    for (const auto& point : points) {
      const auto summary = summarize(point.cells, value);
      if (summary.values.empty()) {
        if (point.k_p < 0) continue;
        one.gaps.push_back({{"k_p", point.k_p}, {"text", "not run"}});
        one.points.push_back({{"arm", point.arm}, {"k_p", point.k_p}, {"mean", nullptr}});  // breaks the line
        continue;
      }
      const double low = summary.low.value_or(summary.mean), high = summary.high.value_or(summary.mean);
      values.insert(values.end(), {std::max(low, 0.0), std::min(high, 1.0)});
      Json mark = {{"arm", point.arm},
                   {"k_p", point.k_p},
                   {"mean", drawn(summary.mean)},
                   {"low", drawn(std::max(low, 0.0))},
                   {"high", drawn(std::min(high, 1.0))},
                   {"n", summary.values.size()},
                   {"href", link_to(summary.runs)}};
      (point.k_p < 0 ? one.levels : one.points).push_back(mark);
      figure.sources.push_back(
          {panel.id, point.k_p < 0 ? point.arm : point.arm + ", k_p " + significant(point.k_p, 3), summary.runs});
      for (const auto* cell : point.cells)
        if (cell->is_finished())
          if (const auto x = value(*cell))
            figure.data.rows.push_back({panel.id, cell->cell.arm, point.k_p < 0 ? "" : exact(point.k_p),
                                        cell->coordinate("seed"), exact(*x), cell->run->run});
    }
    made.push_back(std::move(one));
  }
  const auto domain = share_domain(values);
  Json views = Json::array();
  for (auto& [panel, points, levels, gaps] : made) {
    Json x = quantitative(
        {"k_p", "promotion steps k_p (suppression: the rest of 5)", std::pair(-0.3, most + 0.3), false, false, false});
    Json ticks = Json::array();
    for (int k = 0; k <= static_cast<int>(most); ++k) ticks.push_back(k);
    x["axis"]["values"] = ticks;
    x["axis"]["format"] = "d";
    const auto y = [&](const char* field) { return quantitative({field, measure.title, domain, false, true}); };
    const Json color = arm_color_encoding(styles), dash = arm_dash_encoding(styles);
    Json dots = {{"x", x}, {"y", y("mean")}, {"color", color}};
    add_links(dots, {{"arm", "arm", ""},
                     {"k_p", "k_p", "d"},
                     {"mean", "mean", ".1%"},
                     {"low", "low", ".1%"},
                     {"high", "high", ".1%"},
                     {"n", "runs", "d"}});
    Json rules = {{"y", y("mean")}, {"color", color}, {"strokeDash", dash}};
    add_links(rules, {{"arm", "arm", ""}, {"mean", "mean", ".1%"}, {"n", "runs", "d"}});
    const bool is_empty = points.size() == gaps.size() && levels.empty();
    const Json data = {{"values", std::move(points)}};
    Json layers =
        Json::array({{{"data", {{"values", std::move(levels)}}},
                      {"mark", {{"type", "rule"}, {"strokeWidth", 1.5}}},
                      {"encoding", rules}},
                     {{"data", data},
                      {"mark", {{"type", "line"}, {"strokeWidth", 2}}},
                      {"encoding", {{"x", x}, {"y", y("mean")}, {"color", color}, {"strokeDash", dash}}}},
                     {{"data", data},
                      {"mark", {{"type", "rule"}}},
                      {"encoding", {{"x", x}, {"y", y("low")}, {"y2", {{"field", "high"}}}, {"color", color}}}},
                     {{"data", data},
                      {"mark", {{"type", "point"}, {"filled", true}, {"size", 45}, {"opacity", 1}}},
                      {"encoding", dots}}});
    if (!gaps.empty() && !is_empty)
      layers.push_back({{"data", {{"values", std::move(gaps)}}},
                        {"mark", {{"type", "text"}, {"color", kNeutralColor}, {"y", 210}, {"fontSize", 10}}},
                        {"encoding", {{"x", x}, {"text", {{"field", "text"}, {"type", "nominal"}}}}}});
    views.push_back(view(panel->title, gap_text(panel->cells), 360, 220, std::move(layers), is_empty));
  }
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}});
  figure.caption = capitalized(measure.title) + " (" + measure.final +
                   ") at the end against k_p. Points: mean over seeds; rules: 95 % Student-t interval; level lines: "
                   "optimizers without k_p. The paper says that k_s ≥ 3, so k_p ≤ 2, is best, and prints no values. " +
                   caption_end(evidence);
  return figure;
}

}  // namespace pionbench
