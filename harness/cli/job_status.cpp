#include "harness/cli/job_status.h"

#include <algorithm>
#include <ctime>

#include "harness/slurm/batch.h"
#include "harness/slurm/node_spool.h"

namespace pionbench {
namespace {

std::optional<double> seconds_since(const std::string& utc) {
  std::tm parts{};
  if (utc.size() < 19 || !::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%S", &parts)) return std::nullopt;
  return std::max(0.0, std::difftime(std::time(nullptr), ::timegm(&parts)));
}

}  // namespace

std::string to_text(const JobStatus& s) {
  const std::string job = s.job.empty() ? "" : " (job " + s.job + ")";
  if (s.state == "running") return "runs" + (s.node.empty() ? "" : " on " + s.node) + job;
  if (s.state == "ended") return "has ended; the next pionbench takes it in";
  std::string text = "waits in Slurm's queue";
  if (!s.reason.empty()) text += ": " + s.reason;
  text += job;
  if (!s.start.empty()) text += ", expected " + s.start;
  return text;
}

const QueueRow* JobStatuses::find(const std::string& batch, int task) {
  if (!asked_) {
    asked_ = true;
    auto answer = ask_queue();
    if (!answer.ok) complaint_ = answer.complaint;
    for (auto& row : answer.rows) {
      auto& known = rows_[{row.batch, row.task}];
      if (known.state.empty() || is_over(known)) known = std::move(row);
    }
  }
  const auto it = rows_.find({batch, task});
  return it == rows_.end() ? nullptr : &it->second;
}

JobStatus JobStatuses::of(const std::filesystem::path& run_folder, const AttemptStart& start) {
  JobStatus status;
  const NodeFacts facts = read_node_facts(run_folder);
  const int last = facts.last();
  // Slurm may have gone on with it while nobody was here: the last attempt on the node speaks.
  const auto end = facts.ends.find(std::max(last, start.attempt));
  auto lease = read_lease(run_folder);
  if (!lease) lease = parse_job_text(start.job);
  const bool is_on_node = last >= start.attempt && end == facts.ends.end();
  if (end != facts.ends.end() && !end->second.requeue) {
    status.state = "ended";
    return status;
  }
  status.state = is_on_node ? "running" : "queued";
  if (is_on_node) {
    status.node = facts.starts.at(last).host;
    status.elapsed_s = seconds_since(facts.starts.at(last).started_at);
  }
  const QueueRow* row = lease ? find(lease->batch, lease->task) : nullptr;
  if (!row) return status;
  status.job = row->job;
  if (is_pending(*row)) {
    status.state = "queued";
    status.elapsed_s.reset();
    if (row->reason != "None") status.reason = row->reason;
    if (row->start != "N/A") status.start = row->start;
  }
  return status;
}

}  // namespace pionbench
