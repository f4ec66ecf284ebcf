/// The ends of the runs of Fig 2(b): final accuracy, its distance to the control, cost, and the size of the update.

#include <algorithm>
#include <map>

#include "core/error.h"
#include "results/learning.h"
#include "results/registry.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

constexpr const char* kUpdateRms = "update_rms_over_lr";
constexpr const char* kControlOptimizer = "frozen";
constexpr const char* kNone = "–";

/// Finished cells of one arm under one treatment, and how many have no result.
struct Group {
  std::string auxiliary, arm;
  std::vector<const CellEvidence*> finished;
  std::size_t planned = 0, failed = 0, diverged = 0;
  std::size_t stopped = 0;  ///< preempted or out of time, and not gone on yet
};

std::vector<Group> groups(const Evidence& evidence) {
  std::vector<Group> out;
  for (const auto& auxiliary : evidence.values_of("auxiliary"))
    for (const auto& arm : evidence.arms()) {
      Group group{auxiliary, arm, {}};
      for (const auto& cell : evidence.cells) {
        if (cell.cell.arm != arm || cell.coordinate("auxiliary") != auxiliary) continue;
        ++group.planned;
        if (cell.is_finished()) group.finished.push_back(&cell);
        group.diverged += cell.is_diverged();
        group.failed += cell.run && (cell.run->state == RunState::kFailed || cell.run->state == RunState::kLost ||
                                     cell.run->state == RunState::kOutOfMemory);
        group.stopped +=
            cell.run && (cell.run->state == RunState::kPreempted || cell.run->state == RunState::kTimedOut);
      }
      if (group.planned) out.push_back(std::move(group));
    }
  return out;
}

/// The last evaluation of each finished cell; 0 where it diverged.
using Finals = std::map<const CellEvidence*, double>;

Finals finals(const Evidence& evidence, const char* metric) {
  Finals out;
  for (const auto& curve : seed_curves(evidence, metric)) {
    if (curve.cell->is_diverged())
      out[curve.cell] = 0;
    else if (!curve.points.empty())
      out[curve.cell] = curve.points.back().value;
  }
  return out;
}

/// The first evaluation of each finished cell: the warm start, before anything was trained here.
Finals initials(const Evidence& evidence, const char* metric) {
  Finals out;
  for (const auto& curve : seed_curves(evidence, metric))
    if (!curve.points.empty() && curve.points.front().step == 0) out[curve.cell] = curve.points.front().value;
  return out;
}

std::vector<double> values_of(const Group& group, const Finals& finals) {
  std::vector<double> values;
  for (const auto* cell : group.finished)
    if (const auto it = finals.find(cell); it != finals.end()) values.push_back(it->second);
  return values;
}

/// Differences by seed: arms of one seed share data and initial weights, so the pairs say more than the means.
std::vector<double> differences(const Group& group, const Group& control, const Finals& finals) {
  std::vector<double> out;
  for (const auto* cell : group.finished)
    for (const auto* other : control.finished)
      if (cell->coordinate("seed") == other->coordinate("seed") && finals.contains(cell) && finals.contains(other))
        out.push_back(finals.at(cell) - finals.at(other));
  return out;
}

std::vector<double> update_sizes(const Evidence& evidence, const Group& group) {
  std::vector<double> means;
  for (const auto* cell : group.finished) {
    std::vector<double> steps;
    for (const auto& point : evidence.store->series(cell->run->run, kUpdateRms)) steps.push_back(point.value);
    if (!steps.empty()) means.push_back(mean(steps));
  }
  return means;
}

/// Diverged runs ended early: their time is no cost of the whole training.
std::vector<double> train_seconds(const Group& group) {
  std::vector<double> seconds;
  for (const auto* cell : group.finished)
    if (!cell->is_diverged()) seconds.push_back(cell->run->train_seconds);
  return seconds;
}

std::string with_interval(const std::vector<double>& values, bool is_signed = false) {
  if (values.empty()) return kNone;
  const auto number = [&](double x) {
    const std::string text = fixed(x, 3);
    return is_signed && x > 0 ? "+" + text : text;
  };
  const auto interval = mean_interval(values);
  if (!interval.low) return number(interval.mean);
  return number(interval.mean) + " [" + number(*interval.low) + ", " + number(*interval.high) + "]" +
         (interval.is_approximate ? " ≈" : "");
}

/// mean, low, high, n
void add_exact(const std::vector<double>& values, std::vector<std::string>& row) {
  if (values.empty()) return void(row.insert(row.end(), {"", "", "", "0"}));
  const auto interval = mean_interval(values);
  row.push_back(exact(interval.mean));
  row.push_back(interval.low ? exact(*interval.low) : "");
  row.push_back(interval.high ? exact(*interval.high) : "");
  row.push_back(std::to_string(interval.n));
}

