#include "results/bars.h"

#include <algorithm>

#include "results/chart.h"
#include "results/grid.h"

namespace pionbench {

BarChart draw_bars(const Evidence& evidence, const CellValue& value, const BarOptions& options) {
  struct Bar {
    std::string group, arm;
    std::vector<const CellEvidence*> cells;
  };
  const bool has_groups = static_cast<bool>(options.group_of);
  std::vector<Bar> bars;
  std::vector<std::string> groups, arms = evidence.arms();
  for (const auto& arm : arms)
    for (const auto& cell : evidence.cells) {
      if (cell.cell.arm != arm) continue;
      const std::string group = has_groups ? options.group_of(cell) : arm;
      if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
      auto bar = std::find_if(bars.begin(), bars.end(), [&](const Bar& b) { return b.group == group && b.arm == arm; });
      if (bar == bars.end()) bar = bars.insert(bars.end(), {group, arm, {}});
      bar->cells.push_back(&cell);
    }

  BarChart chart{.data = {{"panel", "metric", "group", "arm", "seed", "value", "run"}, {}}};
  Json means = Json::array(), dots = Json::array(), gaps = Json::array(), published = Json::array();
  double top = 0;
  std::vector<const CellEvidence*> all;
  for (const auto& bar : bars) {
    all.insert(all.end(), bar.cells.begin(), bar.cells.end());
    const auto summary = summarize(bar.cells, value);
    const Json place = {{"group", bar.group}, {"arm", bar.arm}};
    if (const auto paper = options.paper.find({bar.group, bar.arm}); paper != options.paper.end()) {
      Json mark = place;
      mark["paper"] = drawn(paper->second);
      published.push_back(mark);
      top = std::max(top, paper->second);
    }
    if (summary.values.empty()) {
      Json gap = place;
      gap["zero"] = 0;
      gap["text"] = "not run";
      gaps.push_back(gap);
      continue;
    }
    Json mean = place;
    const auto shown = [&](double x) { return drawn(x * options.factor); };
    const double low = summary.low.value_or(summary.mean), high = summary.high.value_or(summary.mean);
    mean.update({{"mean", shown(summary.mean)},
                 {"low", std::max(0.0, shown(low))},
                 {"high", options.is_share ? std::min(1.0, shown(high)) : shown(high)},
                 {"n", summary.values.size()},
                 {"href", link_to(summary.runs)}});
    top = std::max({top, mean["high"].get<double>(), shown(summary.highest)});
    means.push_back(mean);
    for (const auto* cell : bar.cells) {
      if (!cell->is_finished()) continue;
      const auto one = value(*cell);
      if (!one) continue;
      Json dot = place;
      dot.update({{"value", shown(*one)}, {"href", link_to({cell->run->run})}, {"run", cell->run->run}});
      dots.push_back(dot);
      chart.data.rows.push_back({options.panel, options.quantity, has_groups ? bar.group : "", bar.arm,
                                 cell->coordinate("seed"), exact(*one), cell->run->run});
    }
    chart.sources.push_back({options.panel, has_groups ? bar.arm + ", " + bar.group : bar.arm, summary.runs});
  }

  auto styles = arm_styles(evidence.experiment);
  if (styles.empty()) styles.push_back({"", kNeutralColor, {1, 0}});
  const auto place = [&](Json encoding) {
    encoding["x"] = ordered("group", "", groups);
    encoding["x"]["axis"] = {
        {"labelAngle", groups.size() > 4 && !has_groups ? -30 : 0}, {"ticks", false}, {"grid", false}};
    if (has_groups) encoding["xOffset"] = ordered("arm", "", arms);
    if (has_groups) encoding["xOffset"].erase("title");
    return encoding;
  };
  const auto y = [&](const char* field) {
    Json out = quantitative(
        {field, options.y_title, std::pair(0.0, options.is_share || top <= 0 ? 1.0 : top), false, options.is_share});
    out["scale"]["nice"] = !options.is_share;
    return out;
  };
  const char* format = options.is_share ? ".1%" : ".3~g";
  Json color = arm_color_encoding(styles);
  color["legend"]["symbolType"] = "square";
  if (!has_groups) color["legend"] = nullptr;
  Json bar = place({{"y", y("mean")}, {"color", color}});
  add_links(bar, {{"arm", "arm", ""},
                  {"group", "group", ""},
                  {"mean", "mean", format},
                  {"low", "low", format},
                  {"high", "high", format},
                  {"n", "runs", "d"}});
  Json dot = place({{"y", y("value")}});
  add_links(dot, {{"run", "run", ""}, {"value", "value", format}});
  Json layers = Json::array();
  layers.push_back({{"data", {{"values", means}}}, {"mark", {{"type", "bar"}, {"opacity", 0.85}}}, {"encoding", bar}});
  layers.push_back({{"data", {{"values", means}}},
                    {"mark", {{"type", "rule"}, {"color", kTextColor}, {"strokeWidth", 1.2}}},
                    {"encoding", place({{"y", y("low")}, {"y2", {{"field", "high"}}}})}});
  layers.push_back(
      {{"data", {{"values", dots}}},
       {"mark", {{"type", "point"}, {"filled", true}, {"size", 16}, {"color", kTextColor}, {"opacity", 0.7}}},
       {"encoding", dot}});
  if (!published.empty())
    layers.push_back({{"data", {{"values", published}}},
                      {"mark", {{"type", "tick"}, {"color", kNeutralColor}, {"thickness", 2.5}}},
                      {"encoding", place({{"y", y("paper")}})}});
  if (!gaps.empty())
    layers.push_back(
        {{"data", {{"values", gaps}}},
         {"mark", {{"type", "text"}, {"color", kNeutralColor}, {"angle", 270}, {"align", "left"}, {"dx", 4}}},
         {"encoding", place({{"y", y("zero")}, {"text", {{"field", "text"}, {"type", "nominal"}}}})}});
  chart.view = view(options.title, gap_text(all), options.width, options.height, std::move(layers));
  return chart;
}

}  // namespace pionbench
