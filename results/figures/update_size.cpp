/// Accuracy at the end against the size of the updates: arms compared where they move weights as much, not where their
/// learning rates happen to be equal.

#include "results/chart.h"
#include "results/learning.h"
#include "results/sweeps.h"

namespace pionbench {

namespace {

/// What is swept besides the rate: a line connects rates.
std::string rest_of(Trial trial) {
  trial.at.erase("lr");
  return trial.label();
}

}  // namespace

Figure make_update_size(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.final), relative = mean_of(evidence, "update_rms_over_lr"),
                  lr = hyper_of(evidence, "lr");
  const CellValue size = [&](const CellEvidence& cell) -> std::optional<double> {
    const auto over_lr = relative(cell), rate = lr(cell);
    return over_lr && rate && *over_lr > 0 && *rate > 0 ? std::optional(*over_lr * *rate) : std::nullopt;
  };
  Figure figure{.title = evidence.title() + ": accuracy against the size of updates",
                .data = {{"panel", "arm", "settings", "seed", "update_rms", "value", "run"}, {}}};
  const auto styles = arm_styles(evidence.experiment);
  struct Made {
    Panel panel;
    Json rows;
  };
  std::vector<Made> made;
  std::vector<double> sizes, values;
  for (auto& panel : setting_panels(evidence, tuned_keys())) {
    Json rows = Json::array();
    for (const auto& trial : trials(evidence, panel.cells)) {
      const auto x = summarize(trial.cells, size), y = summarize(trial.cells, value);
      if (x.values.empty() || y.values.empty()) continue;
      sizes.push_back(x.mean);
      values.insert(values.end(), {y.lowest, y.highest});
      rows.push_back({{"arm", trial.arm},
                      {"x", drawn(x.mean)},
                      {"mean", drawn(y.mean)},
                      {"low", drawn(y.lowest)},
                      {"high", drawn(y.highest)},
                      {"at", trial.label()},
                      {"rest", rest_of(trial)},
                      {"n", y.values.size()},
                      {"href", link_to(y.runs)}});
      figure.sources.push_back({panel.id, trial.arm + (trial.at.empty() ? "" : ", " + trial.label()), y.runs});
      for (const auto* cell : trial.cells)
        if (cell->is_finished())
          if (const auto rms = size(*cell), end = value(*cell); rms && end)
            figure.data.rows.push_back({panel.id, trial.arm, trial.label(), cell->coordinate("seed"), exact(*rms),
                                        exact(*end), cell->run->run});
    }
    made.push_back({std::move(panel), std::move(rows)});
  }
  const auto x_domain = wide_domain(sizes, true), y_domain = share_domain(values);
  Json views = Json::array();
  for (auto& [panel, rows] : made) {
    const Json x = quantitative({"x", "RMS of an update's elements", x_domain, true, false, false});
    const auto y = [&](const char* field) { return quantitative({field, measure.title, y_domain, false, true}); };
    const Json color = arm_color_encoding(styles), dash = arm_dash_encoding(styles);
    Json dots = {{"x", x}, {"y", y("mean")}, {"color", color}};
    add_links(dots, {{"arm", "arm", ""},
                     {"at", "settings", ""},
                     {"x", "update RMS", ".3~g"},
                     {"mean", "mean", ".1%"},
                     {"low", "lowest", ".1%"},
                     {"high", "highest", ".1%"},
                     {"n", "runs", "d"}});
    const bool is_empty = rows.empty();
    Json layers = Json::array(
        {{{"mark", {{"type", "line"}, {"strokeWidth", 1.5}}},
          {"encoding",
           {{"x", x},
            {"y", y("mean")},
            {"detail", {{"field", "rest"}, {"type", "nominal"}}},
            {"color", color},
            {"strokeDash", dash}}}},
         {{"mark", {{"type", "rule"}}},
          {"encoding", {{"x", x}, {"y", y("low")}, {"y2", {{"field", "high"}}}, {"color", color}}}},
         {{"mark", {{"type", "point"}, {"filled", true}, {"size", 45}, {"opacity", 1}}}, {"encoding", dots}}});
    std::string gap = gap_text(panel.cells);
    if (gap.empty() && is_empty) gap = "no run here updates matrices";
    Json one = view(panel.title, gap, 360, 220, std::move(layers), is_empty);
    one["data"] = {{"values", std::move(rows)}};
    views.push_back(std::move(one));
  }
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}});
  figure.caption = capitalized(measure.title) + " (" + measure.final +
                   ") at the end against the RMS of an update's elements, the mean over steps of the matrices that the "
                   "optimizer owns. One point a trial, mean over seeds; rules: lowest to highest seed. Compare arms at "
                   "one place of the axis: a lead that is gone there was a lead in step size. A diverged run counts as "
                   "a miss and has no size. " +
                   caption_end(evidence);
  return figure;
}

}  // namespace pionbench