std::string standing(const Group& group) {
  std::vector<std::string> parts;
  if (group.diverged) parts.push_back(std::to_string(group.diverged) + " diverged");
  if (group.failed) parts.push_back(std::to_string(group.failed) + " failed");
  if (group.stopped) parts.push_back(std::to_string(group.stopped) + " stopped before its end");
  const std::size_t open = group.planned - group.finished.size() - group.failed - group.stopped;
  if (open) parts.push_back(std::to_string(open) + " not finished");
  std::string text = parts.empty() ? "all done" : join(parts, ", ");
  // What a reader must know of results that are there: docs/scheduling.md.
  std::size_t split = 0, resumed = 0, disturbed = 0;
  for (const auto* cell : group.finished) {
    split += cell->run->accumulation > 1;
    resumed += cell->run->attempts > 1;
    disturbed += !cell->run->disturbance.empty();
  }
  parts.clear();
  if (split) parts.push_back(std::to_string(split) + " in micro-batches");
  if (resumed) parts.push_back(std::to_string(resumed) + " resumed");
  if (disturbed) parts.push_back(std::to_string(disturbed) + " disturbed");
  return parts.empty() ? text : text + "; " + join(parts, ", ");
}

/// The group whose matrices stay as they were, under the same treatment; null where the experiment has none.
const Group* control_of(const Group& group, const std::vector<Group>& all, const Json& arms) {
  for (const auto& other : all)
    if (other.auxiliary == group.auxiliary &&
        arms.value(other.arm, Json::object()).value("optimizer", Json("")) == kControlOptimizer)
      return &other;
  return nullptr;
}

}  // namespace

Table make_fig2b_final(const Evidence& evidence) {
  const Finals sampled = finals(evidence, kSampledFinal), greedy = finals(evidence, kGreedyFinal),
               initial = initials(evidence, kSampledFinal);
  const auto all = groups(evidence);
  const Json arms = evidence.experiment.spec.value("arms", Json::object());

  Table table{.title = evidence.title() + ": final accuracy and cost"};
  table.display.columns = {"Auxiliary",
                           "Arm",
                           "n",
                           "Sampled at step 0",
                           "Sampled accuracy",
                           "Greedy accuracy",
                           "Sampled − control",
                           "Train time (s)",
                           "Update RMS / lr",
                           "Runs"};
  table.data.columns = {"experiment", "scale", "auxiliary", "arm", "planned", "diverged", "failed"};
  for (const char* name :
       {"initial_sampled", "sampled", "greedy", "sampled_minus_control", "train_seconds", "update_rms_over_lr"})
    for (const char* part : {"", "_low", "_high", "_n"}) table.data.columns.push_back(std::string(name) + part);

  for (const auto& group : all) {
    const Group* control = control_of(group, all, arms);
    const auto difference =
        control && control != &group ? differences(group, *control, sampled) : std::vector<double>{};
    const auto seconds = train_seconds(group), sizes = update_sizes(evidence, group);
    table.display.rows.push_back(
        {group.auxiliary.empty() ? kNone : group.auxiliary, group.arm, std::to_string(group.finished.size()),
         values_of(group, initial).empty() ? kNone : fixed(mean(values_of(group, initial)), 3),
         with_interval(values_of(group, sampled)), with_interval(values_of(group, greedy)),
         with_interval(difference, true), seconds.empty() ? kNone : significant(mean(seconds), 3),
         sizes.empty() ? kNone : significant(mean(sizes), 3), standing(group)});
    std::vector<std::string> runs;
    for (const auto* cell : group.finished) runs.push_back(cell->run->run);
    table.cell_runs.push_back({{}, {}, {}, runs, runs, runs, runs, runs, runs});
    if (!runs.empty())
      table.sources.push_back(
          {"", group.arm + (group.auxiliary.empty() ? "" : ", auxiliary " + group.auxiliary), runs});
    std::vector<std::string> row = {evidence.experiment.name,
                                    evidence.experiment.scale,
                                    group.auxiliary,
                                    group.arm,
                                    std::to_string(group.planned),
                                    std::to_string(group.diverged),
                                    std::to_string(group.failed)};
    for (const auto& values :
         {values_of(group, initial), values_of(group, sampled), values_of(group, greedy), difference, seconds, sizes})
      add_exact(values, row);
    table.data.rows.push_back(std::move(row));
  }
  table.caption =
      "Accuracy on the test split at the last step: mean over n seeds [95 % Student-t interval]; ≈ marks intervals "
      "that are "
      "approximate because n < " +
      std::to_string(kFewSeeds) +
      ". Step 0 is the warm start; where auxiliary parameters are frozen it is also what a control would reach, "
      "because "
      "nothing would train. A diverged run counts as a miss: accuracy 0. The difference to the control, whose matrices "
      "stay frozen, is "
      "paired by seed. Train time: mean over seeds that did not diverge, of the wall clock without evaluation, probes, "
      "set-up and saving; runs shared the machine, one core each unless said otherwise. Update RMS / lr: mean over "
      "steps and seeds. " +
      caption_end(evidence);
  return table;
}

}  // namespace pionbench
