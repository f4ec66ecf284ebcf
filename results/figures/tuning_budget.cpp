/// What tuning buys: the expected best validation score after k trials of an arm's sweep.

#include "results/chart.h"
#include "results/learning.h"
#include "results/stats/aggregate.h"
#include "results/sweeps.h"

namespace pionbench {

Figure make_tuning_budget(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.curve);
  Figure figure{.title = evidence.title() + ": tuning budget",
                .data = {{"panel", "arm", "trial", "seed", "value", "run"}, {}}};
  const auto styles = arm_styles(evidence.experiment);
  struct Made {
    Panel panel;
    Json rows;
  };
  std::vector<Made> made;
  std::vector<double> values;
  double most = 1;
  for (auto& panel : setting_panels(evidence, tuned_keys())) {
    Json rows = Json::array();
    const auto all = trials(evidence, panel.cells);
    for (const auto& arm : evidence.arms()) {
      std::vector<double> scores;
      std::vector<std::string> runs;
      for (const auto& trial : all) {
        if (trial.arm != arm) continue;
        const auto summary = summarize(trial.cells, value);
        if (summary.values.empty()) continue;
        scores.push_back(summary.mean);
        runs.insert(runs.end(), summary.runs.begin(), summary.runs.end());
        for (const auto* cell : trial.cells)
          if (cell->is_finished())
            if (const auto x = value(*cell))
              figure.data.rows.push_back(
                  {panel.id, arm, trial.label(), cell->coordinate("seed"), exact(*x), cell->run->run});
      }
      if (scores.empty()) continue;
      most = std::max(most, static_cast<double>(scores.size()));
      figure.sources.push_back({panel.id, arm, runs});
      for (int k = 1; k <= static_cast<int>(scores.size()); ++k) {
        const double best = stats::expected_best_of(scores, k);
        values.push_back(best);
        rows.push_back(
            {{"arm", arm}, {"k", k}, {"best", drawn(best)}, {"trials", scores.size()}, {"href", link_to(runs)}});
      }
    }
    made.push_back({std::move(panel), std::move(rows)});
  }
  const auto domain = share_domain(values);
  Json views = Json::array();
  for (auto& [panel, rows] : made) {
    Json x = quantitative({"k", "trials", std::pair(1.0, std::max(most, 2.0)), false, false, false});
    x["axis"]["values"] = count_ticks(1, static_cast<int>(std::max(most, 2.0)));
    x["axis"]["format"] = "d";
    const Json y = quantitative({"best", "best " + measure.title, domain, false, true});
    const Json color = arm_color_encoding(styles), dash = arm_dash_encoding(styles);
    Json dots = {{"x", x}, {"y", y}, {"color", color}};
    add_links(dots,
              {{"arm", "arm", ""}, {"k", "trials", "d"}, {"best", "expected best", ".1%"}, {"trials", "of", "d"}});
    const bool is_empty = rows.empty();
    Json layers = Json::array(
        {{{"mark", {{"type", "line"}, {"strokeWidth", 2}}},
          {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"strokeDash", dash}}}},
         {{"mark", {{"type", "point"}, {"filled", true}, {"size", 28}, {"opacity", 1}}}, {"encoding", dots}}});
    Json one = view(panel.title, gap_text(panel.cells), 360, 220, std::move(layers), is_empty);
    one["data"] = {{"values", std::move(rows)}};
    views.push_back(std::move(one));
  }
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}});
  figure.caption =
      "Expected best of k trials drawn at random, with replacement, from an arm's sweep: E = Σ x_(i) [(i/N)^k "
      "− ((i − 1)/N)^k] over its N trials, each the mean over seeds of " +
      measure.curve + " at the end. Compare arms at one k, and only arms whose sweeps are as wide. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
