#include "results/curves.h"

#include <algorithm>
#include <cmath>

#include "results/chart.h"
#include "results/grid.h"
#include "results/learning.h"

namespace pionbench {
namespace {

using X = CurveOptions::X;
using Y = CurveOptions::Y;

template <typename T>
bool contains(const std::vector<T>& items, const T& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

/// Coordinates that the experiment varies, but the seed.
std::vector<std::string> varied_keys(const Evidence& evidence) {
  std::vector<std::string> keys;
  for (const auto& cell : evidence.cells)
    for (const auto& [key, value] : cell.cell.point)
      if (key != "seed" && !contains(keys, key)) keys.push_back(key);
  return keys;
}

class Drawing {
 public:
  Drawing(const Evidence& evidence, const std::vector<CurveRow>& rows, const CurveOptions& options)
      : evidence_(evidence),
        options_(options),
        arms_(options.arms.empty() ? evidence.arms() : options.arms),
        keys_(varied_keys(evidence)),
        panels_(setting_panels(evidence, options.folded, arms_)) {
    if (panels_.empty()) panels_.push_back({"", kAllRuns, {}});
    // Titles without letters: they are counted over all rows.
    for (auto& panel : panels_)
      if (!panel.id.empty()) panel.title = panel.title.substr(panel.title.find(' ') + 1);
    has_letters_ = panels_.size() * rows.size() > 1 || options.first_panel > 0 || options.is_always_lettered;
    for (const auto& style : arm_styles(evidence.experiment))
      if (contains(arms_, style.arm)) styles_.push_back(style);
    if (styles_.empty()) styles_.push_back({"", kNeutralColor, {1, 0}});
    chart_.data.columns = {"panel", "metric"};
    chart_.data.columns.insert(chart_.data.columns.end(), keys_.begin(), keys_.end());
    for (const char* column : {"arm", "seed", "step", "value", "train_seconds", "state", "run"})
      chart_.data.columns.emplace_back(column);
  }

  std::size_t columns() const { return options_.columns ? options_.columns : panels_.size() > 4 ? 4 : 2; }
  int width() const {
    if (options_.width) return options_.width;
    return panels_.size() == 1 ? 480 : columns() > 2 ? 210 : 330;
  }
  int height() const { return options_.height ? options_.height : columns() > 2 ? 160 : 210; }

  CurveChart draw(const std::vector<CurveRow>& rows) {
    for (const auto& row : rows) add_row(row);
    return std::move(chart_);
  }

 private:
  void add_row(const CurveRow& row) {
    curves_ = seed_curves(evidence_, row.metric);
    std::erase_if(curves_, [&](const SeedCurve& curve) { return !contains(arms_, curve.cell->cell.arm); });
    if (chart_.seeds.empty()) chart_.seeds = seeds_text(curves_);
    set_domains();
    Json line = Json::array();
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      Panel panel = panels_[i];
      if (has_letters_) {
        panel.id = panel_letter(options_.first_panel + chart_.panels);
        panel.title = "(" + panel.id + ") " + panel.title;
      }
      ++chart_.panels;
      line.push_back(draw_panel(panel, i % columns() == 0 ? row.title : ""));
      if (line.size() == columns() || i + 1 == panels_.size()) {
        chart_.rows.push_back({{"hconcat", line}});
        line = Json::array();
      }
      add_data(panel, row.metric);
      for (auto& source : arm_sources(panel, arms_)) chart_.sources.push_back(std::move(source));
    }
  }

  std::optional<double> place(const ArmPoint& point) const {
    return options_.x == X::kStep ? std::optional(static_cast<double>(point.step)) : point.train_seconds;
  }

  std::vector<SeedCurve> curves_in(const Panel& panel) const {
    std::vector<SeedCurve> here;
    for (const auto& curve : curves_)
      if (contains(panel.cells, curve.cell)) here.push_back(curve);
    return here;
  }

  void set_domains() {
    std::vector<double> values;
    for (const auto& curve : curves_)
      for (const auto& point : curve.points) values.push_back(point.value);
    x_max_ = 1;
    for (const auto& panel : panels_) x_max_ = std::max(x_max_, last_place(curves_in(panel)));
    is_log_ = options_.y == Y::kPositive && !values.empty() && *std::ranges::min_element(values) > 0;
    linear_to_ = options_.y == Y::kPositive ? symlog_constant(values) : std::nullopt;
    y_domain_ = options_.y == Y::kShare ? share_domain(values) : wide_domain(values, is_log_);
    // A twentieth of the whole axis would be far below the noise.
    if (linear_to_) y_domain_.first = drawn(*std::ranges::min_element(values) - *linear_to_ / 2);
  }

  double last_place(const std::vector<SeedCurve>& here) const {
    double last = 0;
    for (const auto& arm : arms_)
      for (const auto& point : arm_points(here, arm)) last = std::max(last, place(point).value_or(0));
    return last;
  }

  Json draw_panel(const Panel& panel, const std::string& y_title) const {
    const auto here = curves_in(panel);
    Json rows = Json::array();
    for (const auto& arm : arms_) {
      const Json href = link_to(finished_runs(panel.cells, [&](const auto& cell) { return cell.cell.arm == arm; }));
      for (const auto& point : arm_points(here, arm))
        if (const auto x = place(point))
          rows.push_back({{"arm", arm},
                          {"x", drawn(*x)},
                          {"mean", drawn(point.mean)},
                          {"low", drawn(point.low)},
                          {"high", drawn(point.high)},
                          {"n", point.n},
                          {"href", href}});
    }
    const bool is_empty = rows.empty();
    const double own_end = options_.x == X::kStep ? 0 : last_place(here);
    const Axis x_axis{"x",
                      options_.x == X::kStep ? "training step" : "training time (s)",
                      std::pair(0.0, own_end > 0 ? own_end : x_max_),
                      false,
                      false,
                      /*has_grid=*/false};
    const Json x = quantitative(x_axis);
    const bool is_share = options_.y == Y::kShare;
    const Json y = quantitative({"mean", y_title, y_domain_, is_log_, is_share, true, linear_to_});
    Json low = y;
    low["field"] = "low";
    const Json color = arm_color_encoding(styles_), dash = arm_dash_encoding(styles_);
    Json dots = {{"x", x}, {"y", y}, {"color", color}};
    const char* format = is_share ? ".1%" : ".3~g";
    add_links(dots, {{"arm", "arm", ""},
                     {"x", options_.x == X::kStep ? "step" : "seconds", "~g"},
                     {"mean", "mean", format},
                     {"low", "lowest", format},
                     {"high", "highest", format},
                     {"n", "runs", "d"}});
    Json layers = Json::array(
        {{{"mark", {{"type", "area"}, {"opacity", 0.13}}},
          {"encoding", {{"x", x}, {"y", low}, {"y2", {{"field", "high"}}}, {"color", color}}}},
         {{"mark", {{"type", "line"}, {"strokeWidth", 2}}},
          {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"strokeDash", dash}}}},
         {{"mark", {{"type", "point"}, {"filled", true}, {"size", 18}, {"opacity", 1}}}, {"encoding", dots}}});
    Json out = view(panel.title, gap_text(panel.cells), width(), height(), std::move(layers), is_empty);
    out["data"] = {{"values", std::move(rows)}};
    return out;
  }

