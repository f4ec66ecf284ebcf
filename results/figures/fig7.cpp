/// Paper Fig 7: signal-to-noise ratio of the gradient in RLVR, under Pion and under AdamW.

#include "results/chart.h"
#include "results/curves.h"

namespace pionbench {

Figure make_fig7(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{"grad_snr", "gradient SNR"}}, {.y = CurveOptions::Y::kPositive});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Signal-to-noise ratio of the gradient during GRPO, by the optimizer that trains. Each optimizer's run visits "
      "weights of its own, so a higher ratio is a property of where it went and not of the rule alone. Lines: mean "
      "over seeds, " +
      chart.seeds + "; bands: lowest to highest seed. The paper prints no values. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
