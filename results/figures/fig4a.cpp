/// Paper Fig 4(a): variance over heads of the Frobenius norms of the query projections, layer by layer: of the weights
/// before training, and of the update.

#include <array>
#include <cctype>

#include "results/chart.h"
#include "results/finals.h"
#include "results/heads.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

struct Part {
  const char *id, *metric, *title;
};
constexpr std::array kParts = {Part{"top", "initial_weight_norm", "Norms before training"},
                               Part{"bottom", "update_norm", "Norms of updates"}};

std::string decapitalized(std::string text) {
  // "GRPO" stays.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace

Figure make_fig4a(const Evidence& evidence) {
  Figure figure{.title = evidence.title(),
                .data = {{"panel", "metric", "setting", "arm", "seed", "layer", "parameter", "variance", "run"}, {}}};
  auto styles = arm_styles(evidence.experiment);
  const auto panels = setting_panels(evidence);
  Json rows_of_views = Json::array();
  std::size_t letter = 0;
  for (const auto& part : kParts) {
    Json line = Json::array();
    std::vector<double> all;
    struct Made {
      Panel panel;
      Json rows;
    };
    std::vector<Made> made;
    for (const auto& setting : panels) {
      Panel panel = setting;
      const std::string where = panel.id.empty() ? panel.title : panel.title.substr(panel.title.find(' ') + 1);
      panel.id = panel_letter(letter++);
      panel.title = std::string("(") + panel.id + ") " + part.title;
      if (where != kAllRuns) panel.title += ", " + decapitalized(where);
      Json rows = Json::array();
      for (const auto& arm : evidence.arms()) {
        std::map<int, std::vector<double>> by_layer;
        std::vector<std::string> runs;
        for (const auto* cell : panel.cells) {
          if (!cell->is_finished() || cell->cell.arm != arm) continue;
          const auto variances = query_head_variances(*evidence.store, cell->run->run, part.metric);
          if (!variances.empty()) runs.push_back(cell->run->run);
          for (const auto& [parameter, variance] : variances) {
            by_layer[layer_of(parameter)].push_back(variance);
            figure.data.rows.push_back({panel.id, part.metric, where, arm, cell->coordinate("seed"),
                                        std::to_string(layer_of(parameter)), parameter, exact(variance),
                                        cell->run->run});
          }
        }
        for (const auto& [layer, values] : by_layer) {
          const double value = mean(values);
          if (value > 0) all.push_back(value);
          rows.push_back({{"arm", arm},
                          {"layer", layer},
                          {"variance", drawn(value)},
                          {"n", values.size()},
                          {"href", link_to(runs)}});
        }
        if (!runs.empty()) figure.sources.push_back({panel.id, arm, std::move(runs)});
      }
      made.push_back({std::move(panel), std::move(rows)});
    }
    // An update that is exactly alike for all heads has variance 0, which a logarithmic axis cannot show: it stands on
    // the floor, and the tooltip and the CSV say 0.
    const auto domain = wide_domain(all, true);
    for (auto& [panel, rows] : made) {
      int last = 1;
      for (auto& row : rows) {
        last = std::max(last, row["layer"].get<int>());
        row["shown"] = std::max(row["variance"].get<double>(), domain.first);
      }
      const Json x = quantitative({"layer", "layer", std::pair(0.0, static_cast<double>(last)), false, false, false});
      const Json y = quantitative({"shown", "variance over heads", domain, true});
      const Json color = arm_color_encoding(styles), dash = arm_dash_encoding(styles);
      Json dots = {{"x", x}, {"y", y}, {"color", color}};
      add_links(dots,
                {{"arm", "arm", ""}, {"layer", "layer", "d"}, {"variance", "variance", ".3~g"}, {"n", "values", "d"}});
      dots["x"]["axis"]["values"] = count_ticks(0, last);
      dots["x"]["axis"]["format"] = "d";
      Json lines = {{"x", dots["x"]}, {"y", y}, {"color", color}, {"strokeDash", dash}};
      Json layers = Json::array(
          {{{"mark", {{"type", "line"}, {"strokeWidth", 2}}}, {"encoding", lines}},
           {{"mark", {{"type", "point"}, {"filled", true}, {"size", 30}, {"opacity", 1}}}, {"encoding", dots}}});
      const bool is_empty = rows.empty();
      std::string gap = gap_text(panel.cells);
      if (gap.empty() && is_empty) gap = "no run reports its heads";
      Json one = view(panel.title, gap, 360, 180, std::move(layers), is_empty);
      one["data"] = {{"values", std::move(rows)}};
      line.push_back(std::move(one));
    }
    rows_of_views.push_back({{"hconcat", line}});
  }
  figure.spec = vega_lite({{"vconcat", rows_of_views}});
  figure.caption =
      "Variance over attention heads of the Frobenius norms of the query projection's blocks, by layer: of the weights "
      "before training (top), of the update, each head's norm averaged over steps (bottom). Points: mean over seeds; "
      "logarithmic axes, a variance of 0 stands on the floor. Beside it read the size of the updates: an update that "
      "is "
      "almost 0 has no variance either. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
