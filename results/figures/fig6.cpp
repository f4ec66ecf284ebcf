/// Paper Fig 6: validation accuracy against step in eight settings: GRPO and GMPO, two models, two data sets.

#include "results/curves.h"
#include "results/learning.h"

namespace pionbench {

Figure make_fig6(const Evidence& evidence) {
  return curve_figure(evidence, "Validation accuracy of sampled answers during training, one panel for each setting. ",
                      {{kSampledCurve, "sampled accuracy"}});
}

}  // namespace pionbench
