/// The yardstick of any experiment against training time, not only steps: an optimizer whose step costs more must show
/// that it is worth it.

#include "results/chart.h"
#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_clock(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  auto chart = draw_curves(evidence, {{measure.curve, measure.title}}, {.x = CurveOptions::X::kTrainSeconds});
  Figure figure{.title = evidence.title() + ": " + (measure.title.empty() ? "accuracy" : measure.title) +
                         " against training time",
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption = capitalized(measure.title.empty() ? "accuracy" : measure.title) + " (" + measure.curve +
                   ") against training wall clock: the sum of train phases, without evaluation, probes, set-up and "
                   "saving. Each point is one evaluation step at its mean time over seeds, " +
                   chart.seeds + "; bands: lowest to highest seed, not an interval. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
