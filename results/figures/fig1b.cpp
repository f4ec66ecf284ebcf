/// Paper Fig 1(b, c): what the action head's optimizer does, with vision and language on AdamW: success at the end, and
/// what the whole training took.

#include <algorithm>

#include "results/bars.h"
#include "results/chart.h"

namespace pionbench {
namespace {

struct Unit {
  const char* name;
  double seconds;
};
/// The largest unit in which the longest run is at least 1.
Unit unit_for(const Evidence& evidence) {
  double most = 0;
  for (const auto& cell : evidence.cells)
    if (cell.is_finished()) most = std::max(most, cell.run->train_seconds);
  for (const Unit unit : {Unit{"hours", 3600}, Unit{"minutes", 60}})
    if (most >= unit.seconds) return unit;
  return {"seconds", 1};
}

}  // namespace

Figure make_fig1b(const Evidence& evidence) {
  const Unit unit = unit_for(evidence);
  auto success = draw_bars(evidence, final_of(evidence, "evaluation/test/success"),
                           {.panel = "b", .title = "(b) Success", .y_title = "success", .quantity = "success"});
  auto time = draw_bars(evidence, train_seconds_of,
                        {.panel = "c",
                         .title = "(c) Total training time",
                         .y_title = std::string("training time (") + unit.name + ")",
                         .quantity = "train_seconds",
                         .is_share = false,
                         .factor = 1 / unit.seconds});
  Figure figure{.title = evidence.title(),
                .spec = vega_lite({{"hconcat", {success.view, time.view}}}),
                .data = std::move(success.data),
                .sources = std::move(success.sources)};
  figure.data.rows.insert(figure.data.rows.end(), time.data.rows.begin(), time.data.rows.end());
  figure.sources.insert(figure.sources.end(), time.sources.begin(), time.sources.end());
  figure.caption =
      "The optimizer of the action head, with vision and language on AdamW. (b) Share of test episodes that succeed at "
      "the last step; (c) training wall clock without evaluation, probes, set-up and saving. Bars: mean over seeds; "
      "rules: 95 % Student-t interval; dots: runs. A diverged run counts as no success and has no time. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
