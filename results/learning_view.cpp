#include "results/learning_view.h"

#include <algorithm>
#include <cmath>

namespace pionbench {
namespace {

/// Tenths around all bands, so that panels of a row compare and no line lies on the frame.
std::pair<double, double> accuracy_domain(const std::vector<SeedCurve>& curves) {
  double low = 1, high = 0;
  for (const auto& curve : curves)
    for (const auto& point : curve.points) {
      low = std::min(low, point.value);
      high = std::max(high, point.value);
    }
  if (low > high) return {0, 1};
  return {std::floor(low * 10) / 10, std::max(std::ceil(high * 10) / 10, std::floor(low * 10) / 10 + 0.1)};
}

}  // namespace

LearningView::LearningView(const Evidence& evidence, Options options)
    : evidence_(evidence),
      options_(std::move(options)),
      columns_(evidence.values_of("auxiliary")),
      styles_(arm_styles(evidence.experiment)) {}

Json LearningView::panel(const std::vector<SeedCurve>& curves, const std::string& auxiliary, const std::string& y_title,
                         bool is_first_column) const {
  Json rows = Json::array();
  double x_max = 1;
  for (const auto& style : styles_)
    for (const auto& point : arm_points(curves, style.arm, "auxiliary", auxiliary)) {
      if (options_.x_field == "train_seconds" && !point.train_seconds) continue;
      const double x = options_.x_field == "step" ? static_cast<double>(point.step) : *point.train_seconds;
      x_max = std::max(x_max, x);
      rows.push_back({{"arm", style.arm}, {"x", x}, {"mean", point.mean}, {"low", point.low}, {"high", point.high}});
    }
  const auto [low, high] = accuracy_domain(curves);
  const Json x = {{"field", "x"},
                  {"type", "quantitative"},
                  {"title", options_.x_title},
                  {"scale", {{"domain", {0, x_max}}, {"nice", false}}},
                  {"axis", {{"tickCount", 6}, {"grid", false}}}};
  const Json y_scale = {{"domain", {low, high}}, {"nice", false}, {"zero", false}};
  const Json y_axis = {{"format", ".0%"}, {"tickCount", 6}};
  const Json y_label = is_first_column ? Json(y_title) : Json();
  const Json y = {
      {"field", "mean"}, {"type", "quantitative"}, {"title", y_label}, {"scale", y_scale}, {"axis", y_axis}};
  Json y_low = y;
  y_low["field"] = "low";
  const Json color = arm_color_encoding(styles_), dash = arm_dash_encoding(styles_);
  Json band = {{"mark", {{"type", "area"}, {"opacity", 0.13}}},
               {"encoding", {{"x", x}, {"y", y_low}, {"y2", {{"field", "high"}}}, {"color", color}}}};
  Json line = {{"mark", {{"type", "line"}, {"strokeWidth", 2}}},
               {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"strokeDash", dash}}}};
  Json dots = {{"mark", {{"type", "point"}, {"filled", true}, {"size", 18}, {"opacity", 1}}},
               {"encoding", {{"x", x}, {"y", y}, {"color", color}}}};
  return {{"title", auxiliary_title(auxiliary)},
          {"width", 330},
          {"height", 210},
          {"data", {{"values", rows}}},
          {"layer", {band, line, dots}}};
}

void LearningView::add_row(const std::vector<SeedCurve>& curves, const std::string& y_title) {
  Json panels = Json::array();
  for (std::size_t i = 0; i < columns_.size(); ++i)
    panels.push_back(panel(curves, columns_[i], y_title, /*is_first_column=*/i == 0));
  for (auto& view : panels) {
    const char letter = static_cast<char>('a' + panel_count_++);
    view["title"] = std::string("(") + letter + ") " + view["title"].get<std::string>();
  }
  rows_.push_back({{"hconcat", panels}});
}

Json LearningView::document() const {
  return vega_lite({{"vconcat", rows_}});
}

}  // namespace pionbench
