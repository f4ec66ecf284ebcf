/// Paper Fig 2(a): signal-to-noise ratio of the gradient against step, supervised fine-tuning against GRPO.

#include "results/chart.h"
#include "results/curves.h"

namespace pionbench {

Figure make_fig2a(const Evidence& evidence) {
  auto chart = draw_curves(evidence, {{"grad_snr", "gradient SNR"}}, {.y = CurveOptions::Y::kPositive});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", chart.rows}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Signal-to-noise ratio of the gradient, ‖E G‖² / E‖G − E G‖², over micro-batches of a step; an estimate can "
      "fall below 0 where the signal is weak, and then the axis is linear. Lines: mean over seeds, " +
      chart.seeds + "; bands: lowest to highest seed. The paper prints no values. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
