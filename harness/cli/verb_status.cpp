#include <algorithm>
#include <cstdio>
#include <ctime>
#include <unordered_set>

#include "core/error.h"
#include "harness/cli/current_store.h"
#include "harness/cli/planning.h"
#include "harness/cli/run_status.h"
#include "harness/schedule/progress.h"
#include "harness/schedule/queue_file.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {
namespace {

constexpr std::size_t kMostLines = 12;  // of each kind: one screen

void print_some(const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) std::printf("%s\n", lines[i].c_str());
  if (lines.size() > kMostLines) std::printf("  ... and %zu more (--json has all)\n", lines.size() - kMostLines);
}

std::string running_line(const StatusRow& row) {
  std::string line = "  " + row.run.run + "  " + row.label + "  step " + std::to_string(row.run.step);
  if (row.run.steps) line += "/" + std::to_string(row.run.steps);
  if (row.elapsed_s) line += "  " + duration_text(*row.elapsed_s);
  if (row.eta_s) line += ", about " + duration_text(*row.eta_s) + " left";
  if (row.job) line += "  " + to_text(*row.job);
  return line;
}

/// Runs in the queue, alike ones on one line.
std::vector<std::string> queued_lines(const std::vector<StatusRow>& rows) {
  std::vector<std::pair<std::string, std::vector<const StatusRow*>>> groups;  // reason -> runs, in order
  for (const auto& row : rows) {
    if (!row.job || row.state == "running") continue;
    const std::string key = row.state + row.job->reason;
    auto group = std::ranges::find(groups, key, [](const auto& g) { return g.first; });
    if (group == groups.end()) group = groups.insert(groups.end(), {key, {}});
    group->second.push_back(&row);
  }
  std::vector<std::string> lines;
  for (const auto& [key, runs] : groups)
    lines.push_back("  " + std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs") + " (" +
                    runs[0]->run.run + " " + runs[0]->label + (runs.size() == 1 ? ")  " : ", ...)  ") +
                    to_text(*runs[0]->job));
  return lines;
}

void print_screen(const std::vector<StatusRow>& rows, const std::vector<ExperimentRecord>& recorded,
                  const std::optional<QueueView>& queue) {
  std::map<std::string, int> counts;
  std::vector<std::string> running, failed, experiments;
  std::unordered_set<std::string> finished;
  for (const auto& row : rows)
    if (is_finished(row.run.state)) finished.insert(row.run.cell);
  for (const auto& row : rows) {
    ++counts[row.state];
    if (row.state == "running")
      running.push_back(running_line(row));
    else if (row.job)
      continue;
    else if (!is_finished(row.run.state) && !finished.contains(row.run.cell))
      failed.push_back("  " + row.run.run + "  " + row.label + "  " + row.state +
                       (row.run.reason.empty() ? "" : ": " + row.run.reason));
  }
  for (const auto& e : recorded) {
    const auto done = std::ranges::count_if(e.cells, [&](const auto& cell) { return finished.contains(cell.cell); });
    experiments.push_back("  " + e.name + " (" + e.scale + ")  " + std::to_string(done) + " of " +
                          std::to_string(e.cells.size()) + " cells done");
  }
  std::string line = std::to_string(rows.size()) + " runs";
  for (const auto& [state, count] : counts) line += ", " + std::to_string(count) + " " + state;
  std::printf("%s\n", line.c_str());
  if (!experiments.empty()) std::printf("experiments\n");
  print_some(experiments);
  if (!running.empty()) std::printf("running\n");
  print_some(running);
  if (const auto queued = queued_lines(rows); !queued.empty()) {
    std::printf("queued\n");
    print_some(queued);
  }
  if (queue) {
    std::vector<std::string> waiting;
    for (const auto& group : queue->waiting)
      waiting.push_back("  " + std::to_string(group.cells) + (group.cells == 1 ? " cell" : " cells") +
                        (group.label.empty() ? "" : " (next: " + group.label + ")") + "  " + group.reason);
    if (!waiting.empty()) std::printf("waiting\n");
    print_some(waiting);
    if (queue->eta_s) std::printf("about %s left\n", duration_text(*queue->eta_s).c_str());
  }
  if (!failed.empty()) std::printf("without a result\n");
  print_some(failed);
}

bool has_queued_runs(const std::vector<RunRow>& runs, const std::filesystem::path& out) {
  return std::ranges::any_of(runs, [&](const RunRow& run) {
    if (run.state != RunState::kRunning) return false;
    const auto attempts = read_attempt_facts(out / "runs" / run.run);
    return attempts.unended && !attempts.unended->job.empty();
  });
}

int status(const Context& context) {
  auto store = open_store_if_any(context.out);
  std::vector<RunRow> runs;
  if (store) runs = store->runs();
  // What runs in a queue goes on without a pionbench that would take it in.
  if (has_queued_runs(runs, context.out) && !OutLock::holder(context.out)) {
    store = open_current_store(context.out, context.dry_run);
    runs = store->runs();
  }
  std::vector<StatusRow> rows;
  JobStatuses jobs;
  std::vector<ExperimentRecord> experiments;
  if (store) {
    experiments = store->experiments();
    const auto labels = labels_by_cell(experiments);
    rows.reserve(runs.size());
    for (auto& run : runs) rows.push_back(status_of(std::move(run), context.out, labels, jobs));
  }
  if (!jobs.complaint().empty()) std::fprintf(stderr, "warning: Slurm cannot be asked: %s\n", jobs.complaint().c_str());
  if (context.json) {
    Json runs = Json::array();
    runs.get_ref<Json::array_t&>().reserve(rows.size());
    for (const auto& row : rows) runs.push_back(to_json(row));
    Json document = queue_json(context.out);
    document["runs"] = std::move(runs);
    print_json(std::move(document));
  } else if (!store) {
    std::printf("nothing has been run in %s yet; begin with: pionbench reproduce\n", context.out.c_str());
  } else {
    print_screen(rows, experiments, read_queue(context.out));
  }
  return kDone;
}

}  // namespace

const Verb kStatusVerb = {
    "status", "What runs, what is done, what failed; also while a run goes on", "pionbench status --json",
    [](CLI::App&, const Context& context) { return Runner([&context] { return status(context); }); }};

}  // namespace pionbench
