#include "results/evidence.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "results/grid.h"

namespace pionbench {
namespace {

std::size_t scale_rank(const std::string& scale) {
  constexpr std::array kScales = {"quick", "desk", "paper"};
  return static_cast<std::size_t>(std::find(kScales.begin(), kScales.end(), scale) - kScales.begin());
}

template <typename T>
void add_new(std::vector<T>& items, const T& item) {
  if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
}

/// "Muon, auxiliary frozen": a cell without its seed.
std::string seedless_name(const ExperimentRecord::Cell& cell) {
  std::string name = cell.arm;
  for (const auto& [key, value] : cell.point)
    if (key != "seed") name += (name.empty() ? "" : ", ") + key + " " + value;
  return name;
}

/// Runs with marks as few words: which ones stands in the table of runs.
std::string marked_text(const Evidence& evidence) {
  std::size_t split = 0, resumed = 0, disturbed = 0;
  for (const auto& cell : evidence.cells) {
    if (!cell.is_finished()) continue;
    split += cell.run->accumulation > 1;
    resumed += cell.run->attempts > 1;
    disturbed += !cell.run->disturbance.empty();
  }
  std::vector<std::string> parts;
  if (split) parts.push_back(counted(split, "run") + " in smaller micro-batches after running out of memory");
  if (resumed) parts.push_back(counted(resumed, "run") + " of several attempts");
  if (disturbed) parts.push_back(counted(disturbed, "run") + " disturbed by other work on the machine");
  return join(parts, ", ");
}

/// "2026-11-24" or "2026-11-20 to 2026-11-24": the days on which the finished runs ended.
std::string dates_text(const Evidence& evidence) {
  std::string first, last;
  for (const auto& cell : evidence.cells) {
    if (!cell.is_finished() || cell.run->ended_at.size() < 10) continue;
    const std::string day = cell.run->ended_at.substr(0, 10);
    if (first.empty() || day < first) first = day;
    last = std::max(last, day);
  }
  return first == last ? first : first + " to " + last;
}

std::string paper_reference(const Json& spec) {
  const Json paper = spec.value("paper", Json::object());
  for (const char* kind : {"figure", "table"})
    if (paper.is_object() && paper.contains(kind) && paper[kind].is_string())
      return std::string(" (paper ") + kind + " " + paper[kind].get<std::string>() + ")";
  return "";
}

}  // namespace

std::string CellEvidence::coordinate(const std::string& key) const {
  const auto it = cell.point.find(key);
  return it == cell.point.end() ? "" : it->second;
}

std::string CellEvidence::standing() const {
  if (!run) return "not run";
  return to_string(run->state) + (run->reason.empty() ? "" : ": " + run->reason);
}

std::string Evidence::title() const {
  const std::string title = experiment.spec.value("title", "");
  return title.empty() ? experiment.name : title;
}

std::vector<std::string> Evidence::values_of(const std::string& key) const {
  std::vector<std::string> values;
  for (const auto& cell : cells) add_new(values, cell.coordinate(key));
  return values;
}

std::vector<std::string> Evidence::arms() const {
  return experiment.arms.empty() ? std::vector<std::string>{""} : experiment.arms;
}

std::size_t Evidence::unfinished() const {
  return static_cast<std::size_t>(
      std::count_if(cells.begin(), cells.end(), [](const auto& cell) { return !cell.is_finished(); }));
}

std::vector<Evidence> gather(const Store& store) {
  std::map<std::string, RunRow> by_cell;
  for (auto& run : store.runs()) {
    auto& best = by_cell[run.cell];
    // The first finished run speaks for its cell; until there is one, the latest.
    if (!is_finished(best.state)) best = std::move(run);
  }
  const std::string digest = store.digest();
  std::vector<Evidence> all;
  for (auto& experiment : store.experiments()) {
    Evidence evidence{.store = &store, .digest = digest, .experiment = std::move(experiment)};
    for (const auto& cell : evidence.experiment.cells) {
      const auto run = by_cell.find(cell.cell);
      evidence.cells.push_back({cell, run == by_cell.end() ? std::nullopt : std::optional(run->second)});
    }
    all.push_back(std::move(evidence));
  }
  std::stable_sort(all.begin(), all.end(), [](const Evidence& a, const Evidence& b) {
    return std::pair(a.experiment.name, scale_rank(a.experiment.scale)) <
           std::pair(b.experiment.name, scale_rank(b.experiment.scale));
  });
  return all;
}

std::string named_cells(const std::vector<const CellEvidence*>& cells) {
  struct Group {
    std::string name, standing;
    std::vector<std::string> seeds;
  };
  std::vector<Group> groups;
  for (const auto* cell : cells) {
    const std::string name = seedless_name(cell->cell), standing = cell->standing();
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& g) { return g.name == name && g.standing == standing; });
    if (group == groups.end()) group = groups.insert(groups.end(), {name, standing, {}});
    if (const auto seed = cell->coordinate("seed"); !seed.empty()) group->seeds.push_back(seed);
  }
  std::vector<std::string> texts;
  for (const auto& group : groups) {
    std::string text = group.name;
    if (!group.seeds.empty())
      text += (text.empty() ? "" : ", ") + std::string(group.seeds.size() == 1 ? "seed " : "seeds ") +
              join(group.seeds, ", ");
    texts.push_back((text.empty() ? "the only cell" : text) + " (" + group.standing + ")");
  }
  return join(texts, "; ");
}

std::string run_marks(const RunRow& run) {
  std::vector<std::string> marks;
  if (run.accumulation > 1)
    marks.push_back(std::to_string(run.accumulation) + " micro-batches after running out of memory");
  if (run.attempts > 1) marks.push_back(std::to_string(run.attempts) + " attempts");
  if (!run.disturbance.empty()) marks.push_back("disturbed: " + run.disturbance);
  return join(marks, ", ");
}

std::string protocol(const Evidence& evidence) {
  std::vector<std::string> rates, by_arm;
  for (const auto& cell : evidence.cells) {
    const Json config = evidence.store->config_of_cell(cell.cell.cell);
    if (!config.is_object() || !config["hyper"].contains("lr")) continue;
    const std::string rate = significant(config["hyper"]["lr"].get<double>(), 6);
    add_new(rates, rate);
    add_new(by_arm, cell.cell.arm + " " + rate);
  }
  if (rates.empty()) return "";
  if (rates.size() == 1) return "paper: equal learning rate " + rates[0];
  return "learning rates differ: " + join(by_arm, ", ");
}

std::string caption_end(const Evidence& evidence) {
  const auto& experiment = evidence.experiment;
  std::string out =
      "Experiment " + experiment.name + paper_reference(experiment.spec) + ", scale " + experiment.scale + ".";
  if (const auto text = protocol(evidence); !text.empty()) out += " Protocol " + text + ".";
  if (const auto diverged = named_cells(evidence, [](const auto& c) { return c.is_diverged(); }); !diverged.empty())
    out += " Counted as a miss: " + diverged + ".";
  if (const auto missing = named_cells(evidence, [](const auto& c) { return !c.is_finished(); }); !missing.empty())
    out += " Missing: " + missing + ".";
  if (const auto marked = marked_text(evidence); !marked.empty()) out += " Marked: " + marked + ".";
  if (const auto dates = dates_text(evidence); !dates.empty()) out += " Runs of " + dates + ".";
  return out + " Store " + evidence.digest.substr(0, 12) + ".";
}

}  // namespace pionbench
