/// Paper Fig 2(b): validation accuracy against step for every arm, one panel for each treatment of the auxiliary
/// parameters.

#include <array>

#include "results/learning.h"
#include "results/learning_view.h"
#include "results/registry.h"

namespace pionbench {
namespace {

struct Row {
  const char* metric;
  const char* axis;
};
constexpr std::array kRows = {Row{kSampledCurve, "sampled accuracy"}, Row{kGreedyCurve, "greedy accuracy"}};

void add_data(const Row& row, const std::vector<SeedCurve>& curves, Grid& data) {
  for (const auto& curve : curves)
    for (const auto& point : curve.points)
      data.rows.push_back({row.metric, curve.cell->coordinate("auxiliary"), curve.cell->cell.arm,
                           curve.cell->coordinate("seed"), std::to_string(point.step), exact(point.value),
                           point.train_seconds ? exact(*point.train_seconds) : "", to_string(curve.cell->run->state),
                           curve.cell->run->run});
}

}  // namespace

Figure make_fig2b(const Evidence& evidence) {
  Figure figure{.title = evidence.title(),
                .data = {{"metric", "auxiliary", "arm", "seed", "step", "value", "train_seconds", "state", "run"}, {}}};
  LearningView view(evidence, {.x_field = "step", .x_title = "training step"});
  std::string seeds;
  for (const auto& row : kRows) {
    const auto curves = seed_curves(evidence, row.metric);
    view.add_row(curves, row.axis);
    add_data(row, curves, figure.data);
    if (seeds.empty()) seeds = seeds_text(curves);
  }
  figure.spec = view.document();
  figure.caption =
      "Validation accuracy during training, of sampled answers (top) and of greedy answers (bottom). Lines: "
      "mean over seeds, " +
      seeds + "; bands: lowest to highest seed, not an interval. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