  void add_data(const Panel& panel, const std::string& metric) {
    for (const auto& curve : curves_in(panel))
      for (const auto& point : curve.points) {
        std::vector<std::string> row = {panel.id, metric};
        for (const auto& key : keys_) row.push_back(curve.cell->coordinate(key));
        row.insert(row.end(), {curve.cell->cell.arm, curve.cell->coordinate("seed"), std::to_string(point.step),
                               exact(point.value), point.train_seconds ? exact(*point.train_seconds) : "",
                               to_string(curve.cell->run->state), curve.cell->run->run});
        chart_.data.rows.push_back(std::move(row));
      }
  }

  const Evidence& evidence_;
  const CurveOptions& options_;
  std::vector<std::string> arms_, keys_;
  std::vector<Panel> panels_;
  std::vector<ArmStyle> styles_;
  bool has_letters_ = false, is_log_ = false;
  double x_max_ = 1;
  std::optional<double> linear_to_;
  std::pair<double, double> y_domain_;
  std::vector<SeedCurve> curves_;  // of the row at hand
  CurveChart chart_;
};

}  // namespace

CurveChart draw_curves(const Evidence& evidence, const std::vector<CurveRow>& rows, const CurveOptions& options) {
  return Drawing(evidence, rows, options).draw(rows);
}

Figure curve_figure(const Evidence& evidence, const std::string& what, const std::vector<CurveRow>& rows,
                    const CurveOptions& options) {
  auto chart = draw_curves(evidence, rows, options);
  return {.title = evidence.title(),
          .caption = what + "Lines: mean over seeds, " + chart.seeds +
                     "; bands: lowest to highest seed, not an interval. " + options.published + caption_end(evidence),
          .spec = vega_lite({{"vconcat", chart.rows}}),
          .data = std::move(chart.data),
          .sources = std::move(chart.sources)};
}

}  // namespace pionbench
