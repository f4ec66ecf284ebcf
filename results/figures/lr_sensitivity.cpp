/// Accuracy at the end against learning rate, a line for each optimizer: how much of an arm's standing is its rate.

#include <set>

#include "results/chart.h"
#include "results/learning.h"
#include "results/sweeps.h"

namespace pionbench {

Figure make_lr_sensitivity(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.final), tuning = final_of(evidence, measure.curve);
  Figure figure{.title = evidence.title() + ": learning rate",
                .data = {{"panel", "arm", "lr", "settings", "seed", "value", "run"}, {}}};
  const auto styles = arm_styles(evidence.experiment);
  struct Made {
    Panel panel;
    Json rows;
  };
  std::vector<Made> made;
  std::vector<double> rates, values;
  for (auto& panel : setting_panels(evidence, tuned_keys())) {
    Json rows = Json::array();
    const auto all = trials(evidence, panel.cells);
    for (const auto& arm : evidence.arms()) {
      // At each rate the best of what else is swept, by the validation split.
      std::map<double, std::vector<Trial>> by_rate;
      for (const auto& trial : all)
        if (const auto rate = trial.at.find("lr"); trial.arm == arm && rate != trial.at.end())
          by_rate[rate->second].push_back(trial);
      const auto* tuned = best_trial(all, arm, tuning);
      for (const auto& [rate, own] : by_rate) {
        rates.push_back(rate);
        const auto* trial = best_trial(own, arm, tuning);
        if (!trial) continue;
        const auto summary = summarize(trial->cells, value);
        if (summary.values.empty()) continue;
        values.insert(values.end(), {summary.lowest, summary.highest});
        rows.push_back({{"arm", arm},
                        {"lr", rate},
                        {"mean", drawn(summary.mean)},
                        {"low", drawn(summary.lowest)},
                        {"high", drawn(summary.highest)},
                        {"n", summary.values.size()},
                        {"size", tuned && trial->at == tuned->at ? 110 : 28},
                        {"href", link_to(summary.runs)}});
        figure.sources.push_back({panel.id, arm + ", " + trial->label(), summary.runs});
        for (const auto* cell : trial->cells)
          if (cell->is_finished())
            if (const auto x = value(*cell))
              figure.data.rows.push_back(
                  {panel.id, arm, exact(rate), trial->label(), cell->coordinate("seed"), exact(*x), cell->run->run});
      }
    }
    made.push_back({std::move(panel), std::move(rows)});
  }
  const auto x_domain = wide_domain(rates, true), y_domain = share_domain(values);
  Json views = Json::array();
  std::set<double> ticks(rates.begin(), rates.end());
  // A logarithmic axis has no 0: such a rate stands on its floor, and the tooltip and the CSV say 0.
  const bool has_zero = std::erase_if(ticks, [](double rate) { return rate <= 0; }) > 0;
  for (auto& [panel, rows] : made) {
    for (auto& row : rows) row["at"] = std::max(row["lr"].get<double>(), x_domain.first);
    Json x = quantitative({"at", "learning rate", x_domain, true, false, false});
    x["axis"]["values"] = ticks;
    x["axis"]["format"] = ".1~e";
    const auto y = [&](const char* field) { return quantitative({field, measure.title, y_domain, false, true}); };
    const Json color = arm_color_encoding(styles), dash = arm_dash_encoding(styles);
    Json dots = {{"x", x},
                 {"y", y("mean")},
                 {"color", color},
                 {"size", {{"field", "size"}, {"type", "quantitative"}, {"scale", nullptr}, {"legend", nullptr}}}};
    add_links(dots, {{"arm", "arm", ""},
                     {"lr", "learning rate", "~g"},
                     {"mean", "mean", ".1%"},
                     {"low", "lowest", ".1%"},
                     {"high", "highest", ".1%"},
                     {"n", "runs", "d"}});
    const bool is_empty = rows.empty();
    Json layers =
        Json::array({{{"mark", {{"type", "area"}, {"opacity", 0.13}}},
                      {"encoding", {{"x", x}, {"y", y("low")}, {"y2", {{"field", "high"}}}, {"color", color}}}},
                     {{"mark", {{"type", "line"}, {"strokeWidth", 2}}},
                      {"encoding", {{"x", x}, {"y", y("mean")}, {"color", color}, {"strokeDash", dash}}}},
                     {{"mark", {{"type", "point"}, {"filled", true}, {"opacity", 1}}}, {"encoding", dots}}});
    Json one = view(panel.title, gap_text(panel.cells), 360, 220, std::move(layers), is_empty);
    one["data"] = {{"values", std::move(rows)}};
    views.push_back(std::move(one));
  }
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}});
  figure.caption =
      capitalized(measure.title) + " (" + measure.final +
      ") at the end against learning rate. Lines: mean over seeds; bands: lowest to highest seed. The large "
      "dot is the trial that tuning on the validation split (" +
      measure.curve + ") would choose; where other settings are swept too, each rate stands with its best of them. " +
      (has_zero ? "A rate of 0 stands on the axis's floor. " : "") + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
