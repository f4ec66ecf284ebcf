/// Paper Fig 2(b): validation accuracy against step for every arm, one panel for each treatment of the auxiliary
/// parameters.

#include "results/chart.h"
#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig2b(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{kSampledCurve, "sampled accuracy"}, {kGreedyCurve, "greedy accuracy"}});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Validation accuracy during training, of sampled answers (top) and of greedy answers (bottom). Lines: "
      "mean over seeds, " +
      chart.seeds + "; bands: lowest to highest seed, not an interval. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
