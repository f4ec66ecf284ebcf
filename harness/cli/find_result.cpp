#include "harness/cli/find_result.h"

#include <algorithm>
#include <cctype>

#include "core/error.h"

namespace pionbench {
namespace {

struct Names {
  std::vector<std::string> all;
  std::vector<std::pair<std::string, std::string>> experiments;  // name -> experiment

  Names() {
    const auto add = [&](const auto& entries) {
      for (const auto& entry : entries) {
        all.emplace_back(entry.name);
        experiments.emplace_back(entry.name, entry.experiment);
      }
    };
    add(figures());
    add(tables());
  }
};

/// "fig1b" for "fig1c", whose panel it draws: the last entry before it in the paper's lettering. "" for anything else.
std::string drawn_with(const std::string& name) {
  if (name.size() < 2 || !std::islower(static_cast<unsigned char>(name.back())) ||
      !std::isdigit(static_cast<unsigned char>(name[name.size() - 2])))
    return "";
  std::string best;
  for (const auto& known : Names().all)
    if (known.size() == name.size() && known.compare(0, name.size() - 1, name, 0, name.size() - 1) == 0 &&
        known < name && known > best)
      best = known;
  return best;
}

/// "a" of "fig6a", "fig6-a" or "fig6(a)" after "fig6", "c" of "fig1c" after "fig1b"; "" for the stem itself.
std::optional<std::string> panel_after(const std::string& name, const std::string& stem) {
  if (name == stem) return "";
  std::string rest;
  if (name.starts_with(stem)) {
    rest = name.substr(stem.size());
    std::erase_if(rest, [](char c) { return c == '-' || c == '(' || c == ')' || c == ':'; });
  } else if (drawn_with(name) == stem) {
    rest = name.substr(name.size() - 1);
  }
  if (rest.empty() || !std::islower(static_cast<unsigned char>(rest[0])) ||
      !std::all_of(rest.begin() + 1, rest.end(), [](unsigned char c) { return std::isdigit(c); }))
    return std::nullopt;
  return rest;
}

template <typename Items>
void find_among(const Items& items, const std::string& name, bool exactly, std::vector<FoundResult>& found) {
  for (const auto& item : items) {
    const std::string entry = item.entry->name;
    auto panel = panel_after(name, item.name);
    if (!panel) panel = panel_after(name, entry);
    if (!panel || panel->empty() != exactly) continue;
    auto made = item.make();
    FoundResult result{.name = item.name,
                       .panel = *panel,
                       .title = made.title,
                       .caption = made.caption,
                       .experiment = item.evidence->experiment.name,
                       .scale = item.evidence->experiment.scale,
                       .data = std::move(made.data)};
    for (auto& source : made.sources)
      if (panel->empty() || source.panel == *panel) result.sources.push_back(std::move(source));
    if (!panel->empty() && result.sources.empty()) continue;
    const auto column = std::find(result.data.columns.begin(), result.data.columns.end(), "panel");
    if (!panel->empty() && column != result.data.columns.end())
      std::erase_if(result.data.rows, [at = column - result.data.columns.begin(), &panel](const auto& row) {
        return row[static_cast<std::size_t>(at)] != *panel;
      });
    found.push_back(std::move(result));
  }
}

/// What is there where a figure is and the panel asked for is not; "" where there is no such figure.
template <typename Items>
std::string panels_instead(const Items& items, const std::string& name) {
  for (const auto& item : items) {
    auto panel = panel_after(name, item.name);
    if (!panel) panel = panel_after(name, item.entry->name);
    if (!panel || panel->empty()) continue;
    std::vector<std::string> panels;
    for (const auto& source : item.make().sources)
      if (!source.panel.empty() && std::ranges::find(panels, source.panel) == panels.end())
        panels.push_back(source.panel);
    if (!panels.empty()) return item.name + " has no runs in a panel " + *panel + "; it has in " + join(panels, ", ");
  }
  return "";
}

}  // namespace

bool names_a_result(const std::string& name) {
  const Names names;
  return std::any_of(names.all.begin(), names.all.end(), [&](const std::string& known) {
    return panel_after(name, known).has_value() || name.starts_with(known + "-");
  });
}

FoundResult find_result(const std::string& name, const std::vector<Evidence>& all) {
  std::vector<FoundResult> found;
  for (const bool exactly : {true, false}) {
    if (!found.empty()) break;
    find_among(figure_items(all), name, exactly, found);
    find_among(table_items(all), name, exactly, found);
  }
  // "fig6" where the store has fig6-quick and fig6-desk.
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const auto& result : found) names.push_back(result.name + result.panel);
    throw UserError("\"" + name + "\" is several: " + join(names, ", ") + "; name one", kUsage);
  }
  if (found.size() == 1) return std::move(found.front());
  for (const auto& text : {panels_instead(figure_items(all), name), panels_instead(table_items(all), name)})
    if (!text.empty()) throw UserError(text, kUsage);
  const Names names;
  for (const auto& [known, experiment] : names.experiments) {
    if (!panel_after(name, known)) continue;
    throw UserError("nothing in the store for " + name + "; " +
                        (experiment.empty() ? "it is drawn of any experiment that sweeps lr or k_p"
                                            : "fill it: pionbench reproduce --only " + experiment),
                    kUsage);
  }
  throw UserError(unknown_name("figure, table or panel", name, names.all), kUsage);
}

}  // namespace pionbench
