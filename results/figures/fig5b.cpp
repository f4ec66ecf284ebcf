/// Paper Fig 5(b): success against training step on Object.

#include "results/curves.h"

namespace pionbench {

Figure make_fig5b(const Evidence& evidence) {
  return curve_figure(
      evidence, "Share of test episodes that succeed, against training step. ",
      {{"evaluation/test/success", "success"}},
      {.published = "The paper prints one value of its curves: Pion, 95.4 % at 500 of 1 500 steps. ", .height = 240});
}

}  // namespace pionbench
