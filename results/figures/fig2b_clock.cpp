/// The runs of Fig 2(b) against the training clock: what a step costs counts here.

#include "results/learning.h"
#include "results/learning_view.h"
#include "results/registry.h"

namespace pionbench {

Figure make_fig2b_clock(const Evidence& evidence) {
  const auto curves = seed_curves(evidence, kSampledCurve);
  LearningView view(evidence, {.x_field = "train_seconds", .x_title = "training time (s)"});
  view.add_row(curves, "sampled accuracy");
  Figure figure{.title = evidence.title() + ": accuracy against training time",
                .spec = view.document(),
                .data = {{"auxiliary", "arm", "step", "train_seconds", "mean", "lowest", "highest", "seeds"}, {}}};
  for (const auto& panel : evidence.values_of("auxiliary"))
    for (const auto& arm : evidence.arms())
      for (const auto& point : arm_points(curves, arm, "auxiliary", panel))
        figure.data.rows.push_back({panel, arm, std::to_string(point.step),
                                    point.train_seconds ? exact(*point.train_seconds) : "", exact(point.mean),
                                    exact(point.low), exact(point.high), std::to_string(point.n)});
  figure.caption =
      "Sampled validation accuracy against training wall clock: the sum of train phases, without evaluation, probes, "
      "set-up "
      "and saving. Each point is one evaluation step at its mean time over seeds, " +
      seeds_text(curves) + "; bands: lowest to highest seed, not an interval. " + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
