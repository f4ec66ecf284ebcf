/// Both protocols side by side: every arm at the published rate, and every arm at the settings that an equal budget of
/// trials finds on the validation split.

#include <cmath>
#include <tuple>

#include "core/error.h"
#include "results/learning.h"
#include "results/sweeps.h"

namespace pionbench {
namespace {

constexpr const char* kNone = "–";

std::string with_interval(const Summary& summary) {
  if (summary.values.empty()) return kNone;
  std::string text = fixed(summary.mean, 3);
  if (summary.low) text += " [" + fixed(*summary.low, 3) + ", " + fixed(*summary.high, 3) + "]";
  return text + (summary.values.size() < 5 && summary.low ? " ≈" : "");
}

}  // namespace

Table make_protocols(const Evidence& evidence) {
  const auto measure = yardstick(evidence);
  const CellValue value = final_of(evidence, measure.final), tuning = final_of(evidence, measure.curve);
  // The rate that the experiment names beside its sweep is the published one.
  const Json defaults = evidence.experiment.spec.value("defaults", Json::object());
  std::optional<double> published;
  if (defaults.contains("lr") && defaults["lr"].is_number()) published = defaults["lr"].get<double>();
  Table table{.title = evidence.title() + ": both protocols"};
  table.display.columns = {"Setting", "Arm", "Trials", "Equal rate", "n", "Tuned", "n tuned", "Tuned settings", "Gain"};
  table.data.columns = {"setting", "arm", "protocol", "settings", "trials", "mean", "low", "high", "n", "runs"};
  const auto panels = setting_panels(evidence, tuned_keys());
  std::size_t least_trials = 0, most_trials = 0;
  for (const auto& panel : panels) {
    const std::string setting = panel.id.empty() ? (panel.title == kAllRuns ? kNone : panel.title)
                                                 : panel.title.substr(panel.title.find(' ') + 1);
    const auto all = trials(evidence, panel.cells);
    for (const auto& arm : evidence.arms()) {
      std::vector<Trial> own;
      for (const auto& trial : all)
        if (trial.arm == arm) own.push_back(trial);
      if (own.empty()) continue;
      std::size_t judged = 0;
      for (const auto& trial : own) judged += !summarize(trial.cells, tuning).values.empty();
      least_trials = most_trials ? std::min(least_trials, judged) : judged;
      most_trials = std::max(most_trials, judged);
      // At the published rate, the other swept settings at their first value.
      const Trial* equal = nullptr;
      for (const auto& trial : own) {
        const auto rate = trial.at.find("lr");
        if (!equal &&
            (rate == trial.at.end() || (published && std::abs(rate->second - *published) <= 1e-9 * *published)))
          equal = &trial;
      }
      const Trial* tuned = best_trial(own, arm, tuning);
      const auto at_equal = equal ? summarize(equal->cells, value) : Summary{},
                 at_tuned = tuned ? summarize(tuned->cells, value) : Summary{};
      const bool has_gain = !at_equal.values.empty() && !at_tuned.values.empty();
      const double gain = at_tuned.mean - at_equal.mean;
      table.display.rows.push_back({setting, arm, std::to_string(judged), with_interval(at_equal),
                                    std::to_string(at_equal.values.size()), with_interval(at_tuned),
                                    std::to_string(at_tuned.values.size()),
                                    tuned && !tuned->label().empty() ? tuned->label() : kNone,
                                    has_gain ? (gain > 0 ? "+" : "") + fixed(gain, 3) : kNone});
      table.cell_runs.push_back({{}, {}, {}, at_equal.runs, {}, at_tuned.runs});
      for (const auto& [protocol, trial, summary] :
           {std::tuple{"paper", equal, &at_equal}, std::tuple{"tuned", tuned, &at_tuned}}) {
        const bool has = !summary->values.empty();
        table.data.rows.push_back({setting, arm, protocol, trial ? trial->label() : "", std::to_string(judged),
                                   has ? exact(summary->mean) : "", summary->low ? exact(*summary->low) : "",
                                   summary->high ? exact(*summary->high) : "", std::to_string(summary->values.size()),
                                   join(summary->runs, " ")});
        if (has)
          table.sources.push_back(
              {"", arm + (setting == kNone ? "" : ", " + setting) + ", " + protocol, summary->runs});
      }
    }
  }
  table.caption = capitalized(measure.title) + " (" + measure.final +
                  ") at the end: mean over n seeds [95 % Student-t interval]. "
                  "Equal rate: every arm at " +
                  (published ? "learning rate " + significant(*published, 4)
                             : std::string("no rate: the experiment names none under defaults")) +
                  ", as published. Tuned: every arm at the trial that is best on the validation split (" +
                  measure.curve + "), so that the test split decided nothing; " +
                  (least_trials == most_trials
                       ? "all arms had " + counted(most_trials, "trial")
                       : "the arms had unequal budgets, " + std::to_string(least_trials) + " to " +
                             counted(most_trials, "trial") + ", so the tuned column favours those with more") +
                  ". " + caption_end(evidence);
  return table;
}

}  // namespace pionbench
