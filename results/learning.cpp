#include "results/learning.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "results/grid.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

constexpr const char* kEvaluation = "evaluation/";

}  // namespace

std::vector<SeedCurve> seed_curves(const Evidence& evidence, const std::string& metric) {
  std::vector<SeedCurve> curves;
  std::set<std::int64_t> steps;
  for (const auto& cell : evidence.cells) {
    if (!cell.is_finished()) continue;
    SeedCurve curve{&cell, {}};
    for (const auto& point : evidence.store->clocked_series(cell.run->run, metric)) {
      curve.points.push_back({point.step, point.value, point.train_seconds});
      steps.insert(point.step);
    }
    curves.push_back(std::move(curve));
  }
  for (auto& curve : curves) {
    if (!curve.cell->is_diverged()) continue;
    const std::int64_t last = curve.points.empty() ? -1 : curve.points.back().step;
    for (auto step = steps.upper_bound(last); step != steps.end(); ++step)
      curve.points.push_back({*step, 0.0, std::nullopt});
  }
  return curves;
}

std::vector<ArmPoint> arm_points(const std::vector<SeedCurve>& curves, const std::string& arm) {
  struct Sample {
    std::vector<double> values, seconds;
  };
  std::map<std::int64_t, Sample> by_step;
  for (const auto& curve : curves) {
    if (curve.cell->cell.arm != arm) continue;
    for (const auto& point : curve.points) {
      by_step[point.step].values.push_back(point.value);
      if (point.train_seconds) by_step[point.step].seconds.push_back(*point.train_seconds);
    }
  }
  std::vector<ArmPoint> points;
  for (const auto& [step, sample] : by_step) {
    const auto [low, high] = std::minmax_element(sample.values.begin(), sample.values.end());
    points.push_back({step, mean(sample.values), *low, *high, static_cast<int>(sample.values.size()),
                      sample.seconds.empty() ? std::nullopt : std::optional(mean(sample.seconds))});
  }
  return points;
}

Yardstick yardstick(const Evidence& evidence) {
  std::set<std::string> names;
  for (const auto& cell : evidence.cells)
    if (cell.is_finished())
      for (auto& name : evidence.store->series_names(cell.run->run))
        if (name.starts_with(kEvaluation)) names.insert(std::move(name));
  if (names.empty()) return {};
  const auto word_of = [](const std::string& name) {
    return name.substr(name.find('/', std::strlen(kEvaluation)) + 1);
  };
  std::string word = word_of(*names.begin());
  for (const char* known : {"accuracy", "success", "sampled"})
    for (const auto& name : names)
      if (word_of(name) == known) word = known;
  const auto with = [&](const char* split, const char* other) {
    for (const char* s : {split, other})
      if (const std::string name = std::string(kEvaluation) + s + "/" + word; names.contains(name)) return name;
    for (const auto& name : names)
      if (word_of(name) == word) return name;
    return std::string();
  };
  const bool is_kind_of_accuracy = word == "sampled" || word == "greedy";
  return {with("validation", "test"), with("test", "validation"), is_kind_of_accuracy ? word + " accuracy" : word};
}

std::string seeds_text(const std::vector<SeedCurve>& curves) {
  std::map<std::string, std::size_t> seeds;
  for (const auto& curve : curves) {
    auto place = curve.cell->cell.point;
    place.erase("seed");
    ++seeds[curve.cell->cell.arm + Json(place).dump()];
  }
  if (seeds.empty()) return "no finished run";
  const auto [least, most] =
      std::minmax_element(seeds.begin(), seeds.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (least->second == most->second) return "n = " + counted(most->second, "seed");
  return "n = " + std::to_string(least->second) + " to " + counted(most->second, "seed");
}

}  // namespace pionbench
