/// Paper Fig 4(b): accuracy against step, whole matrices against per-head, for Muon and Pion.

#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig4b(const Evidence& evidence) {
  return curve_figure(
      evidence,
      "Validation accuracy during GRPO, of sampled answers (top) and of greedy answers (bottom), with the map applied "
      "to whole matrices or to each attention head. ",
      {{kSampledCurve, "sampled accuracy"}, {kGreedyCurve, "greedy accuracy"}});
}

}  // namespace pionbench
