/// Paper Fig 2(a): signal-to-noise ratio of the gradient against step, supervised fine-tuning against GRPO.

#include "results/curves.h"

namespace pionbench {

Figure make_fig2a(const Evidence& evidence) {
  return curve_figure(
      evidence,
      "Signal-to-noise ratio of the gradient, ‖E G‖² / E‖G − E G‖², over micro-batches of a step; an estimate can "
      "fall below 0 where the signal is weak. An axis that reaches far beyond that noise is linear up to its size and "
      "logarithmic beyond. ",
      {{"grad_snr", "gradient SNR"}}, {.y = CurveOptions::Y::kPositive});
}

}  // namespace pionbench
