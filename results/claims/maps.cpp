/// C1 to C4: the scalar maps, computed from the polynomials that the optimizers apply. No seeds, no spread.

#include <algorithm>
#include <cmath>
#include <set>

#include "results/claims/rules.h"
#include "results/grid.h"

namespace pionbench::claims {
namespace {

constexpr const char* kExperiment = "fig3";
/// Between 1/2 and 1 neighbours in bfloat16 lie this far apart.
constexpr double kBfloat16Step = 1.0 / 256;

struct Maps {
  const Evidence* evidence = nullptr;
  const CellEvidence* cell = nullptr;
  std::vector<Curve> curves;

  const Curve* find(const std::string& name, const std::string& variant) const {
    for (const auto& curve : curves)
      if (curve.name == name && curve.variant == variant && curve.x.size() > 2) return &curve;
    return nullptr;
  }
};

std::optional<Maps> maps_of(const Board& board) {
  const auto* evidence = board.find(kExperiment);
  if (!evidence) return std::nullopt;
  for (const auto& cell : evidence->cells)
    if (cell.is_finished()) return Maps{evidence, &cell, evidence->store->curves(cell.run->run)};
  return std::nullopt;
}

Finding lacking(const std::string& what) {
  return not_run("no finished run of fig3" + (what.empty() ? "" : " with the curve " + what));
}

bool is_monotone(const Curve& f) {
  return std::is_sorted(f.y.begin(), f.y.end());
}

/// Difference quotients at the ends are off by at most ½ max|f''| · h.
bool is_flat(double quotient, double h) {
  return std::abs(quotient) <= 10 * h;
}

/// Odd quintics with f(1) = 1 and f'(1) = 0 are one family in their slope a at 0, with
///   f'(s) = (1 − u)(a − (5a − 7.5) u),  u = s²
/// which is ≥ 0 on [0, 1] exactly when the second factor is at u = 1: for 0 ≤ a ≤ 1.875.
bool family_is_monotone(double a) {
  for (int i = 0; i <= 1000; ++i)
    if (a - (5 * a - 7.5) * (i / 1000.0) < 0) return false;
  return a >= 0;
}

}  // namespace

Finding judge_c1(const Board& board) {
  const auto maps = maps_of(board);
  if (!maps) return lacking("");
  const Curve *promotion = maps->find("promotion", "1"), *suppression = maps->find("suppression", "1");
  if (!promotion || !suppression) return lacking("promotion or suppression");
  const double h = promotion->x[1] - promotion->x[0];
  const auto fixes_one_flatly = [&](const Curve& f) {
    const std::size_t n = f.y.size();
    return std::abs(f.y[n - 1] - 1) < 1e-12 && is_flat((f.y[n - 1] - f.y[n - 2]) / h, h);
  };
  const double slope = promotion->y[1] / h, start = suppression->y[1] / h;
  const bool holds = is_monotone(*promotion) && is_monotone(*suppression) && fixes_one_flatly(*promotion) &&
                     fixes_one_flatly(*suppression) && is_flat(start, h) && std::abs(slope - 1.875) <= 10 * h * h &&
                     family_is_monotone(1.875) && !family_is_monotone(1.875 + 1e-6);
  return computed(*maps->evidence, *maps->cell, holds,
                  "slopes at 0: f_p " + fixed(slope, 4) + ", f_s " + significant(start, 2) +
                      "; at 1: " + significant((promotion->y.back() - promotion->y[promotion->y.size() - 2]) / h, 2) +
                      ", " + significant((suppression->y.back() - suppression->y[suppression->y.size() - 2]) / h, 2),
                  "difference quotients on a grid of " + significant(h, 2));
}

Finding judge_c2(const Board& board) {
  const auto maps = maps_of(board);
  if (!maps) return lacking("");
  double leaked = -1, distance = -1;
  std::size_t matrices = 0;
  std::set<std::string> chains;
  for (const auto& curve : maps->curves) {
    const bool of_vectors = curve.name == "matrix_vectors";
    if ((!of_vectors && curve.name != "matrix_values") || curve.y.empty()) continue;
    auto& worst = of_vectors ? leaked : distance;
    worst = std::max(worst, *std::ranges::max_element(curve.y));
    matrices = std::max(matrices, curve.y.size());
    chains.insert(curve.variant);
  }
  if (leaked < 0 || distance < 0 || !chains.contains("muon")) return lacking("matrix_vectors or matrix_values of muon");
  return computed(*maps->evidence, *maps->cell, leaked < kBfloat16Step && distance < kBfloat16Step,
                  "outside the singular directions " + significant(leaked, 2) + ", singular values off by " +
                      significant(distance, 2),
                  "greatest over " + std::to_string(matrices) + " matrices of known singular vectors" + " and " +
                      counted(chains.size(), "map") + ", in float32");
}

Finding judge_c3(const Board& board) {
  const auto maps = maps_of(board);
  if (!maps) return lacking("");
  const Curve* muon = maps->find("muon", "5");
  if (!muon) return lacking("muon, 5 steps");
  double least = 1e300, greatest = -1e300;
  for (std::size_t i = 0; i < muon->x.size(); ++i) {
    if (muon->x[i] < 0.05) continue;
    least = std::min(least, muon->y[i]);
    greatest = std::max(greatest, muon->y[i]);
  }
  return computed(*maps->evidence, *maps->cell, least >= 0.68 && greatest <= 1.21,
                  "[" + fixed(least, 3) + ", " + fixed(greatest, 3) + "]",
                  "least and greatest f(s) over the grid on [0.05, 1]");
}

Finding judge_c4(const Board& board) {
  const auto maps = maps_of(board);
  if (!maps) return lacking("");
  double last_low = 2, last_high = 2;
  bool holds = true;
  std::string ours;
  for (int k = 0; k <= 4; ++k) {
    const std::string variant = "k_p=" + std::to_string(k);
    const Curve* pion = maps->find("pion", variant);
    if (!pion) return lacking("pion, " + variant);
    // The band: from the first s with f ≥ 0.01 to the first with f > 0.99, which must hold from there on.
    const auto first = [&](auto&& passes) {
      return static_cast<std::size_t>(std::find_if(pion->y.begin(), pion->y.end(), passes) - pion->y.begin());
    };
    const std::size_t low = first([](double y) { return y >= 0.01; }), high = first([](double y) { return y > 0.99; });
    if (low == 0 || high >= pion->y.size()) {
      holds = false;
      break;
    }
    holds = holds && low < high &&
            std::all_of(pion->y.begin() + static_cast<std::ptrdiff_t>(high), pion->y.end(),
                        [](double y) { return y > 0.99; }) &&
            pion->x[low] < last_low && pion->x[high] < last_high;
    last_low = pion->x[low];
    last_high = pion->x[high];
    ours += (ours.empty() ? "" : ", ") + fixed(last_low, 3) + " to " + fixed(last_high, 3);
  }
  return computed(*maps->evidence, *maps->cell, holds, "bands for k_p 0 to 4: " + ours, "f(s) on the grid");
}

}  // namespace pionbench::claims
