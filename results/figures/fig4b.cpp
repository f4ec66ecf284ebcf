/// Paper Fig 4(b): accuracy against step, whole matrices against per-head, for Muon and Pion.

#include "results/chart.h"
#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig4b(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{kSampledCurve, "sampled accuracy"}, {kGreedyCurve, "greedy accuracy"}});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Validation accuracy during GRPO, of sampled answers (top) and of greedy answers (bottom), with the map applied "
      "to whole matrices or to each attention head. Lines: mean over seeds, " +
      chart.seeds + "; bands: lowest to highest seed, not an interval. The paper prints no values. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
