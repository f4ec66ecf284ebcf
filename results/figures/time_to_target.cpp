/// Time to target: the share of runs that have reached it, against steps and against training time.

#include "core/error.h"
#include "results/chart.h"
#include "results/learning.h"
#include "results/targets.h"

namespace pionbench {
namespace {

/// The share that has reached the target as a staircase from 0 to the last look.
Json staircase(const std::string& arm, const std::vector<stats::TimeToTarget>& times, double last, const Json& href) {
  Json rows = Json::array();
  const auto row = [&](double time, double share) {
    rows.push_back({{"arm", arm}, {"time", drawn(time)}, {"share", drawn(share)}, {"n", times.size()}, {"href", href}});
  };
  row(0, 0);
  double share = 0;
  for (const auto& step : stats::kaplan_meier(times)) row(step.time, share = 1 - step.not_reached);
  row(last, share);
  return rows;
}

/// More than these make no caption; the table behind the figure has every run's time.
constexpr std::size_t kMostMedians = 12;

std::string median_text(const std::vector<stats::TimeToTarget>& times, const char* unit) {
  const auto curve = stats::kaplan_meier(times);
  const auto median = stats::median_time(curve);
  return median ? significant(*median, 3) + unit : "never";
}

}  // namespace

Figure make_time_to_target(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const auto settings = target_settings(evidence);
  const auto styles = arm_styles(evidence.experiment);
  Figure figure{
      .title = evidence.title() + ": time to target",
      .data = {{"panel", "setting", "arm", "seed", "target", "reached", "steps", "train_seconds", "run"}, {}}};
  Json rows_of_views = Json::array();
  std::vector<std::string> medians;
  std::size_t letter = 0;
  // Many settings: seconds alone, side by side.
  const bool is_wide = settings.size() > 2;
  Json wide_line = Json::array();
  for (const auto& setting : settings) {
    std::string where = setting.panel.title;
    if (!setting.panel.id.empty()) where = where.substr(where.find(' ') + 1);
    Json line = Json::array();
    for (const bool in_seconds : {false, true}) {
      if (is_wide && !in_seconds) continue;
      const std::string id = panel_letter(letter++);
      Json rows = Json::array();
      double last = 1;
      for (const auto& run : setting.runs) last = std::max(last, in_seconds ? run.seconds.time : run.steps.time);
      for (const auto& arm : evidence.arms()) {
        std::vector<stats::TimeToTarget> times;
        std::vector<std::string> runs;
        for (const auto& run : setting.runs) {
          if (run.cell->cell.arm != arm) continue;
          times.push_back(in_seconds ? run.seconds : run.steps);
          runs.push_back(run.cell->run->run);
          figure.data.rows.push_back({id, where, arm, run.cell->coordinate("seed"), exact(setting.target),
                                      run.steps.is_reached ? "1" : "0", exact(run.steps.time), exact(run.trained),
                                      run.cell->run->run});
        }
        if (times.empty()) continue;
        for (auto& row : staircase(arm, times, last, link_to(runs))) rows.push_back(std::move(row));
        if (in_seconds)
          medians.push_back((settings.size() > 1 ? where + ", " : std::string()) + arm + " " +
                            median_text(times, " s"));
        figure.sources.push_back({id, arm, std::move(runs)});
      }
      const Json x = quantitative(
          {"time", in_seconds ? "training time (s)" : "training step", std::pair(0.0, last), false, false, false});
      const Json y = quantitative({"share", (is_wide ? !wide_line.empty() : in_seconds) ? "" : "runs at the target",
                                   std::pair(0.0, 1.02), false, true});
      Json encoding = {
          {"x", x}, {"y", y}, {"color", arm_color_encoding(styles)}, {"strokeDash", arm_dash_encoding(styles)}};
      add_links(encoding, {{"arm", "arm", ""}, {"n", "runs", "d"}});
      const bool is_empty = rows.empty();
      Json layers = Json::array(
          {{{"mark", {{"type", "line"}, {"strokeWidth", 2}, {"interpolate", "step-after"}}}, {"encoding", encoding}}});
      std::string gap = gap_text(setting.panel.cells);
      if (gap.empty() && setting.runs.empty()) gap = "no target: " + setting.reference + " has no run here";
      const std::string target = is_empty ? "" : fixed(100 * setting.target, 1) + " %";
      // Beside each other there is no room for it in the title.
      if (is_wide && !is_empty) gap = "target " + target + (gap.empty() ? "" : "; " + gap);
      Json one = view("(" + id + ") " + where + (is_wide || is_empty ? "" : ": " + target), gap, is_wide ? 210 : 330,
                      is_wide ? 150 : 170, std::move(layers), is_empty);
      one["data"] = {{"values", std::move(rows)}};
      line.push_back(std::move(one));
    }
    if (!is_wide) {
      rows_of_views.push_back({{"hconcat", line}});
      continue;
    }
    wide_line.push_back(std::move(line[0]));
    if (wide_line.size() == 4 || &setting == &settings.back()) {
      rows_of_views.push_back({{"hconcat", wide_line}});
      wide_line = Json::array();
    }
  }
  figure.spec = vega_lite({{"vconcat", rows_of_views}});
  figure.caption =
      "Share of runs that have reached the target (Kaplan–Meier; a run that never came there counts as a miss to "
      "the end). The target of a setting is the median over seeds of what " +
      (settings.empty() ? std::string("the first arm") : settings.front().reference) + " ends with (" + measure.curve +
      "), so about half of its own runs reach it. " +
      (medians.size() > kMostMedians ? std::string()
       : medians.empty()             ? std::string("Median training time: none yet. ")
                                     : "Median training time: " + join(medians, "; ") + ". ") +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
