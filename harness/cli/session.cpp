#include "harness/cli/session.h"

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>

#include "core/error.h"
#include "harness/cli/planning.h"
#include "harness/schedule/interrupts.h"
#include "harness/slurm/batch.h"

namespace pionbench {
namespace {

Json failure_json(const ScheduleReport::Failure& f) {
  return {{"label", f.label}, {"run", f.run}, {"state", f.state}, {"reason", f.reason}, {"stderr_tail", f.stderr_tail}};
}

Json failures_json(const std::vector<ScheduleReport::Failure>& failures) {
  Json out = Json::array();
  for (const auto& f : failures) out.push_back(failure_json(f));
  return out;
}

/// Shows what another display shows, and tells how far it is.
class TellingDisplay : public Display {
 public:
  TellingDisplay(std::unique_ptr<Display> inner, std::function<void(int)> tell)
      : inner_(std::move(inner)), tell_(std::move(tell)) {}
  void message(const std::string& line) override { inner_->message(line); }
  void ended(const EndView& run, const Totals& totals) override { inner_->ended(run, totals); }
  void tick(const std::vector<ActiveView>& active, const Totals& totals) override {
    inner_->tick(active, totals);
    if (tell_) tell_(totals.ended);
  }
  void close() override { inner_->close(); }

 private:
  std::unique_ptr<Display> inner_;
  std::function<void(int)> tell_;
};

}  // namespace

Session::Session(const Context& context)
    : context_(context),
      lock_(context.out),
      store_(context.out, Store::Mode::kReadWrite),
      log_(context.out / "pionbench.log") {
  const auto report = store_.ingest();
  settle_ended_jobs(store_);
  for (const auto& complaint : report.complaints) log_.warn(complaint);
  log_.info("pionbench " PIONBENCH_VERSION ": " + command_text(context));
}

void Session::record(const ExperimentRecord& experiment) {
  // A part of a recorded experiment (one seed, one arm) leaves the record whole, so that its figure stays whole.
  for (const auto& recorded : store_.experiments()) {
    if (recorded.name != experiment.name || recorded.scale != experiment.scale) continue;
    if (experiment.cells.size() >= recorded.cells.size()) break;
    std::set<std::tuple<std::string, std::string, std::map<std::string, std::string>>> there;
    for (const auto& cell : recorded.cells) there.insert({cell.cell, cell.arm, cell.point});
    const bool is_part = std::ranges::all_of(experiment.cells, [&](const auto& cell) {
      return there.contains({cell.cell, cell.arm, cell.point});
    });
    if (is_part) return;
  }
  store_.record_experiment(experiment);
}

ScheduleReport Session::run(const std::vector<Plan>& plans, const Catalog& catalog, int slots, double time_limit_s) {
  for (const auto& plan : plans) {
    record(plan.experiment);
    for (const auto& cell : plan.cells)
      if (!cell.is_prerequisite) primary_metric_[cell.config.suite] = plan.primary_metric;
  }
  return run_cells(merged_cells(plans), catalog, slots, time_limit_s);
}

ScheduleReport Session::run_cells(const std::vector<PlannedCell>& cells, const Catalog& catalog, int slots,
                                  double time_limit_s) {
  const auto finished = store_.finished_by_cell();
  const auto lacking = std::ranges::count_if(cells, [&](const auto& cell) { return !finished.contains(cell.id); });
  if (lacking == 0) {
    ScheduleReport report;
    report.total = report.already = static_cast<int>(cells.size());
    return report;
  }
  TellingDisplay display(make_display(context_.quiet), while_running_);
  display.message(std::to_string(lacking) + " of " + std::to_string(cells.size()) + " cells to run");
  const InterruptCounter interrupts;
  ScheduleOptions options{.slots = slots, .interrupts = &interrupts.count(), .time_limit_s = time_limit_s};
  for (const auto& suite : catalog.suites) {
    options.primary_metric[suite.name] = suite.primary_metric;
    options.batch_setting[suite.name] = suite.batch_setting;
  }
  options.primary_metric.insert(primary_metric_.begin(), primary_metric_.end());
  const auto executor = make_executor(backend_, context_, store_, log_, slots);
  return Scheduler(store_, *executor, display, log_, options).run(cells);
}

std::string summary_text(const ScheduleReport& r, const Context& context) {
  if (r.already == r.total) return "0 of " + std::to_string(r.total) + " cells to run\n";
  std::string text = std::to_string(r.total) + " cells:";
  const auto part = [&](std::size_t count, const char* word) {
    if (count) text += (text.ends_with(':') ? " " : ", ") + std::to_string(count) + " " + word;
  };
  part(static_cast<std::size_t>(r.already), "done before");
  part(static_cast<std::size_t>(r.done), "done");
  part(static_cast<std::size_t>(r.diverged), "diverged");
  part(r.failures.size(), "failed");
  part(r.not_started.size(), "not started");
  part(static_cast<std::size_t>(r.interrupted), "interrupted");
  text += "\n";
  for (const auto& f : r.failures)
    text += "  " + f.state + ": " + f.label + ": " + f.reason + "\n    " +
            (context.out / "runs" / f.run / "stderr.log").string() + "\n";
  for (const auto& f : r.not_started) text += "  not started: " + f.label + ": " + f.reason + "\n";
  if (r.stopped || r.interrupted)
    text += "interrupted; go on with: " + command_text(context) + "\n";
  else if (!r.failures.empty())
    text += "try the failed ones again with: " + command_text(context) + "\n";
  return text;
}

Json summary_json(const ScheduleReport& r) {
  return {{"total", r.total},
          {"already", r.already},
          {"done", r.done},
          {"diverged", r.diverged},
          {"interrupted", r.interrupted},
          {"stopped", r.stopped},
          {"failed", failures_json(r.failures)},
          {"not_started", failures_json(r.not_started)}};
}

int exit_code_of(const ScheduleReport& r) {
  if (r.stopped || r.interrupted) return kInterrupted;
  return r.failures.empty() && r.not_started.empty() ? kDone : kFailed;
}

std::string command_text(const Context& context) {
  std::string text = "pionbench";
  for (const auto& argument : context.arguments) text += " " + shell_word(argument);
  return text;
}

}  // namespace pionbench
