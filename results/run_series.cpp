#include "results/run_series.h"

#include <algorithm>
#include <map>

#include "results/evidence.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

std::string place_of(const Evidence& evidence, const CellEvidence& cell) {
  std::string place = evidence.experiment.name + "." + evidence.experiment.scale;
  if (!cell.cell.arm.empty()) place += "/" + cell.cell.arm;
  for (const auto& [key, value] : cell.cell.point)
    if (key != "seed") place += "/" + key + "=" + value;
  return place;
}

bool is_evaluation(const std::string& metric) {
  return metric.starts_with("evaluation/");
}

}  // namespace

std::map<std::string, double> run_summary(const Store& store, const RunRow& run) {
  std::map<std::string, double> out;
  const bool diverged = run.state == RunState::kDiverged;
  for (const auto& name : store.series_names(run.run)) {
    const auto points = store.series(run.run, name);
    if (is_evaluation(name)) {
      out[name] = diverged ? 0 : points.back().value;
    } else if (!diverged) {
      double sum = 0;
      for (const auto& point : points) sum += point.value;
      out[name] = sum / static_cast<double>(points.size());
    }
  }
  if (diverged) return out;
  if (run.step > 0 && run.train_seconds > 0)
    out["seconds_per_step"] = run.train_seconds / static_cast<double>(run.step);
  std::map<std::string, std::vector<double>> spectral;
  for (const auto& row : store.spectral(run.run))
    if (row.head < 0) spectral[row.name].push_back(row.value);
  for (const auto& [name, values] : spectral) out["spectral/" + name] = mean(values);
  return out;
}

std::vector<BenchmarkSeries> run_series(const Store& store) {
  std::vector<BenchmarkSeries> out;
  std::map<std::string, std::size_t> index;
  for (const auto& evidence : gather(store))
    for (const auto& cell : evidence.cells) {
      if (!cell.is_finished()) continue;
      for (const auto& [metric, value] : run_summary(store, *cell.run)) {
        const std::string name = place_of(evidence, cell) + ":" + metric;
        const auto [it, is_new] = index.emplace(name, out.size());
        if (is_new) out.push_back({name, metric == "seconds_per_step" ? "s" : "", {}});
        out[it->second].samples.push_back(value);
      }
    }
  return out;
}

}  // namespace pionbench
