/// Suite `maps`: what a spectral map does to one singular value, on a grid over [0, 1], in double precision and from
/// the very polynomials that the optimizers apply (paper Fig 3). Nothing is trained.

#include "experiments/suite.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/polynomial.h"

namespace pionbench {
namespace {

void write_map(RunContext& context, const std::string& name, const std::string& variant, const optim::SpectralMap& map,
               const std::vector<double>& grid) {
  std::vector<double> y;
  y.reserve(grid.size());
  for (const double s : grid) y.push_back(optim::evaluate(map, s));
  context.events.curve(name, variant, grid, y);
}

RunOutcome run_maps(RunContext& context) {
  const auto points = get_int(context.settings(), "points");
  const auto steps = get_int(context.settings(), "map_steps");
  std::vector<double> grid;
  for (std::int64_t i = 0; i < points; ++i) grid.push_back(static_cast<double>(i) / static_cast<double>(points - 1));

  const auto repeated = [](const optim::OddQuintic& step, std::int64_t n) {
    return optim::SpectralMap(static_cast<std::size_t>(n), step);
  };
  for (std::int64_t t = 1; t <= steps; ++t) {
    write_map(context, "muon", std::to_string(t), repeated(optim::kMuonStep, t), grid);
    write_map(context, "promotion", std::to_string(t), repeated(optim::kPromotionStep, t), grid);
    write_map(context, "suppression", std::to_string(t), repeated(optim::kSuppressionStep, t), grid);
  }
  for (std::int64_t k_p = 0; k_p <= steps; ++k_p)
    write_map(context, "pion", "k_p=" + std::to_string(k_p), optim::pion_map(k_p, steps), grid);
  write_map(context, "lpmuon", std::to_string(steps), optim::take_steps(optim::find_coefficients("lpmuon"), steps),
            grid);
  return {};
}

}  // namespace

SuiteEntry maps_suite() {
  SuiteInfo info;
  info.name = "maps";
  info.title = "Scalar spectral maps";
  info.version = 2;  // 2: LPMuon's map
  info.help = "f(s) of Muon, promotion, suppression, Pion's compositions and LPMuon; no training";
  info.takes_optimizer = false;
  info.table.settings = {
      int_setting("points", 501, 2, 100001, "grid points on [0, 1]"),
      int_setting("map_steps", 5, 1, 30, "steps of each chain"),
  };
  return {info, run_maps};
}

}  // namespace pionbench
