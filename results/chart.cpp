#include "results/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace pionbench {

Json quantitative(const Axis& axis) {
  Json out = {
      {"field", axis.field}, {"type", "quantitative"}, {"title", axis.title.empty() ? Json() : Json(axis.title)}};
  Json scale = {{"zero", false}, {"nice", false}}, look = {{"tickCount", 6}, {"grid", axis.has_grid}};
  if (axis.domain) scale["domain"] = {axis.domain->first, axis.domain->second};
  if (axis.is_log) {
    scale["type"] = "log";
    look["format"] = axis.domain && axis.domain->first < 1e-3 ? ".1~e" : "~g";
    look["labelOverlap"] = "greedy";
    // Vega would draw a grid line at every digit of every decade.
    if (axis.domain) look["values"] = log_ticks(*axis.domain);
  }
  if (axis.linear_to) {
    scale["type"] = "symlog";
    scale["constant"] = *axis.linear_to;
    look["format"] = "~g";
    if (axis.domain) look["values"] = symlog_ticks(*axis.domain, *axis.linear_to);
  }
  if (axis.is_share) look["format"] = ".0%";
  out["scale"] = scale;
  out["axis"] = look;
  return out;
}

std::vector<double> log_ticks(const std::pair<double, double>& domain) {
  const double decades = std::log10(domain.second / domain.first);
  const auto multiples = [&](std::span<const double> digits) {
    std::vector<double> out;
    for (int exponent = static_cast<int>(std::floor(std::log10(domain.first))); exponent <= 300; ++exponent) {
      const double decade = std::pow(10.0, exponent);
      if (decade > domain.second) break;
      for (const double digit : digits)
        if (const double value = drawn(digit * decade); value >= domain.first && value <= domain.second)
          out.push_back(value);
    }
    return out;
  };
  constexpr std::array kOne = {1.0};
  constexpr std::array kMany = {1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0};
  constexpr std::array kFew = {1.0, 2.0, 5.0};
  if (decades >= 2.5) return multiples(kOne);
  auto out = multiples(kFew);
  return out.size() < 3 ? multiples(kMany) : out;
}

std::vector<int> count_ticks(int first, int last) {
  std::vector<int> out;
  for (int value = first; value <= last; value += std::max(1, (last - first + 10) / 10)) out.push_back(value);
  return out;
}

std::optional<double> symlog_constant(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto [least, greatest] = std::ranges::minmax(values);
  if (least >= 0 || greatest < -20 * least) return std::nullopt;
  const double decade = std::pow(10.0, std::floor(std::log10(-least)));
  for (const double digit : {1.0, 2.0, 5.0})
    if (digit * decade >= -least) return drawn(digit * decade);
  return drawn(10 * decade);
}

std::vector<double> symlog_ticks(const std::pair<double, double>& domain, double linear_to) {
  std::vector<double> out = {0};
  for (double size = linear_to; size <= std::max(domain.second, -domain.first); size *= 10)
    for (const double value : {-size, size})
      if (value >= domain.first && value <= domain.second) out.push_back(drawn(value));
  return out;
}

Json ordered(const std::string& field, const std::string& title, const std::vector<std::string>& domain) {
  return {{"field", field},
          {"type", "nominal"},
          {"sort", nullptr},
          {"title", title.empty() ? Json() : Json(title)},
          {"scale", {{"domain", domain}}}};
}

void add_links(Json& encoding, const std::vector<Shown>& shown) {
  Json tooltip = Json::array();
  for (const auto& item : shown) {
    Json entry = {{"field", item.field}, {"title", item.title}};
    if (*item.format) {
      entry["type"] = "quantitative";
      entry["format"] = item.format;
    } else {
      entry["type"] = "nominal";
    }
    tooltip.push_back(entry);
  }
  encoding["tooltip"] = tooltip;
  encoding["href"] = {{"field", "href"}, {"type", "nominal"}};
}

Json link_to(const std::vector<std::string>& runs) {
  const std::string anchor = runs_anchor(runs);
  return anchor.empty() ? Json() : Json("#" + anchor);
}

Json view(const std::string& title, const std::string& gap, int width, int height, Json layers, bool is_empty) {
  if (is_empty)
    layers.push_back(
        {{"data", {{"values", {{{"text", gap.empty() ? "no values" : gap}}}}}},
         {"mark", {{"type", "text"}, {"color", kNeutralColor}, {"fontSize", 13}, {"x", width / 2}, {"y", height / 2}}},
         {"encoding", {{"text", {{"field", "text"}, {"type", "nominal"}}}}}});
  Json out = {{"width", width}, {"height", height}, {"layer", std::move(layers)}};
  // The only panel of a figure needs no name.
  const bool has_title = !title.empty() && title != kAllRuns, has_gap = !gap.empty() && !is_empty;
  if (has_title) out["title"]["text"] = title;
  if (has_title && has_gap) out["title"]["subtitle"] = gap;
  if (!has_title && has_gap) out["title"] = {{"text", gap}, {"fontWeight", 400}, {"fontSize", 11}};
  return out;
}

std::pair<double, double> share_domain(const std::vector<double>& values) {
  if (values.empty()) return {0, 1};
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  // Tenths as whole numbers: 0.3 · 10 is a little more than 3.
  const double low = std::floor(*least * 10 + 1e-9), high = std::max(std::ceil(*greatest * 10 - 1e-9), low + 1);
  return {low / 10, high / 10};
}

std::pair<double, double> wide_domain(const std::vector<double>& values, bool is_log) {
  auto shown = values;
  if (is_log) std::erase_if(shown, [](double value) { return value <= 0; });
  if (shown.empty()) return is_log ? std::pair(0.1, 1.0) : std::pair(0.0, 1.0);
  const auto [low, high] = std::ranges::minmax(shown);
  if (is_log) {
    const double room = std::max(0.05 * std::log(high / low), 0.1);
    return {drawn(low * std::exp(-room)), drawn(high * std::exp(room))};
  }
  const double room = high > low ? 0.05 * (high - low) : std::max(std::abs(low) * 0.1, 1e-12);
  return {drawn(low - room), drawn(high + room)};
}

double drawn(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.5g", value);
  return std::strtod(buffer, nullptr);
}

}  // namespace pionbench
