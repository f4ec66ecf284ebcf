/// Paper Fig 8: (a) the scalar map of LPMuon beside those of Muon and Pion; (b) accuracy under LPMuon, AdamW and Pion.

#include <array>

#include "results/chart.h"
#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {
namespace {

struct Map {
  const char *curve, *variant, *label, *color;
};
constexpr std::array kMaps = {Map{"muon", "5", "Muon, 5 steps", "#D55E00"},
                              Map{"pion", "k_p=0", "Pion, k_p = 0", "#0072B2"},
                              Map{"lpmuon", "5", "LPMuon, 5 steps", "#B5679B"}};

/// The scalar maps are computed by the suite `maps`, in whatever experiment it ran.
std::string maps_run(const Store& store) {
  std::string found;
  for (const auto& run : store.runs())
    if (run.suite == "maps" && is_finished(run.state)) found = run.run;
  return found;
}

}  // namespace

Figure make_fig8(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{kSampledCurve, "sampled accuracy"}},
                           {.width = 330, .height = 230, .first_panel = 1, .is_always_lettered = true});
  Figure figure{.title = evidence.title(), .data = std::move(chart.data)};
  const std::string run = maps_run(*evidence.store);
  Json rows = Json::array(), labels = Json::array(), colors = Json::array();
  if (!run.empty())
    for (const auto& curve : evidence.store->curves(run))
      for (const auto& map : kMaps) {
        if (curve.name != map.curve || curve.variant != map.variant) continue;
        labels.push_back(map.label);
        colors.push_back(map.color);
        for (std::size_t i = 0; i < curve.x.size(); ++i)
          rows.push_back({{"map", map.label}, {"s", drawn(curve.x[i])}, {"f", drawn(curve.y[i])}});
      }
  const bool is_empty = rows.empty();
  std::vector<double> tops = {0, 1};
  for (const auto& row : rows) tops.push_back(row["f"].get<double>());
  Json layers = Json::array(
      {{{"data", {{"values", {{{"s", 0.5}}}}}},
        {"mark", {{"type", "rule"}, {"color", kNeutralColor}, {"strokeDash", {4, 3}}}},
        {"encoding", {{"x", quantitative({"s", "singular value s", std::pair(0.0, 1.0), false, false, false})}}}},
       {{"data", {{"values", std::move(rows)}}},
        {"mark", {{"type", "line"}, {"strokeWidth", 2}}},
        {"encoding",
         {{"x", quantitative({"s", "singular value s", std::pair(0.0, 1.0), false, false, false})},
          {"y", quantitative({"f", "f(s)", wide_domain(tops, false)})},
          {"color",
           {{"field", "map"},
            {"type", "nominal"},
            {"sort", nullptr},
            {"scale", {{"domain", labels}, {"range", colors}}},
            // Of no names, a legend has no size, and the picture an infinite one.
            {"legend",
             is_empty ? Json(nullptr) : Json{{"title", nullptr}, {"orient", "right"}, {"symbolType", "stroke"}}}}}}}}});
  Json maps = view("(a) Scalar maps", is_empty ? "no run of the maps: pionbench reproduce --only fig3" : "", 330, 230,
                   std::move(layers), is_empty);
  if (!run.empty()) figure.sources.push_back({"a", "scalar maps", {run}});
  figure.sources.insert(figure.sources.end(), chart.sources.begin(), chart.sources.end());
  // Each part has its own legend; panels of one part share theirs.
  const Json resolve = {{"scale", {{"color", "independent"}, {"strokeDash", "independent"}}}};
  if (chart.panels == 1)
    figure.spec = vega_lite({{"hconcat", {maps, chart.rows[0]["hconcat"][0]}}, {"resolve", resolve}});
  else {
    Json rows_of_views = Json::array({maps});
    for (auto& row : chart.rows) rows_of_views.push_back(std::move(row));
    figure.spec = vega_lite({{"vconcat", rows_of_views}, {"resolve", resolve}});
  }
  figure.caption =
      "(a) What the maps do to one singular value; grey dashes: LPMuon's threshold ½. Computed by the suite maps, not "
      "measured; its curve has its data in fig3. The paper's 15 coefficients of LPMuon are unpublished: these are our "
      "fit. (b) Validation accuracy of sampled answers. Lines: mean over seeds, " +
      chart.seeds + "; bands: lowest to highest seed, not an interval. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
