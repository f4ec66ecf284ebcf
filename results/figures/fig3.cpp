/// Paper Fig 3: what each polynomial does to one singular value s in [0, 1].

#include <array>
#include <cmath>

#include "core/error.h"
#include "results/panels.h"
#include "results/registry.h"
#include "results/style.h"

namespace pionbench {
namespace {

struct Panel {
  const char* curve;  ///< name of the `curve` events
  const char* title;
  const char* legend;
};

constexpr std::array kPanels = {
    Panel{"muon", "(a) Muon: Newton–Schulz, t steps", "steps t"},
    Panel{"promotion", "(b) Promotion, t steps", "steps t"},
    Panel{"suppression", "(c) Suppression, t steps", "steps t"},
    Panel{"pion", "(d) Pion: promotion, then suppression", "k_p"},
};

std::string panel_of(const std::string& curve) {
  for (std::size_t i = 0; i < kPanels.size(); ++i)
    if (curve == kPanels[i].curve) return panel_letter(i);
  return "";
}

// Enough for a printed line; the CSV has every digit.
double rounded(double x) {
  return std::round(x * 1e5) / 1e5;
}

/// A bare number sorts and reads better than "k_p=3" beside the legend's title.
std::string legend_label(const std::string& variant) {
  return variant.starts_with("k_p=") ? variant.substr(4) : variant;
}

Json view(const Panel& panel, const std::vector<Curve>& curves, double top) {
  Json rows = Json::array(), labels = Json::array();
  for (const auto& curve : curves) {
    if (curve.name != panel.curve) continue;
    Json x = Json::array(), y = Json::array();
    for (const double v : curve.x) x.push_back(rounded(v));
    for (const double v : curve.y) y.push_back(rounded(v));
    const std::string label = legend_label(curve.variant);
    labels.push_back(label);
    rows.push_back({{"variant", label}, {"s", x}, {"f", y}});
  }
  // The last colours of the scale for panels that count from 1: t = 1 and k_p = 1 look alike.
  const auto& colors = ordered_colors();
  Json range = Json::array();
  for (std::size_t i = 0; i < labels.size(); ++i)
    range.push_back(colors[(i + (labels[0] == "0" ? 0 : 1)) % colors.size()]);

  const auto axis = [](const char* field, const char* title, double top) {
    return Json{{"field", field},
                {"type", "quantitative"},
                {"title", title},
                {"scale", {{"domain", {0, top}}, {"nice", false}}},
                {"axis", {{"values", {0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2}}, {"format", ".1f"}}}};
  };
  const Json x = axis("s", "singular value s", 1.0), y = axis("f", "f(s)", top);
  Json identity = {{"data", {{"values", {{{"s", 0}, {"f", 0}}, {{"s", 1}, {"f", 1}}}}}},
                   {"mark", {{"type", "line"}, {"color", kNeutralColor}, {"strokeDash", {4, 3}}, {"strokeWidth", 1.2}}},
                   {"encoding", {{"x", x}, {"y", y}}}};
  Json lines = {{"data", {{"values", rows}}},
                {"transform", {{{"flatten", {"s", "f"}}}}},
                {"mark", {{"type", "line"}, {"strokeWidth", 1.8}}},
                {"encoding",
                 {{"x", x},
                  {"y", y},
                  {"color",
                   {{"field", "variant"},
                    {"type", "nominal"},
                    {"sort", nullptr},
                    {"scale", {{"domain", labels}, {"range", range}}},
                    {"legend", {{"title", panel.legend}, {"symbolType", "stroke"}, {"rowPadding", 4}}}}}}}};
  Json layers = Json::array({identity});
  if (!labels.empty()) layers.push_back(lines);
  return {{"title", panel.title}, {"width", 270}, {"height", 220}, {"layer", layers}};
}

}  // namespace

Figure make_fig3(const Evidence& evidence) {
  std::vector<Curve> curves;
  Figure figure{.title = evidence.title(), .data = {{"panel", "curve", "variant", "s", "f", "run"}, {}}};
  std::string run;
  for (const auto& cell : evidence.cells)
    if (cell.is_finished()) run = cell.run->run;
  if (!run.empty()) curves = evidence.store->curves(run);

  double top = 1.0;
  std::erase_if(curves, [](const Curve& curve) { return panel_of(curve.name).empty(); });
  for (const auto& curve : curves)
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      top = std::max(top, std::ceil(curve.y[i] * 20) / 20);
      figure.data.rows.push_back(
          {panel_of(curve.name), curve.name, curve.variant, exact(curve.x[i]), exact(curve.y[i]), run});
    }
  if (!run.empty())
    for (const auto& panel : kPanels) figure.sources.push_back({panel_of(panel.curve), panel.curve, {run}});
  Json views = Json::array();
  for (const auto& panel : kPanels) views.push_back(view(panel, curves, top));
  figure.spec = vega_lite({{"concat", views}, {"columns", 2}, {"resolve", {{"scale", {{"color", "independent"}}}}}});
  figure.caption =
      "Each line maps a singular value s in [0, 1] to f(s): (a) to (c) after t applications of one step, (d) after k_p "
      "promotion steps, then suppression up to the same total. Grey dashes: the identity. Computed, not measured: no "
      "seeds. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
