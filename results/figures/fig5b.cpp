/// Paper Fig 5(b): success against training step on Object.

#include "results/chart.h"
#include "results/curves.h"

namespace pionbench {

Figure make_fig5b(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{"evaluation/test/success", "success"}}, {.height = 240});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Share of test episodes that succeed, against training step. Lines: mean over seeds, " + chart.seeds +
      "; bands: lowest to highest seed, not an interval. The paper prints one value of its curves: Pion, 95.4 % at 500 "
      "of 1 500 steps. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
