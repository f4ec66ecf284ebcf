#include "harness/schedule/scheduler.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/expected.h"
#include "harness/schedule/orphans.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr double kTickSeconds = 0.25;                  // ingest and display
constexpr auto kPoll = std::chrono::milliseconds(20);  // a fork and a waitpid cost far less

enum class Progress { kWaiting, kActive, kFinished, kBroken, kInterrupted };

struct Task {
  const PlannedCell* cell;
  Progress progress = Progress::kWaiting;
  std::string run;      ///< of the finished or last run
  bool usable = false;  ///< done: others may read what it left
};

struct Active {
  Task* task = nullptr;  ///< null: adopted, and no cell of this plan
  std::string run;
  std::string cell;
  std::string label;
  std::string suite;
  std::string optimizer;
  int attempt = 1;
  double began = 0;
  std::uintmax_t stderr_offset = 0;
  long memory_kills = 0;
};

std::string metric_text(const std::string& name, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, " %.3g", value);
  return name.substr(name.rfind('/') + 1) + buffer;
}

}  // namespace

struct Scheduler::Impl {
  Store& store;
  Executor& executor;
  Display& display;
  RunLog& log;
  ScheduleOptions options;

  int slots = 1;
  int threads = 1;
  double began = 0;
  std::vector<Task> tasks = {};
  std::map<std::string, Task*> by_cell = {};
  std::vector<Active> active = {};
  ExpectedSeconds expected{{}};
  ScheduleReport report = {};
  double stop_since = -1;  ///< when workers were asked to stop; -1: they were not
  bool killed = false;

  fs::path folder_of(const std::string& run) const { return fs::absolute(store.out()) / "runs" / run; }

  // --- preparing ---

  void prepare(const std::vector<PlannedCell>& cells) {
    const int cores = available_cores();
    slots = options.slots > 0 ? options.slots : cores;
    threads = std::max(1, cores / slots);
    began = steady_seconds();
    const auto alive = settle_orphans(store);  // first: it finds runs that finished unseen
    expected = ExpectedSeconds(store.runs());
    const auto finished = store.finished_by_cell();
    for (const auto& cell : cells) tasks.push_back({&cell});
    for (auto& task : tasks) {
      by_cell[task.cell->id] = &task;
      const auto it = finished.find(task.cell->id);
      if (it == finished.end()) continue;
      task.progress = Progress::kFinished;
      task.run = it->second.run;
      task.usable = it->second.state == RunState::kDone;
      ++report.already;
    }
    report.total = static_cast<int>(tasks.size());
    for (const auto& live : alive) adopt(live);
  }

  void adopt(const LiveRun& live) {
    const auto attempts = read_attempt_facts(folder_of(live.run));
    if (!attempts.unended) return;
    Active a;
    a.run = live.run;
    a.cell = live.cell;
    a.label = live.run;
    a.attempt = attempts.unended->attempt;
    a.began = steady_seconds();
    a.memory_kills = out_of_memory_kills();
    if (const auto it = by_cell.find(live.cell); it != by_cell.end() && it->second->progress == Progress::kWaiting) {
      describe(a, *it->second);
      it->second->progress = Progress::kActive;
      it->second->run = live.run;
    }
    executor.adopt(live.run, *attempts.unended);
    log.info("adopted " + live.run + " (process " + std::to_string(attempts.unended->pid) + ")");
    display.message("waiting for " + a.label + ", which an earlier pionbench started");
    active.push_back(std::move(a));
  }

  static void describe(Active& a, Task& task) {
    a.task = &task;
    a.cell = task.cell->id;
    a.label = task.cell->label;
    a.suite = task.cell->config.suite;
    a.optimizer = task.cell->config.optimizer;
  }

  // --- choosing ---

  /// Whether all that the cell reads from is there; gives the cell up when it never will be.
  bool is_ready(Task& task) {
    for (const auto& need : task.cell->needs) {
      const auto it = by_cell.find(need);
      if (it == by_cell.end()) throw std::logic_error("cell " + task.cell->id + " needs one that is not planned");
      const Task& first = *it->second;
      if (first.progress == Progress::kFinished && first.usable) continue;
      if (first.progress == Progress::kBroken || first.progress == Progress::kFinished) {
        give_up(task, first);
        return false;
      }
      return false;
    }
    return true;
  }

  void give_up(Task& task, const Task& first) {
    task.progress = Progress::kBroken;
    const std::string reason =
        "prerequisite " + first.cell->label + (first.progress == Progress::kFinished ? " diverged" : " failed");
    report.not_started.push_back({task.cell->label, "", "not started", reason, ""});
    log.warn("not started: " + task.cell->label + ": " + reason);
    display.message("not started: " + task.cell->label + ": " + reason);
  }

