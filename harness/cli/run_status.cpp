#include "harness/cli/run_status.h"

#include "harness/schedule/process.h"
#include "harness/schedule/queue_file.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {

std::map<std::string, std::string> labels_by_cell(const std::vector<ExperimentRecord>& experiments) {
  std::map<std::string, std::string> out;
  for (const auto& experiment : experiments)
    for (const auto& cell : experiment.cells) {
      std::string label = experiment.name + (cell.arm.empty() ? "" : " " + cell.arm);
      for (const auto& [key, value] : cell.point) label += " " + key + "=" + value;
      out.try_emplace(cell.cell, label);
    }
  return out;
}

StatusRow status_of(RunRow of, const std::filesystem::path& out, const std::map<std::string, std::string>& labels,
                    JobStatuses& jobs) {
  StatusRow row{std::move(of), {}, {}, {}, {}, {}};
  const RunRow& run = row.run;
  row.state = to_string(run.state);
  row.label = run.suite;
  if (const auto it = labels.find(run.cell); it != labels.end()) row.label = it->second;
  if (run.state != RunState::kRunning) return row;
  // Nobody has noted its end yet if its orchestrator was killed, too.
  const auto attempts = read_attempt_facts(out / "runs" / run.run);
  if (attempts.unended && !attempts.unended->job.empty()) {
    row.job = jobs.of(out / "runs" / run.run, *attempts.unended);
    row.state = row.job->state;
    row.elapsed_s = row.job->elapsed_s;
    if (row.elapsed_s && run.step > 0 && run.steps > run.step && row.state == "running")
      row.eta_s = *row.elapsed_s / static_cast<double>(run.step) * static_cast<double>(run.steps - run.step);
    return row;
  }
  if (attempts.unended && !is_alive(*attempts.unended) && !is_elsewhere(*attempts.unended)) {
    row.state = "lost";
    return row;
  }
  if (!attempts.unended) return row;
  // Not by the wall clock, which may have leaped since.
  row.elapsed_s = running_seconds(*attempts.unended);
  if (row.elapsed_s && run.step > 0 && run.steps > run.step)
    row.eta_s = *row.elapsed_s / static_cast<double>(run.step) * static_cast<double>(run.steps - run.step);
  return row;
}

/// Assigned one by one: an initializer list would copy every value once more, which at 10,000 runs is a third of the
/// time.
Json to_json(const StatusRow& row) {
  const auto or_null = [](const std::optional<double>& x) { return x ? Json(*x) : Json(); };
  Json json;
  json["run"] = row.run.run;
  json["queue"] = {};
  if (row.job)
    json["queue"] = {
        {"job", row.job->job}, {"node", row.job->node}, {"reason", row.job->reason}, {"start", row.job->start}};
  json["cell"] = row.run.cell;
  json["label"] = row.label;
  json["suite"] = row.run.suite;
  json["optimizer"] = row.run.optimizer;
  json["state"] = row.state;
  json["step"] = row.run.step;
  json["steps"] = row.run.steps;
  json["elapsed_s"] = or_null(row.elapsed_s);
  json["eta_s"] = or_null(row.eta_s);
  json["reason"] = row.run.reason;
  json["attempts"] = row.run.attempts;
  json["accumulation"] = row.run.accumulation;
  json["devices"] = row.run.devices;
  json["peak_memory"] = row.run.peak_memory;
  json["peak_device_memory"] = row.run.peak_device_memory;
  json["disturbance"] = row.run.disturbance;
  return json;
}

Json queue_json(const std::filesystem::path& out) {
  const auto queue = read_queue(out);
  Json waiting = Json::array();
  if (queue)
    for (const auto& group : queue->waiting)
      waiting.push_back({{"reason", group.reason}, {"next", group.label}, {"cells", group.cells}});
  return {{"waiting", waiting}, {"eta_s", queue && queue->eta_s ? Json(*queue->eta_s) : Json()}};
}

}  // namespace pionbench
