/// Paper Fig 5(a): success on the four suites, for each optimizer.

#include "results/bars.h"
#include "results/chart.h"
#include "results/published.h"

namespace pionbench {

Figure make_fig5a(const Evidence& evidence) {
  const auto group = [constants = constant_keys(evidence)](const CellEvidence& cell) {
    return setting_title(cell, constants);
  };
  BarOptions options{.title = "", .y_title = "success", .quantity = "success", .width = 620, .group_of = group};
  const auto paper = published_table("fig5a");
  for (const auto& row : paper.rows)
    for (const auto& [suite, value] : row.values)
      if (value.value) options.paper[{suite, row.name}] = *value.value / 100;
  auto chart = draw_bars(evidence, final_of(evidence, "evaluation/test/success"), options);
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"vconcat", {chart.view}}}),
                .data = std::move(chart.data),
                .sources = std::move(chart.sources)};
  figure.caption =
      "Share of test episodes that succeed at the last step. Bars: mean over seeds; rules: 95 % Student-t interval; "
      "dots: runs; grey ticks: the paper's numbers, of other simulators, data and models. A diverged run counts as no "
      "success. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
