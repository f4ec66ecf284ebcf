/// AlgoPerf's performance profiles over the settings of an experiment.

#include <cmath>
#include <limits>

#include "core/error.h"
#include "results/chart.h"
#include "results/learning.h"
#include "results/targets.h"

namespace pionbench {

Figure make_performance_profile(const Evidence& evidence) {
  constexpr double kTauMax = 4;
  const auto settings = target_settings(evidence);
  const auto arms = evidence.arms();
  Figure figure{.title = evidence.title() + ": performance profiles",
                .data = {{"setting", "arm", "median_train_seconds", "ratio", "runs"}, {}}};
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<std::vector<double>> times(arms.size());
  std::vector<std::vector<std::string>> runs(arms.size());
  std::vector<std::string> left_out;
  for (const auto& setting : settings) {
    if (setting.runs.empty()) {
      left_out.push_back(setting.panel.title);
      continue;
    }
    for (std::size_t a = 0; a < arms.size(); ++a) {
      std::vector<stats::TimeToTarget> own;
      for (const auto& run : setting.runs)
        if (run.cell->cell.arm == arms[a]) {
          own.push_back(run.seconds);
          runs[a].push_back(run.cell->run->run);
        }
      const auto curve = stats::kaplan_meier(own);
      times[a].push_back(own.empty() ? kNever : stats::median_time(curve).value_or(kNever));
    }
  }
  const std::size_t workloads = times.empty() ? 0 : times[0].size();
  std::vector<double> best(workloads, kNever);
  for (const auto& own : times)
    for (std::size_t w = 0; w < workloads; ++w) best[w] = std::min(best[w], own[w]);
  const auto scores = workloads ? stats::performance_scores(times, kTauMax) : std::vector<double>(arms.size(), 0);
  Json rows = Json::array();
  std::vector<std::string> score_texts;
  for (std::size_t a = 0; a < arms.size() && workloads; ++a) {
    if (runs[a].empty()) continue;
    std::vector<double> ratios;
    std::size_t w = 0;
    for (const auto& setting : settings) {
      if (setting.runs.empty()) continue;
      const bool is_reached = std::isfinite(times[a][w]);
      // Everybody at time 0 is nobody behind: 0 / 0 is a ratio of 1.
      const double ratio = !is_reached ? kNever : best[w] > 0 ? times[a][w] / best[w] : (times[a][w] > 0 ? kNever : 1);
      if (std::isfinite(ratio)) ratios.push_back(ratio);
      std::vector<std::string> own;
      for (const auto& run : setting.runs)
        if (run.cell->cell.arm == arms[a]) own.push_back(run.cell->run->run);
      figure.data.rows.push_back({setting.panel.title, arms[a], is_reached ? exact(times[a][w]) : "",
                                  std::isfinite(ratio) ? exact(ratio) : "", join(own, " ")});
      ++w;
    }
    std::sort(ratios.begin(), ratios.end());
    const Json href = link_to(runs[a]);
    const auto row = [&](double tau, double share) {
      rows.push_back({{"arm", arms[a]},
                      {"tau", drawn(tau)},
                      {"share", drawn(share)},
                      {"score", drawn(scores[a])},
                      {"href", href}});
    };
    double share = 0;
    row(1, 0);
    for (std::size_t i = 0; i < ratios.size() && ratios[i] <= kTauMax; ++i)
      row(ratios[i], share = static_cast<double>(i + 1) / static_cast<double>(workloads));
    row(kTauMax, share);
    score_texts.push_back(arms[a] + " " + fixed(scores[a], 3));
    figure.sources.push_back({"", arms[a], runs[a]});
  }
  const auto styles = arm_styles(evidence.experiment);
  const Json x =
      quantitative({"tau", "τ: time to target over the fastest arm's", std::pair(1.0, kTauMax), false, false, false});
  const Json y = quantitative({"share", "settings within τ", std::pair(0.0, 1.02), false, true});
  Json encoding = {
      {"x", x}, {"y", y}, {"color", arm_color_encoding(styles)}, {"strokeDash", arm_dash_encoding(styles)}};
  add_links(encoding, {{"arm", "arm", ""}, {"score", "score", ".3f"}});
  std::vector<const CellEvidence*> cells;
  for (const auto& cell : evidence.cells) cells.push_back(&cell);
  const bool is_empty = rows.empty();
  Json layers = Json::array(
      {{{"mark", {{"type", "line"}, {"strokeWidth", 2}, {"interpolate", "step-after"}}}, {"encoding", encoding}}});
  Json one = view("", gap_text(cells), 480, 260, std::move(layers), is_empty);
  one["data"] = {{"values", std::move(rows)}};
  figure.spec = vega_lite({{"vconcat", {one}}});
  figure.caption =
      "AlgoPerf's performance profiles: the share of settings in which an arm's median time to target is at most τ "
      "times that of the fastest arm; training wall clock. Targets as in the figure on time to target. Scores, the "
      "area "
      "up to τ = 4: " +
      (score_texts.empty() ? std::string("none yet") : join(score_texts, ", ")) + ". " +
      (left_out.empty() ? "" : "Left out for want of a target: " + join(left_out, "; ") + ". ") + caption_end(evidence);
  return figure;
}

}  // namespace pionbench
