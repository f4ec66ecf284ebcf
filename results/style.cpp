#include "results/style.h"

#include <algorithm>
#include <map>

namespace pionbench {
namespace {

struct Family {
  const char* optimizer;
  std::vector<const char*> shades;
};

const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {"adamw", {"#009E73", "#6BBF59"}},
      {"muon", {"#D55E00", "#E08A2E", "#B03A48"}},
      {"pion", {"#0072B2", "#3D9BDC", "#5E6FD0", "#2AA1A8"}},
      {"frozen", {"#7A7F87"}},
      {"", {"#B5679B", "#A68A00", "#8C6BB1"}},  // whatever else
  };
  return kFamilies;
}

const Family& family_of(const std::string& optimizer) {
  for (const auto& family : families())
    if (family.optimizer == optimizer) return family;
  return families().back();
}

/// Optimizer `modules` has one for each module: a frozen head makes a control, and Pion or Muon on any module names the
/// arm.
std::string family_name(const Json& settings) {
  const auto text = [&](const char* key) {
    const Json value = settings.value(key, Json(""));
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const auto optimizer = text("optimizer");
  if (optimizer != "modules") return optimizer;
  if (text("action") == "frozen") return "frozen";
  const std::vector<std::string> modules = {text("vision"), text("language"), text("action")};
  for (const char* name : {"pion", "muon"})
    if (std::ranges::find(modules, name) != modules.end()) return name;
  return std::ranges::count(modules, "adamw") == 3 ? "adamw" : optimizer;
}

const std::vector<std::vector<int>>& dashes() {
  static const std::vector<std::vector<int>> kDashes = {{1, 0}, {6, 3}, {2, 2}, {8, 3, 2, 3}};
  return kDashes;
}

/// Names of arms can be long, so more than four stand in rows of three.
std::size_t legend_columns(const std::vector<ArmStyle>& styles) {
  return styles.size() <= 4 ? std::max<std::size_t>(styles.size(), 1) : 3;
}

}  // namespace

std::vector<ArmStyle> arm_styles(const ExperimentRecord& experiment) {
  const Json arms = experiment.spec.value("arms", Json::object());
  std::map<const Family*, std::size_t> used;
  std::vector<ArmStyle> styles;
  for (const auto& arm : experiment.arms) {
    const Json settings = arms.value(arm, Json::object());
    const Family& family = family_of(family_name(settings));
    const std::size_t index = used[&family]++;
    styles.push_back({arm, family.shades[index % family.shades.size()], dashes()[index % dashes().size()]});
  }
  return styles;
}

const std::vector<std::string>& ordered_colors() {
  static const std::vector<std::string> kColors = {"#7A3E9D", "#4A62C4", "#1E8FA8", "#3C9E5A", "#B08A00", "#D5602A"};
  return kColors;
}

Json vega_lite(Json body) {
  Json axis = {{"labelColor", kTextColor},     {"titleColor", kTextColor},   {"labelFontSize", 11},
               {"titleFontSize", 12},          {"titleFontWeight", 400},     {"gridColor", kGridColor},
               {"domainColor", kNeutralColor}, {"tickColor", kNeutralColor}, {"tickSize", 4},
               {"labelFlush", false},          {"titlePadding", 6}};
  body["$schema"] = "https://vega.github.io/schema/vega-lite/v5.json";
  body["background"] = "white";
  body["padding"] = 8;
  body["config"] = {
      {"font", "Liberation Sans, Arial, Helvetica, sans-serif"},
      {"view", {{"stroke", nullptr}}},
      {"axis", axis},
      {"legend",
       {{"labelColor", kTextColor},
        {"titleColor", kTextColor},
        {"labelFontSize", 12},
        {"titleFontSize", 12},
        {"titleFontWeight", 400},
        {"symbolStrokeWidth", 2.5},
        {"symbolSize", 320},
        {"symbolOpacity", 1},
        {"labelLimit", 260}}},
      {"title",
       {{"color", kTextColor},
        {"fontSize", 13},
        {"fontWeight", 600},
        {"anchor", "start"},
        {"frame", "group"},
        {"subtitleColor", kTextColor},
        {"subtitleFontSize", 11}}},
      {"concat", {{"spacing", 28}}},
      {"line", {{"strokeWidth", 2}, {"strokeCap", "butt"}}},
  };
  return body;
}

namespace {

/// Arms in their order, each with its `value`; one legend for all encodings of a chart.
template <class Value>
Json arm_encoding(const std::vector<ArmStyle>& styles, Value ArmStyle::*value) {
  Json domain = Json::array(), range = Json::array();
  for (const auto& style : styles) {
    domain.push_back(style.arm);
    range.push_back(style.*value);
  }
  return {{"field", "arm"},
          {"type", "nominal"},
          {"sort", nullptr},
          {"scale", {{"domain", domain}, {"range", range}}},
          {"legend",
           {{"title", nullptr}, {"orient", "top"}, {"columns", legend_columns(styles)}, {"symbolType", "stroke"}}}};
}

}  // namespace

Json arm_color_encoding(const std::vector<ArmStyle>& styles) {
  return arm_encoding(styles, &ArmStyle::color);
}

Json arm_dash_encoding(const std::vector<ArmStyle>& styles) {
  return arm_encoding(styles, &ArmStyle::dash);
}

}  // namespace pionbench
