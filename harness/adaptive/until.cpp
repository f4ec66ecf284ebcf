#include "harness/adaptive/until.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "harness/adaptive/candidates.h"
#include "harness/adaptive/halving.h"
#include "harness/adaptive/outcomes.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

constexpr const char* kSeed = "seed";

std::int64_t seed_of(const ExperimentRecord::Cell& cell, const std::map<std::string, const PlannedCell*>& planned) {
  return get_int(planned.at(cell.cell)->config.settings, kSeed);
}

// With fewer values an interval may be narrow by chance alone: two equal accuracies have none at all.
constexpr std::size_t kFewestValues = 3;

struct Group {
  std::vector<std::string> cells;  ///< planned seeds first, then further ones in rising order
  std::size_t planned = 0;
  std::size_t used = 0;                                    ///< of `cells`
  double width = std::numeric_limits<double>::infinity();  ///< what the next seed should narrow
  SeedGroup view;
};

void measure(Group& group, const UntilOptions& until, const std::vector<double>& values) {
  SeedGroup& view = group.view;
  view.values = static_cast<int>(values.size());
  if (values.empty()) return;
  const auto interval = mean_interval(values);
  view.mean = interval.mean;
  if (interval.high) view.half = *interval.high - interval.mean;
  if (values.size() < kFewestValues) return;
  const double scale = until.relative ? std::abs(interval.mean) : 1;
  group.width = *view.half == 0 ? 0 : scale > 0 ? *view.half / scale : std::numeric_limits<double>::infinity();
}

/// Goes from the planned seeds through further ones as far as results reach, and stops where the wish is met.
void walk(Group& group, const UntilOptions& until, const std::map<std::string, Outcome>& outcomes) {
  const std::size_t cap =
      std::min(group.cells.size(), std::max(group.planned, static_cast<std::size_t>(until.max_seeds)));
  std::vector<double> values;
  const auto has_ended = [&](std::size_t n) {
    const auto it = outcomes.find(group.cells[n]);
    if (it == outcomes.end() || !it->second.ended) return false;
    if (it->second.value) values.push_back(*it->second.value);
    return true;
  };
  bool all_ended = true;
  while (group.used < group.planned) all_ended = has_ended(group.used++) && all_ended;
  for (;;) {
    measure(group, until, values);
    std::string& state = group.view.state;
    if (!all_ended)
      state = "running";
    else if (group.width <= until.half_width)
      state = "reached";
    else if (group.used >= cap)
      state = "at the cap";
    else if (!outcomes.contains(group.cells[group.used]))
      state = "wants more";
    if (!state.empty()) return;
    all_ended = has_ended(group.used++);
  }
}

}  // namespace

std::vector<SeedGroup> add_seeds(const PlanSource& source, const Catalog& catalog, const Plan& last,
                                 const std::vector<Assignment>& pins, const Store* store, int batch, Plan& plan) {
  const UntilOptions& until = *last.sweep.until;
  const std::string suite = last.experiment.spec.at("suite");
  if (last.primary_metric.empty())
    throw UserError(until.where + ": the suite " + suite + " has no primary metric to give an interval of");

  std::map<std::string, const PlannedCell*> planned;
  for (const auto& cell : last.cells) planned[cell.id] = &cell;
  std::set<std::int64_t> seeds;
  for (const auto& cell : last.cells) {
    if (cell.is_prerequisite) continue;
    if (!cell.config.settings.contains(kSeed))
      throw UserError(until.where + ": the suite " + suite + " has no seed to add");
    seeds.insert(get_int(cell.config.settings, kSeed));
  }

  // The same experiment with every seed it could come to need; what is not needed is left out again below.
  PlanOptions options = source.options;
  options.pins = pins;
  Assignment all{kSeed, {}, until.where};
  for (const auto seed : seeds) all.values.emplace_back(seed);
  for (int i = 1; i <= until.max_seeds; ++i) all.values.emplace_back(*seeds.rbegin() + i);
  std::erase_if(options.pins, [](const Assignment& pin) { return pin.key == kSeed; });
  options.pins.push_back(std::move(all));
  const Plan wide = make_plan(source.file, catalog, options);
  std::map<std::string, const PlannedCell*> wide_cells;
  for (const auto& cell : wide.cells) wide_cells[cell.id] = &cell;

  std::map<std::string, std::vector<const ExperimentRecord::Cell*>> further;
  for (const auto& c : candidates_of(wide, ""))
    for (const auto* cell : c.cells)
      if (!seeds.contains(seed_of(*cell, wide_cells))) further[c.key + "\n" + c.condition].push_back(cell);

  const auto outcomes = outcomes_of(wide, store, last.primary_metric);
  std::vector<Group> groups;
  for (const auto& c : candidates_of(last, "")) {
    Group group;
    group.view.label = c.label;
    for (const auto* cell : c.cells) group.cells.push_back(cell->cell);
    group.planned = group.cells.size();
    for (const auto* cell : further[c.key + "\n" + c.condition]) group.cells.push_back(cell->cell);
    walk(group, until, outcomes);
    groups.push_back(std::move(group));
  }

  std::vector<Group*> wanting;
  for (auto& group : groups)
    if (group.view.state == "wants more") wanting.push_back(&group);
  std::ranges::stable_sort(wanting, [](const Group* a, const Group* b) { return a->width > b->width; });
  for (std::size_t i = 0; i < std::min(wanting.size(), static_cast<std::size_t>(std::max(1, batch))); ++i)
    ++wanting[i]->used;

  std::set<std::string> chosen;
  for (auto& group : groups) {
    chosen.insert(group.cells.begin(), group.cells.begin() + static_cast<std::ptrdiff_t>(group.used));
    group.view.seeds = static_cast<int>(group.used);
  }
  extend(plan, restricted_plan(wide, [&](const auto& cell) { return chosen.contains(cell.cell); }));
  std::vector<SeedGroup> out;
  for (auto& group : groups) out.push_back(std::move(group.view));
  return out;
}

}  // namespace pionbench
