#include "results/panels.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "core/error.h"
#include "results/grid.h"

namespace pionbench {
namespace {

bool contains(const std::vector<std::string>& items, const std::string& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

// More than this does not fit in the head of a panel.
constexpr std::size_t kLongGap = 54;

// The order in which the paper tells its settings, the slowest first: how it is trained, on what, with which model.
constexpr std::array kPanelOrder = {"auxiliary", "algorithm", "suite", "model"};

/// By kPanelOrder, then in display order; the same in every figure of an experiment, so that panel (b) of one is panel
/// (b) of the next.
void sort_panels(const Evidence& evidence, std::vector<Panel>& panels) {
  using Place = std::array<std::ptrdiff_t, kPanelOrder.size()>;
  std::array<std::vector<std::string>, kPanelOrder.size()> values;
  for (std::size_t i = 0; i < kPanelOrder.size(); ++i) values[i] = evidence.values_of(kPanelOrder[i]);
  const auto place = [&](const Panel& panel) {
    Place out{};
    for (std::size_t i = 0; i < kPanelOrder.size(); ++i)
      out[i] = std::ranges::find(values[i], panel.cells.front()->coordinate(kPanelOrder[i])) - values[i].begin();
    return out;
  };
  std::ranges::stable_sort(panels, std::less<Place>(), place);
}

}  // namespace

std::string coordinate_title(const std::string& key, const std::string& value) {
  if (key == "auxiliary") return "auxiliary parameters " + value;
  if (key == "algorithm") {
    std::string upper = value;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
    return upper;
  }
  // "vla/object" is known by its last word.
  if (key == "suite") return capitalized(value.substr(value.rfind('/') + 1));
  if (key == "category") return value == "none" || value.empty() ? "LIBERO" : capitalized(value);
  if (key == "model") return value + " model";
  return key + " " + value;
}

std::vector<std::string> constant_keys(const Evidence& evidence) {
  std::map<std::string, std::string> first;
  std::set<std::string> varied;
  for (const auto& cell : evidence.cells)
    for (const auto& [key, value] : cell.cell.point)
      if (first.emplace(key, value).first->second != value) varied.insert(key);
  std::vector<std::string> out;
  for (const auto& [key, value] : first)
    if (!varied.contains(key)) out.push_back(key);
  return out;
}

std::string setting_title(const CellEvidence& cell, const std::vector<std::string>& folded) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : cell.cell.point)
    if (key != "seed" && !contains(folded, key)) parts.push_back(coordinate_title(key, value));
  return parts.empty() ? std::string(kAllRuns) : capitalized(join(parts, ", "));
}

std::string panel_letter(std::size_t index) {
  std::string letter(1, static_cast<char>('a' + index % 26));
  return index < 26 ? letter : letter + std::to_string(index / 26);
}

std::vector<Panel> setting_panels(const Evidence& evidence, const std::vector<std::string>& folded,
                                  const std::vector<std::string>& keep) {
  std::vector<Panel> panels;
  std::map<std::string, std::size_t> index;
  auto left_out = constant_keys(evidence);
  left_out.insert(left_out.end(), folded.begin(), folded.end());
  for (const auto& cell : evidence.cells) {
    if (!keep.empty() && !contains(keep, cell.cell.arm)) continue;
    const std::string title = setting_title(cell, left_out);
    const auto [it, is_new] = index.emplace(title, panels.size());
    if (is_new) panels.push_back({"", title, {}});
    panels[it->second].cells.push_back(&cell);
  }
  sort_panels(evidence, panels);
  if (panels.size() > 1)
    for (std::size_t i = 0; i < panels.size(); ++i) {
      panels[i].id = panel_letter(i);
      panels[i].title = "(" + panels[i].id + ") " + panels[i].title;
    }
  return panels;
}

std::string gap_text(const std::vector<const CellEvidence*>& cells) {
  struct Arm {
    std::string name;
    std::size_t planned = 0, open = 0;
  };
  std::vector<Arm> arms;
  std::size_t open = 0;
  for (const auto* cell : cells) {
    auto arm = std::find_if(arms.begin(), arms.end(), [&](const Arm& a) { return a.name == cell->cell.arm; });
    if (arm == arms.end()) arm = arms.insert(arms.end(), {cell->cell.arm});
    ++arm->planned;
    arm->open += !cell->is_finished();
    open += !cell->is_finished();
  }
  if (open == 0) return "";
  if (open == cells.size()) return "no result yet";
  std::vector<std::string> names;
  for (const auto& arm : arms) {
    if (arm.open == 0) continue;
    const std::string count = std::to_string(arm.open) + " of " + std::to_string(arm.planned);
    if (arm.name.empty())
      names.push_back(count);
    else
      names.push_back(arm.open == arm.planned ? arm.name : arm.name + " (" + count + ")");
  }
  const std::string text = "missing: " + join(names, ", ");
  return text.size() <= kLongGap ? text : "missing: " + std::to_string(open) + " of " + counted(cells.size(), "run");
}

std::vector<std::string> finished_runs(const std::vector<const CellEvidence*>& cells,
                                       const std::function<bool(const CellEvidence&)>& select) {
  std::vector<std::string> runs;
  for (const auto* cell : cells)
    if (cell->is_finished() && select(*cell)) runs.push_back(cell->run->run);
  return runs;
}

std::vector<Source> arm_sources(const Panel& panel, const std::vector<std::string>& arms) {
  std::vector<Source> sources;
  for (const auto& arm : arms) {
    auto runs = finished_runs(panel.cells, [&](const CellEvidence& cell) { return cell.cell.arm == arm; });
    if (!runs.empty()) sources.push_back({panel.id, arm.empty() ? "all runs" : arm, std::move(runs)});
  }
  return sources;
}

}  // namespace pionbench
