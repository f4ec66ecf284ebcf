/// Paper Fig 7: signal-to-noise ratio of the gradient in RLVR, under Pion and under AdamW.

#include "results/curves.h"

namespace pionbench {

Figure make_fig7(const Evidence& evidence) {
  return curve_figure(
      evidence,
      "Signal-to-noise ratio of the gradient during GRPO, by the optimizer that trains. Each optimizer's run visits "
      "weights of its own, so a higher ratio is a property of where it went and not of the rule alone. ",
      {{"grad_snr", "gradient SNR"}}, {.y = CurveOptions::Y::kPositive});
}

}  // namespace pionbench
