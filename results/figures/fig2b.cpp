/// Paper Fig 2(b): validation accuracy against step for every arm, one panel for each treatment of the auxiliary
/// parameters.

#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig2b(const Evidence& evidence) {
  return curve_figure(evidence,
                      "Validation accuracy during training, of sampled answers (top) and of greedy answers (bottom). ",
                      {{kSampledCurve, "sampled accuracy"}, {kGreedyCurve, "greedy accuracy"}});
}

}  // namespace pionbench
