/// Accuracy at the end over learning rate and k_p, as a heat map for each arm that has both.

#include <set>

#include "results/chart.h"
#include "results/learning.h"
#include "results/sweeps.h"

namespace pionbench {

Figure make_kp_lr(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.final);
  Figure figure{.title = evidence.title() + ": k_p and learning rate",
                .data = {{"panel", "arm", "lr", "k_p", "seed", "value", "run"}, {}}};
  struct Made {
    Panel panel;
    Json rows, gaps;
  };
  std::vector<Made> made;
  std::vector<double> values;
  std::set<double> rates, steps;
  for (const auto& arm : evidence.arms())
    for (auto& panel : setting_panels(evidence, tuned_keys(), {arm})) {
      Made one{panel, Json::array(), Json::array()};
      one.panel.title =
          arm +
          (panel.title == kAllRuns ? "" : ", " + panel.title.substr(panel.id.empty() ? 0 : panel.title.find(' ') + 1));
      bool has_both = false;
      for (const auto& trial : trials(evidence, panel.cells)) {
        if (!trial.at.contains("lr") || !trial.at.contains("k_p")) continue;
        has_both = true;
        const double lr = trial.at.at("lr"), k_p = trial.at.at("k_p");
        rates.insert(lr);
        steps.insert(k_p);
        const auto summary = summarize(trial.cells, value);
        Json cell = {{"lr", significant(lr, 3)}, {"k_p", significant(k_p, 3)}};
        if (summary.values.empty()) {
          cell["text"] = "not run";
          one.gaps.push_back(cell);
          continue;
        }
        values.push_back(summary.mean);
        cell.update({{"mean", drawn(summary.mean)},
                     {"low", drawn(summary.lowest)},
                     {"high", drawn(summary.highest)},
                     {"text", fixed(100 * summary.mean, 0)},
                     {"n", summary.values.size()},
                     {"href", link_to(summary.runs)}});
        one.rows.push_back(cell);
        figure.sources.push_back({"", arm + ", " + trial.label(), summary.runs});
        for (const auto* run : trial.cells)
          if (run->is_finished())
            if (const auto x = value(*run))
              figure.data.rows.push_back(
                  {"", arm, exact(lr), exact(k_p), run->coordinate("seed"), exact(*x), run->run->run});
      }
      if (has_both) made.push_back(std::move(one));
    }
  std::vector<std::string> x_values, y_values;
  for (const double rate : rates) x_values.push_back(significant(rate, 3));
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) y_values.push_back(significant(*step, 3));
  const auto domain = share_domain(values);
  Json views = Json::array();
  for (auto& [panel, rows, gaps] : made) {
    Json x = ordered("lr", "learning rate", x_values), y = ordered("k_p", "k_p", y_values);
    x["axis"] = {{"labelAngle", 0}, {"ticks", false}, {"grid", false}};
    y["axis"] = {{"ticks", false}, {"grid", false}};
    Json rect = {{"x", x},
                 {"y", y},
                 {"color",
                  {{"field", "mean"},
                   {"type", "quantitative"},
                   {"scale", {{"domain", {domain.first, domain.second}}, {"scheme", "viridis"}}},
                   {"legend", {{"title", measure.title}, {"format", ".0%"}}}}}};
    add_links(rect, {{"lr", "learning rate", ""},
                     {"k_p", "k_p", ""},
                     {"mean", "mean", ".1%"},
                     {"low", "lowest", ".1%"},
                     {"high", "highest", ".1%"},
                     {"n", "runs", "d"}});
    const Json text = {{"field", "text"}, {"type", "nominal"}};
    const bool is_empty = rows.empty();
    Json layers = Json::array(
        {{{"data", {{"values", rows}}}, {"mark", {{"type", "rect"}}}, {"encoding", rect}},
         {{"data", {{"values", rows}}},
          {"mark", {{"type", "text"}, {"fontSize", 11}}},
          {"encoding",
           {{"x", x},
            {"y", y},
            {"text", text},
            {"color",
             {{"condition",
               {{"test", "datum.mean < " + exact((domain.first + domain.second) / 2)}, {"value", "#ffffff"}}},
              {"value", "#1b1f24"}}}}}}});
    if (!gaps.empty())
      layers.push_back({{"data", {{"values", gaps}}},
                        {"mark", {{"type", "text"}, {"fontSize", 10}, {"color", kNeutralColor}}},
                        {"encoding", {{"x", x}, {"y", y}, {"text", text}}}});
    views.push_back(view(
        panel.title, gap_text(panel.cells), static_cast<int>(60 * std::max<std::size_t>(x_values.size(), 3)),
        static_cast<int>(34 * std::max<std::size_t>(y_values.size(), 3)), std::move(layers), is_empty && gaps.empty()));
  }
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}});
  figure.caption =
      capitalized(measure.title) + " (" + measure.final +
      ") at the end, in per cent, over learning rate and promotion steps k_p: mean over seeds. The best cell "
      "of a map is the luckiest of many; the protocols table has it chosen on the validation split. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
