/// C6 and C7: the effective rank of gradients by modality, from the probe's rows of whole matrices.

#include <algorithm>
#include <array>

#include "results/claims/rules.h"
#include "results/grid.h"

namespace pionbench::claims {
namespace {

constexpr std::array kExperiments = {"fig1a"};
// "Far below" must be a number to be checked: a tenth of what the matrix could have.
constexpr double kFarBelow = 0.1;

std::string rank_of(const std::string& modality) {
  return "grad_effective_rank/" + modality;
}

}  // namespace

Finding judge_c6(const Board& board) {
  const auto* evidence = board.find_any(kExperiments);
  if (!evidence) return no_experiment(kExperiments);
  const auto compare = [&](const std::string& higher, const std::string& lower) {
    // Both are of the same runs: what differs is the metric, so the difference is a metric's own series.
    const auto least = [&](const Evidence& e, const CellEvidence& cell) -> std::optional<double> {
      const auto a = e.store->series(cell.run->run, rank_of(higher)),
                 b = e.store->series(cell.run->run, rank_of(lower));
      std::map<std::int64_t, double> of_b;
      for (const auto& point : b) of_b[point.step] = point.value;
      std::optional<double> out;
      for (const auto& point : a)
        if (const auto it = of_b.find(point.step); it != of_b.end())
          out = std::min(out.value_or(1e300), point.value - it->second);
      return out;
    };
    const Measure zero = [&](const Evidence& e, const CellEvidence& cell) {
      return least(e, cell) ? std::optional(0.0) : std::nullopt;
    };
    const Arm any{"least rank of " + higher, [](const CellEvidence&, const Json&) { return true; }};
    const Arm other{lower + " over all steps", any.keeps};
    return superior(collect(*evidence, any, least), collect(*evidence, other, zero), 0);
  };
  return all_of({compare("vision", "language"), compare("language", "action")});
}

Finding judge_c7(const Board& board) {
  const auto* evidence = board.find_any(kExperiments);
  if (!evidence) return no_experiment(kExperiments);
  const Measure greatest = [](const Evidence& e, const CellEvidence& cell) -> std::optional<double> {
    std::optional<double> out;
    for (const auto& point : e.store->series(cell.run->run, "grad_effective_rank_share/action"))
      out = std::max(out.value_or(0), point.value);
    return out;
  };
  const Arm any{"greatest effective rank of the action gradient over min(m, n)",
                [](const CellEvidence&, const Json&) { return true; }};
  return below(collect(*evidence, any, greatest), kFarBelow);
}

}  // namespace pionbench::claims
