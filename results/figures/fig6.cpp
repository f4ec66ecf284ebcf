/// Paper Fig 6: validation accuracy against step in eight settings: GRPO and GMPO, two models, two data sets.

#include "results/chart.h"
#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig6(const Evidence& evidence) {
  auto chart =
      draw_curves(evidence, {{kSampledCurve, "sampled accuracy"}},
                  {.columns = 4, .order = {"auxiliary", "algorithm", "suite", "model"}, .width = 210, .height = 160});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Validation accuracy of sampled answers during training, one panel for each setting. Lines: mean over seeds, " +
      chart.seeds + "; bands: lowest to highest seed, not an interval. The paper prints no values. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