  /// The waiting cell to start now: prerequisites first; then the longest, when every length is known, so that no long
  /// run begins when all others have ended; else the first declared.
  Task* next_task() {
    std::vector<Task*> ready;
    for (auto& task : tasks)
      if (task.progress == Progress::kWaiting && is_ready(task)) ready.push_back(&task);
    const auto length = [&](const Task* t) { return expected.of(t->cell->config.suite, t->cell->config.optimizer); };
    const bool all_known = std::ranges::all_of(ready, [&](const Task* t) { return length(t).has_value(); });
    const auto best = std::ranges::min_element(ready, [&](const Task* a, const Task* b) {
      if (a->cell->is_prerequisite != b->cell->is_prerequisite) return a->cell->is_prerequisite;
      return all_known && *length(a) > *length(b);
    });
    return best == ready.end() ? nullptr : *best;
  }

  // --- starting ---

  struct Place {
    std::string run;
    int attempt = 1;
  };

  Place place_for(const PlannedCell& cell) const {
    const auto runs = store.runs_of_cells({cell.id});
    const auto last = std::ranges::max_element(runs, {}, [](const RunRow& row) { return run_number(row.run); });
    if (last != runs.end() && (last->state == RunState::kInterrupted || last->state == RunState::kLost)) {
      const auto folder = folder_of(last->run);
      if (read_event_facts(folder).checkpoint) return {last->run, read_attempt_facts(folder).last + 1};
    }
    return {next_run_name(store.out() / "runs", cell.id), 1};
  }

  void launch(Task& task) {
    const PlannedCell& cell = *task.cell;
    const Place place = place_for(cell);
    const auto folder = folder_of(place.run);
    RunRequest request{place.run, cell.id, cell.config, {}, place.attempt, threads};
    for (const auto& [suite, id] : cell.config.inputs)
      request.inputs[suite] = folder_of(by_cell.at(id)->run) / "artifacts";
    write_file_atomic(folder / "run.json", to_json(request).dump(2) + "\n");

    Active a;
    describe(a, task);
    a.run = place.run;
    a.attempt = place.attempt;
    a.began = steady_seconds();
    a.memory_kills = out_of_memory_kills();
    std::error_code error;
    const auto before = fs::file_size(folder / "stderr.log", error);
    a.stderr_offset = error ? 0 : before;
    task.run = place.run;
    AttemptStart start = executor.start(place.run, folder, threads);
    task.progress = Progress::kActive;
    start.attempt = place.attempt;
    active.push_back(a);
    append_attempt(folder, start);
    store.ingest({place.run});
    log.info("started " + place.run + " attempt " + std::to_string(place.attempt) + " (process " +
             std::to_string(start.pid) + "): " + cell.label);
  }

  // --- watching ---

  /// Returns whether any has ended.
  bool collect_ended() {
    bool any = false;
    for (std::size_t i = 0; i < active.size();) {
      const auto ending = executor.poll(active[i].run);
      if (!ending) {
        ++i;
        continue;
      }
      const Active a = active[i];
      active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
      record_end(a, *ending);
      any = true;
    }
    return any;
  }

  void record_end(const Active& a, const Ending& ending) {
    const auto folder = folder_of(a.run);
    const auto events = read_event_facts(folder);
    AttemptEnd end = classify(ending, events,
                              {.stop_requested = stop_since >= 0,
                               .memory_kill = out_of_memory_kills() > a.memory_kills,
                               .stderr_tail = tail_of(folder / "stderr.log", a.stderr_offset)});
    end.attempt = a.attempt;
    end.ended_at = utc_now();
    end.wall_seconds = steady_seconds() - a.began;
    append_attempt(folder, end);
    store.ingest({a.run});
    log.info("ended " + a.run + ": " + end.outcome + (end.reason.empty() ? "" : ": " + end.reason));
    if (a.task) count(a, end);
    const bool failed = end.outcome != "done" && end.outcome != "diverged" && end.outcome != "interrupted";
    display.ended({a.label, end.outcome, end.wall_seconds, latest_metric(a), end.reason, failed ? end.stderr_tail : "",
                   folder.string()},
                  totals());
  }

  void count(const Active& a, const AttemptEnd& end) {
    Task& task = *a.task;
    if (end.outcome == "done" || end.outcome == "diverged") {
      task.progress = Progress::kFinished;
      task.usable = end.outcome == "done";
      ++(task.usable ? report.done : report.diverged);
      // An attempt that went on from a checkpoint says nothing of a whole run.
      if (a.attempt == 1) expected.add(a.suite, a.optimizer, end.wall_seconds);
    } else if (end.outcome == "interrupted") {
      task.progress = Progress::kInterrupted;
      ++report.interrupted;
    } else if (end.outcome == "lost") {
      task.progress = Progress::kWaiting;  // adopted, and told to stop when its orchestrator died: it goes on here
    } else {
      task.progress = Progress::kBroken;
      report.failures.push_back({a.label, a.run, end.outcome, end.reason, end.stderr_tail});
    }
  }

