/// Suite `maps`: what a spectral map does to one singular value, on a grid over [0, 1], in double precision and from
/// the very polynomials that the optimizers apply (paper Fig 3); and what the optimizers' engine does to matrices whose
/// singular vectors and values are known (claim C2). Nothing is trained.

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <array>
#include <cmath>

#include "experiments/suite.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/engine.h"
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

struct KnownMatrix {
  torch::Tensor left, values, right;  ///< X = left · diag(values) · rightᵀ in float64, ‖X‖_F = 1
};

/// Square, wide and tall; values that are equal, spread over three decades, one above the rest, half of them zero.
std::vector<KnownMatrix> known_matrices() {
  using Shape = std::pair<std::int64_t, std::int64_t>;
  constexpr std::array kShapes = {Shape{24, 24}, Shape{16, 40}, Shape{40, 16}};
  auto random = at::detail::createCPUGenerator(7);
  const auto double_ = torch::TensorOptions(torch::kFloat64);
  const auto directions = [&](std::int64_t rows, std::int64_t count) {
    return std::get<0>(torch::linalg_qr(torch::randn({rows, count}, random, double_)));
  };
  std::vector<KnownMatrix> out;
  for (const auto& [rows, columns] : kShapes) {
    const std::int64_t r = std::min(rows, columns);
    auto dominant = torch::full({r}, 0.05, double_), deficient = torch::ones({r}, double_);
    dominant[0] = 1;
    deficient.narrow(0, r / 2, r - r / 2).zero_();
    for (const auto& values : {torch::ones({r}, double_), torch::logspace(0, -3, r, 10, double_), dominant, deficient})
      out.push_back({directions(rows, r), values / values.norm(), directions(columns, r)});
  }
  return out;
}

/// Claim C2 on known matrices, from the engine in float32 as the optimizers call it: with Y the mapped matrix and
/// D = UᵀYV, the greatest entry of D off its diagonal and of Y outside U·V (`matrix_vectors`), and the greatest
/// distance of D's diagonal from f(s) (`matrix_values`); one point a matrix.
void write_matrices(RunContext& context, const std::string& variant, const optim::SpectralMap& map) {
  std::vector<double> x, vectors, values;
  for (const auto& known : known_matrices()) {
    const auto input = known.left.matmul(torch::diag(known.values)).matmul(known.right.t());
    const auto mapped = optim::apply_spectral_map(input.to(torch::kFloat32), map).to(torch::kFloat64);
    const auto core = known.left.t().matmul(mapped).matmul(known.right);
    const auto diagonal = core.diagonal();
    const auto outside = mapped - known.left.matmul(core).matmul(known.right.t());
    const double leaked =
        std::max((core - torch::diag(diagonal)).abs().max().item<double>(), outside.abs().max().item<double>());
    double distance = 0;
    for (std::int64_t i = 0; i < diagonal.size(0); ++i)
      distance = std::max(distance,
                          std::abs(diagonal[i].item<double>() - optim::evaluate(map, known.values[i].item<double>())));
    x.push_back(static_cast<double>(x.size()));
    vectors.push_back(leaked);
    values.push_back(distance);
  }
  context.events.curve("matrix_vectors", variant, x, vectors);
  context.events.curve("matrix_values", variant, x, values);
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
  write_matrices(context, "muon", repeated(optim::kMuonStep, steps));
  for (std::int64_t k_p = 0; k_p <= steps; ++k_p)
    write_matrices(context, "pion k_p=" + std::to_string(k_p), optim::pion_map(k_p, steps));
  return {};
}

}  // namespace

SuiteEntry maps_suite() {
  SuiteInfo info;
  info.name = "maps";
  info.title = "Scalar spectral maps";
  info.version = 3;  // 2: LPMuon's map. 3: matrices
  info.help =
      "f(s) of Muon, promotion, suppression, Pion's compositions and LPMuon, and of matrices with known singular "
      "vectors; no training";
  info.takes_optimizer = false;
  info.table.settings = {
      int_setting("points", 501, 2, 100001, "grid points on [0, 1]"),
      int_setting("map_steps", 5, 1, 30, "steps of each chain"),
  };
  return {info, run_maps};
}

}  // namespace pionbench