  std::string latest_metric(const Active& a) const {
    const auto it = options.primary_metric.find(a.suite);
    if (it == options.primary_metric.end() || it->second.empty()) return "";
    const auto series = store.series(a.run, it->second);
    return series.empty() ? "" : metric_text(it->second, series.back().value);
  }

  Totals totals() const {
    Totals t;
    t.total = report.total;
    t.ended = report.already + report.done + report.diverged +
              static_cast<int>(report.failures.size() + report.not_started.size());
    t.failed = static_cast<int>(report.failures.size() + report.not_started.size());
    t.elapsed_s = steady_seconds() - began;
    t.eta_s = remaining_seconds();
    return t;
  }

  std::optional<double> remaining_seconds() const {
    double seconds = 0;
    int left = 0;
    for (const auto& task : tasks) {
      if (task.progress != Progress::kWaiting && task.progress != Progress::kActive) continue;
      const auto length = expected.of(task.cell->config.suite, task.cell->config.optimizer);
      if (!length) return std::nullopt;
      seconds += *length;
      ++left;
    }
    for (const auto& a : active) {
      const auto length = expected.of(a.suite, a.optimizer);
      if (a.task && length) seconds -= std::min(*length, steady_seconds() - a.began);
    }
    return left ? seconds / std::min(left, slots) : 0;
  }

  void tick() {
    std::vector<std::string> runs, cells;
    for (const auto& a : active) {
      runs.push_back(a.run);
      cells.push_back(a.cell);
    }
    if (runs.empty()) return;
    store.ingest(runs);
    std::vector<ActiveView> views;
    const auto rows = store.runs_of_cells(cells);
    for (const auto& a : active) {
      ActiveView view{a.label, 0, 0, steady_seconds() - a.began, latest_metric(a)};
      if (const auto row = std::ranges::find(rows, a.run, &RunRow::run); row != rows.end()) {
        view.step = row->step;
        view.steps = row->steps;
      }
      views.push_back(std::move(view));
    }
    display.tick(views, totals());
  }

  // --- stopping ---

  int interrupts() const { return options.interrupts ? options.interrupts->load() : 0; }

  void heed_interrupts() {
    if (interrupts() >= 1 && stop_since < 0) {
      display.message(active.empty() ? "stopping"
                                     : "stopping: asked " + std::to_string(active.size()) +
                                           " run(s) to write a checkpoint; once more kills them");
      log.info("stop requested");
      ask_to_stop();
    }
    if (stop_since < 0 || killed) return;
    const bool out_of_patience = steady_seconds() - stop_since > options.grace_s;
    if (interrupts() >= 2 || out_of_patience) kill_all();
  }

  void ask_to_stop() {
    stop_since = steady_seconds();
    for (const auto& a : active) executor.request_stop(a.run);
  }

  void kill_all() {
    killed = true;
    log.warn("killing what still runs");
    for (const auto& a : active) executor.kill(a.run);
  }

  /// After an error of our own: ends the workers, records what can still be recorded.
  void abandon() {
    if (stop_since < 0) ask_to_stop();
    while (!active.empty()) {
      if (!killed && (interrupts() >= 2 || steady_seconds() - stop_since > options.grace_s)) kill_all();
      try {
        collect_ended();
      } catch (const std::exception& e) {
        log.warn(std::string("cannot record an end: ") + e.what());  // the next start finds it as an orphan
      }
      std::this_thread::sleep_for(kPoll);
    }
  }

  void loop() {
    double last_tick = 0;
    for (;;) {
      heed_interrupts();
      const bool any_ended = collect_ended();
      while (stop_since < 0 && static_cast<int>(active.size()) < slots) {
        Task* task = next_task();
        if (!task) break;
        launch(*task);
      }
      if (active.empty()) break;
      if (any_ended || steady_seconds() - last_tick >= kTickSeconds) {
        tick();
        last_tick = steady_seconds();
      }
      std::this_thread::sleep_for(kPoll);
    }
    report.stopped = stop_since >= 0;
  }
};

Scheduler::Scheduler(Store& store, Executor& executor, Display& display, RunLog& log, ScheduleOptions options)
    : impl_(std::make_unique<Impl>(Impl{store, executor, display, log, std::move(options)})) {}
Scheduler::~Scheduler() = default;

ScheduleReport Scheduler::run(const std::vector<PlannedCell>& cells) {
  try {
    impl_->prepare(cells);
    impl_->loop();
  } catch (...) {
    impl_->abandon();
    impl_->display.close();
    throw;
  }
  impl_->display.close();
  return impl_->report;
}

}  // namespace pionbench
