#include "harness/schedule/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <queue>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "harness/schedule/cores.h"
#include "harness/schedule/expected.h"
#include "harness/schedule/learned.h"
#include "harness/schedule/orphans.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/queue_file.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/run_pace.h"
#include "harness/schedule/stop_request.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr double kTickSeconds = 0.25;  // ingest and display
constexpr double kQueueSeconds = 1;    // queue.json
// Somebody who ends the same cell this often means it.
constexpr int kMostPreemptions = 10;
// On a cluster, time limits and other people's rights end a run as a matter of course.
constexpr int kMostRequeues = 1000;
// Enough to know each kind well; reading a configuration costs some 50 µs.
constexpr std::size_t kMostHistory = 2000;

enum class Progress { kWaiting, kActive, kFinished, kBroken, kInterrupted };

struct Task {
  const PlannedCell* cell;
  std::string kind;
  Progress progress = Progress::kWaiting;
  std::string run = "";  ///< of the finished or last run
  bool usable = false;   ///< done: others may read what it left
  int unmet = 0;         ///< prerequisites that are not there yet
  std::vector<Task*> needed_by = {};
  int preemptions = 0;
};

/// Cells that are alike for the scheduler: first come, first served among them.
struct Line {
  bool is_prerequisite = false;
  std::size_t declared = 0;  ///< place of its first cell in the plan
  std::string kind;
  std::string suite, optimizer;
  Resources resources;
  std::deque<Task*> tasks;
  std::string waits;  ///< why its first task does not start
};

struct Active {
  Task* task = nullptr;  ///< null: adopted, and no cell of this plan
  std::string run;
  std::string cell;
  std::string label;
  std::string suite;
  std::string optimizer;
  int attempt = 1;
  int accumulation = 1;
  double began = 0;
  RunPace pace;
  std::uintmax_t stderr_offset = 0;
  long memory_kills = 0;
  bool warm = false;
  double stop_since = -1;  ///< when this worker was asked to stop; -1: it was not
  bool timed_out = false;
  bool unwanted = false;  ///< somebody asked this one run to end
  bool killed = false;
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
  std::map<std::string, Line> lines = {};
  std::vector<Line*> order = {};
  bool order_is_stale = true;
  std::vector<Active> active = {};
  ExpectedSeconds expected{{}};
  Learned learned = {};
  ScheduleReport report = {};
  double stop_since = -1;  ///< when workers were asked to stop; -1: they were not
  bool killed = false;
  bool may_have_room = true;  ///< something changed since the last look for room
  std::optional<double> eta = {};
  double eta_at = -1e9, queue_at = -1e9;
  std::string shown_wait = "";

  fs::path folder_of(const std::string& run) const { return fs::absolute(store.out()) / "runs" / run; }

  // --- preparing ---

  void prepare(const std::vector<PlannedCell>& cells) {
    const int cores = available_cores();
    slots = options.slots > 0 ? options.slots : executor.most_at_once();
    if (slots == 0) slots = cores;
    threads = std::max(1, cores / slots);
    began = steady_seconds();
    const auto alive = settle_orphans(store, executor);  // first: it finds runs that finished unseen
    const auto history = store.runs();
    expected = ExpectedSeconds(history);
    tasks.reserve(cells.size());  // pointers into it are kept
    for (const auto& cell : cells) {
      tasks.push_back({&cell, kind_of(cell.config)});
      by_cell[cell.id] = &tasks.back();
    }
    learn(history);
    for (auto& [id, run] : store.finished_by_cell()) {
      const auto it = by_cell.find(id);
      if (it == by_cell.end()) continue;
      it->second->progress = Progress::kFinished;
      it->second->run = run.run;
      it->second->usable = run.state == RunState::kDone;
      ++report.already;
    }
    report.total = static_cast<int>(tasks.size());
    for (const auto& live : alive) take_over(live);
    for (auto& task : tasks) connect(task);
    for (auto& task : tasks)
      if (task.progress == Progress::kWaiting && task.unmet == 0) enqueue(task);
    for (auto& task : tasks)
      if (task.progress == Progress::kBroken || (task.progress == Progress::kFinished && !task.usable))
        give_up_what_needs(task);
  }

  void learn(const std::vector<RunRow>& history) {
    std::set<std::pair<std::string, std::string>> ours;
    for (const auto& task : tasks) ours.insert({task.cell->config.suite, task.cell->config.optimizer});
    std::map<std::string, std::string> kinds;  // by cell
    for (auto run = history.rbegin(); run != history.rend() && kinds.size() < kMostHistory; ++run) {
      if (!ours.contains({run->suite, run->optimizer})) continue;
      auto [kind, is_new] = kinds.try_emplace(run->cell);
      if (is_new) {
        const auto planned = by_cell.find(run->cell);
        kind->second = planned != by_cell.end() ? planned->second->kind
                                                : kind_of(cell_config_from_json(store.config_of_cell(run->cell)));
      }
      learned.add(kind->second, *run);
    }
  }

  void connect(Task& task) {
    for (const auto& need : task.cell->needs) {
      const auto it = by_cell.find(need);
      if (it == by_cell.end()) throw std::logic_error("cell " + task.cell->id + " needs one that is not planned");
      if (it->second->progress == Progress::kFinished && it->second->usable) continue;
      ++task.unmet;
      it->second->needed_by.push_back(&task);
    }
  }

  void take_over(const LiveRun& live) {
    const auto it = by_cell.find(live.cell);
    Task* task = it != by_cell.end() && it->second->progress == Progress::kWaiting ? it->second : nullptr;
    if (live.elsewhere) {
      if (task)
        refuse(*task, live.run,
               live.run + " is at work on " + live.start.host +
                   ", as far as its spool tells; wait for it, or for ten minutes of silence");
      return;
    }
    Active a;
    a.run = live.run;
    a.cell = live.cell;
    a.label = live.run;
    a.attempt = live.start.attempt;
    a.accumulation = live.start.accumulation;
    a.began = steady_seconds();
    a.memory_kills = out_of_memory_kills();
    if (task) {
      describe(a, *task);
      task->progress = Progress::kActive;
      task->run = live.run;
    }
    executor.adopt(live.run, live.start);
    log.info("adopted " + live.run + " (process " + std::to_string(live.start.pid) + ")");
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

  void enqueue(Task& task, bool at_front = false) {
    const PlannedCell& cell = *task.cell;
    Resources resources = cell.resources;
    if (resources.cores == 0) resources.cores = executor.default_cores(threads);
    const std::string key = std::string(cell.is_prerequisite ? "p" : "c") + std::to_string(resources.cores) + "," +
                            std::to_string(resources.memory_bytes) + "," + std::to_string(resources.gpus) + "," +
                            std::to_string(resources.gpu_memory_bytes) + (resources.exclusive ? "x" : ",") + task.kind;
    auto [it, is_new] = lines.try_emplace(key);
    if (is_new) {
      it->second = {.is_prerequisite = cell.is_prerequisite,
                    .declared = static_cast<std::size_t>(&task - tasks.data()),
                    .kind = task.kind,
                    .suite = cell.config.suite,
                    .optimizer = cell.config.optimizer,
                    .resources = resources};
      order.push_back(&it->second);
      order_is_stale = true;
    }
    at_front ? it->second.tasks.push_front(&task) : it->second.tasks.push_back(&task);
    may_have_room = true;
  }

  std::optional<double> length(const std::string& kind, const std::string& suite, const std::string& optimizer) const {
    const auto seconds = learned.seconds(kind);
    return seconds ? seconds : expected.of(suite, optimizer);
  }

  void sort_lines() {
    if (!order_is_stale) return;
    std::map<const Line*, std::optional<double>> lengths;
    for (const Line* line : order) lengths[line] = length(line->kind, line->suite, line->optimizer);
    std::ranges::sort(order, [&](const Line* a, const Line* b) {
      if (a->is_prerequisite != b->is_prerequisite) return a->is_prerequisite;
      const auto &la = lengths[a], &lb = lengths[b];
      if (la.has_value() != lb.has_value()) return !la.has_value();
      if (la && lb && *la != *lb) return *la > *lb;
      return a->declared < b->declared;
    });
    order_is_stale = false;
  }

  /// Starts one run; false when none can start now.
  bool launch_next() {
    if (static_cast<int>(active.size()) >= slots) return false;
    sort_lines();
    for (Line* line : order) {
      if (line->tasks.empty()) continue;
      const Demand demand{line->resources, learned.memory(line->kind), learned.gpu_memory(line->kind)};
      const Placement placement = executor.place(demand);
      line->waits = placement.waits;
      if (placement.granted) {
        Task* task = line->tasks.front();
        line->tasks.pop_front();
        launch(*task, demand, placement);
        return true;
      }
      if (placement.never) {
        for (Task* task : std::exchange(line->tasks, {})) refuse(*task, "", placement.waits);
        return true;  // what needed it is gone too: look again
      }
    }
    return false;
  }

  void refuse(Task& task, const std::string& run, const std::string& reason) {
    task.progress = Progress::kBroken;
    report.not_started.push_back({task.cell->label, run, "not started", reason, ""});
    log.warn("not started: " + task.cell->label + ": " + reason);
    display.message("not started: " + task.cell->label + ": " + reason);
    give_up_what_needs(task);
  }

  void give_up_what_needs(const Task& first) {
    for (Task* task : first.needed_by)
      if (task->progress == Progress::kWaiting)
        refuse(*task, "",
               "prerequisite " + first.cell->label + (first.progress == Progress::kFinished ? " diverged" : " failed"));
  }

  // --- starting ---

  struct Place {
    std::string run;
    int attempt = 1;
    int accumulation = 1;
  };

  Place place_for(const PlannedCell& cell) const {
    const auto runs = store.runs_of_cells({cell.id});
    const auto last = std::ranges::max_element(runs, {}, [](const RunRow& row) { return run_number(row.run); });
    if (last != runs.end()) {
      const auto folder = folder_of(last->run);
      const int next = read_attempt_facts(folder).last + 1;
      if (is_resumable(last->state) && read_event_facts(folder).checkpoint)
        return {last->run, next, last->accumulation};
      if (last->state == RunState::kOutOfMemory)
        if (const int smaller = next_accumulation(cell.config, last->accumulation)) return {last->run, next, smaller};
    }
    return {next_run_name(store.out() / "runs", cell.id), 1, 1};
  }

  std::int64_t batch_of(const CellConfig& config) const {
    const auto name = options.batch_setting.find(config.suite);
    if (name == options.batch_setting.end() || name->second.empty()) return 0;
    const auto value = config.settings.find(name->second);
    const auto* batch = value == config.settings.end() ? nullptr : std::get_if<std::int64_t>(&value->second);
    return batch ? *batch : 0;
  }

  /// The next rung of the ladder; 0 when there is none: the suite cannot split, or this was the last attempt.
  int next_accumulation(const CellConfig& config, int accumulation) const {
    int rung = 1;
    for (int a = accumulation; a > 1; a /= 2) ++rung;
    const int next = 2 * accumulation;
    return rung < options.memory_attempts && batch_of(config) >= next ? next : 0;
  }

  void launch(Task& task, const Demand& demand, const Placement& placement) {
    const PlannedCell& cell = *task.cell;
    const Place place = place_for(cell);
    const auto folder = folder_of(place.run);
    RunRequest request{place.run,     cell.id,           cell.config,        {},
                       place.attempt, placement.threads, place.accumulation, cell.working_dir};
    for (const auto& [suite, id] : cell.config.inputs)
      request.inputs[suite] = folder_of(by_cell.at(id)->run) / "artifacts";
    write_file_atomic(folder / "run.json", to_json(request).dump(2) + "\n");

    clear_stop_request(folder);

    Active a;
    describe(a, task);
    a.run = place.run;
    a.attempt = place.attempt;
    a.accumulation = place.accumulation;
    a.began = steady_seconds();
    a.memory_kills = out_of_memory_kills();
    std::error_code error;
    const auto before = fs::file_size(folder / "stderr.log", error);
    a.stderr_offset = error ? 0 : before;
    task.run = place.run;
    const AttemptStart start =
        executor.start({.run = place.run,
                        .folder = folder,
                        .demand = demand,
                        .placement = placement,
                        .attempt = place.attempt,
                        .accumulation = place.accumulation,
                        .record = [&](const AttemptStart& identity) { append_attempt(folder, identity); }});
    task.progress = Progress::kActive;
    active.push_back(a);
    store.ingest({place.run});
    log.info("started " + place.run + " attempt " + std::to_string(place.attempt) + " (process " +
             std::to_string(start.pid) + (start.devices.empty() ? "" : ", " + join(start.devices, ",")) +
             "): " + cell.label);
  }

  // --- watching ---

  /// Returns whether any has ended.
  bool collect_ended() {
    bool any = false;
    for (std::size_t i = 0; i < active.size();) {
      auto ending = executor.poll(active[i].run);
      if (!ending) {
        ++i;
        continue;
      }
      const Active a = active[i];
      active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
      record_end(a, *ending);
      any = true;
    }
    may_have_room = may_have_room || any;
    return any;
  }

  void record_end(const Active& a, const Ending& ending) {
    const auto folder = folder_of(a.run);
    const auto events = read_event_facts(folder);
    AttemptEnd end = classify(ending, events,
                              {.stop_requested = stop_since >= 0 || a.unwanted,
                               .time_limit_s = a.timed_out ? options.time_limit_s : 0,
                               .memory_kill = ending.memory_kill || out_of_memory_kills() > a.memory_kills,
                               .stderr_tail = tail_of(folder / "stderr.log", a.stderr_offset)});
    end.attempt = a.attempt;
    end.ended_at = utc_now();
    end.wall_seconds = ending.wall_seconds.value_or(steady_seconds() - a.began);
    if (a.task) explain(a, end);
    append_attempt(folder, end);
    store.ingest({a.run});
    log.info("ended " + a.run + ": " + end.outcome + (end.reason.empty() ? "" : ": " + end.reason) +
             (end.disturbance.empty() ? "" : "; " + end.disturbance));
    const bool goes_on = a.task && heed_end(a, end);
    const bool is_failure = end.outcome != "done" && end.outcome != "diverged" && end.outcome != "interrupted";
    display.ended({a.label, end.outcome, end.wall_seconds, latest_metric(a), end.reason,
                   is_failure && !goes_on ? end.stderr_tail : "", folder.string()},
                  totals());
  }

  int most_preemptions() const { return executor.outlives_us() ? kMostRequeues : kMostPreemptions; }

  /// Completes the reason by what follows from it.
  void explain(const Active& a, AttemptEnd& end) const {
    if (end.outcome == "preempted" && a.task->preemptions + 1 >= most_preemptions())
      end.reason += "; that was the " + std::to_string(most_preemptions()) + "th time";
    if (end.outcome != "out of memory") return;
    const auto batch = batch_of(a.task->cell->config);
    const auto micro = [&](int accumulation) { return std::to_string((batch + accumulation - 1) / accumulation); };
    if (const int next = next_accumulation(a.task->cell->config, a.accumulation))
      end.reason +=
          "; goes on with micro-batch " + micro(a.accumulation) + "->" + micro(next) + ", effective batch kept";
    else if (a.accumulation > 1)
      end.reason += "; even with micro-batch " + micro(a.accumulation);
  }

  /// Draws the consequences for the plan. Returns whether the run goes on here.
  bool heed_end(const Active& a, const AttemptEnd& end) {
    Task& task = *a.task;
    learned.add_peaks(task.kind, end.peak_memory.value_or(0), end.peak_device_memory.value_or(0));
    if (end.outcome == "done" || end.outcome == "diverged") {
      finish(task, end.outcome == "done");
      // An attempt that went on from a checkpoint says nothing of a whole run.
      if (a.attempt == 1) {
        order_is_stale = order_is_stale || !length(task.kind, a.suite, a.optimizer);
        expected.add(a.suite, a.optimizer, end.wall_seconds);
        learned.add_seconds(task.kind, end.wall_seconds);
      }
      return false;
    }
    if (end.outcome == "interrupted") {
      task.progress = Progress::kInterrupted;
      ++report.interrupted;
      return false;
    }
    // Adopted, and nobody saw it end.
    if (end.outcome == "lost" && ++task.preemptions < most_preemptions()) return again(task);
    if (stop_since < 0) {
      if (end.outcome == "preempted" && ++task.preemptions < most_preemptions()) return again(task);
      if (end.outcome == "out of memory" && next_accumulation(task.cell->config, a.accumulation)) return again(task);
    }
    task.progress = Progress::kBroken;
    report.failures.push_back({a.label, a.run, end.outcome, end.reason, end.stderr_tail});
    give_up_what_needs(task);
    return false;
  }

  bool again(Task& task) {
    task.progress = Progress::kWaiting;
    ++report.resumed;
    enqueue(task, /*at_front=*/true);
    return true;
  }

  void finish(Task& task, bool usable) {
    task.progress = Progress::kFinished;
    task.usable = usable;
    ++(usable ? report.done : report.diverged);
    if (!usable) return give_up_what_needs(task);
    for (Task* next : task.needed_by)
      if (--next->unmet == 0 && next->progress == Progress::kWaiting) enqueue(*next);
  }

  std::string latest_metric(const Active& a) const {
    const auto history = metric_history(a);
    return history.empty() ? "" : metric_text(options.primary_metric.at(a.suite), history.back());
  }

  std::vector<double> metric_history(const Active& a) const {
    std::vector<double> out;
    const auto it = options.primary_metric.find(a.suite);
    if (it == options.primary_metric.end() || it->second.empty()) return out;
    for (const auto& point : store.series(a.run, it->second)) out.push_back(point.value);
    return out;
  }

  Totals totals() {
    Totals t;
    t.total = report.total;
    t.ended = report.already + report.done + report.diverged +
              static_cast<int>(report.failures.size() + report.not_started.size());
    t.failed = static_cast<int>(report.failures.size() + report.not_started.size());
    t.elapsed_s = steady_seconds() - began;
    if (steady_seconds() - eta_at > kQueueSeconds) {
      eta = remaining_seconds();
      eta_at = steady_seconds();
    }
    t.eta_s = eta;
    for (const Line* line : order) {
      t.waiting += static_cast<int>(line->tasks.size());
      if (t.waits.empty() && !line->tasks.empty()) t.waits = wait_of(*line);
    }
    return t;
  }

  std::string wait_of(const Line& line) const {
    if (static_cast<int>(active.size()) >= slots)
      return "waits: " + std::to_string(active.size()) + " of " + std::to_string(slots) + " runs are going";
    return line.waits;
  }

  /// When the last run ends if each takes as long as its kind does, and the longest begin first.
  std::optional<double> remaining_seconds() const {
    std::vector<double> lengths;
    for (const auto& task : tasks) {
      if (task.progress != Progress::kWaiting) continue;
      const auto l = length(task.kind, task.cell->config.suite, task.cell->config.optimizer);
      if (!l) return std::nullopt;
      lengths.push_back(*l);
    }
    std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
    double end = 0;
    for (const auto& a : active) {
      if (!a.task) continue;
      // Its own pace once a tenth of it was seen: what others took says little on a machine that is busier now, or of a
      // run that goes on from a checkpoint.
      auto left = a.pace.remaining(steady_seconds());
      if (!left || a.pace.seen_part() < 0.1) {
        const auto l = length(a.task->kind, a.suite, a.optimizer);
        if (!l) return std::nullopt;
        left = std::max(0.0, *l - (steady_seconds() - a.began));
      }
      free_at.push(*left);
      end = std::max(end, free_at.top());
    }
    while (static_cast<int>(free_at.size()) < slots) free_at.push(0);
    std::ranges::sort(lengths, std::greater<>());
    for (const double l : lengths) {
      const double at = free_at.top() + l;
      free_at.pop();
      free_at.push(at);
      end = std::max(end, at);
    }
    return end;
  }

  void tick() {
    heed_stop_requests();
    executor.observe();
    for (const auto& warning : executor.take_warnings()) {
      log.warn(warning);
      display.message("warning: " + warning);
    }
    std::vector<std::string> runs, cells;
    for (const auto& a : active) {
      runs.push_back(a.run);
      cells.push_back(a.cell);
    }
    std::vector<ActiveView> views;
    if (!runs.empty()) {
      store.ingest(runs);
      const auto rows = store.runs_of_cells(cells);
      for (auto& a : active) {
        ActiveView view{a.label, 0, 0, steady_seconds() - a.began, latest_metric(a), metric_history(a)};
        if (const auto row = std::ranges::find(rows, a.run, &RunRow::run); row != rows.end()) {
          view.step = row->step;
          view.steps = row->steps;
          a.pace.saw(steady_seconds(), row->step, row->steps);
          if (!a.warm && row->step > 0) {
            a.warm = true;
            executor.warmed_up(a.run);
            may_have_room = true;
          }
        }
        views.push_back(std::move(view));
      }
    }
    const Totals now = totals();
    display.tick(views, now);
    // With nothing going on, people must hear what everything waits for.
    if (active.empty() && now.waits != shown_wait && !now.waits.empty()) display.message(now.waits);
    shown_wait = active.empty() ? now.waits : "";
    publish(now);
    may_have_room = may_have_room || now.waiting > 0;  // memory and devices change without telling
  }

  void publish(const Totals& now) {
    if (steady_seconds() - queue_at < kQueueSeconds) return;
    queue_at = steady_seconds();
    QueueView queue{.waiting = {}, .eta_s = now.eta_s};
    for (const Line* line : order)
      if (!line->tasks.empty())
        queue.waiting.push_back(
            {wait_of(*line), line->tasks.front()->cell->label, static_cast<int>(line->tasks.size())});
    std::map<std::string, int> by_need;
    for (const auto& task : tasks)
      if (task.progress == Progress::kWaiting && task.unmet > 0)
        for (const auto& need : task.cell->needs)
          if (const Task* first = by_cell.at(need); first->progress != Progress::kFinished) {
            ++by_need["waits for its prerequisite " + first->cell->label];
            break;
          }
    for (const auto& [reason, cells] : by_need) queue.waiting.push_back({reason, "", cells});
    write_queue(store.out(), queue);
  }

  // --- stopping ---

  int interrupts() const { return options.interrupts ? options.interrupts->load() : 0; }

  void heed_interrupts() {
    if (interrupts() >= 1 && stop_since < 0 && executor.outlives_us()) return leave();
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

  /// Ends this session and leaves its runs where they are.
  void leave() {
    stop_since = steady_seconds();
    if (!active.empty())
      display.message(
          std::to_string(active.size()) +
          " run(s) stay in the queue; the same command watches them again, `pionbench stop --all` ends them");
    log.info("left " + std::to_string(active.size()) + " run(s) in the queue");
    active.clear();
  }

  void heed_time_limits() {
    for (auto& a : active) {
      const double now = steady_seconds();
      if (!executor.has_begun(a.run)) a.began = now;  // waiting is not running
      if (options.time_limit_s <= 0) continue;
      if (a.stop_since < 0 && now - a.began > options.time_limit_s) {
        a.stop_since = now;
        a.timed_out = true;
        log.info(a.run + " reached its time limit");
        executor.request_stop(a.run);
      } else if (a.timed_out && !a.killed && now - a.stop_since > options.grace_s) {
        a.killed = true;
        executor.kill(a.run);
      }
    }
  }

  /// `pionbench stop RUN`, from another process.
  void heed_stop_requests() {
    for (auto& a : active) {
      const StopRequest request = read_stop_request(folder_of(a.run));
      if (request == StopRequest::kNone) continue;
      if (!a.unwanted) {
        display.message("stopping " + a.label + ", as asked");
        log.info("asked to stop " + a.run);
        executor.request_stop(a.run);
      }
      a.unwanted = true;
      if (request == StopRequest::kKill && !std::exchange(a.killed, true)) executor.kill(a.run);
    }
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
    if (executor.outlives_us()) return;
    if (stop_since < 0) ask_to_stop();
    while (!active.empty()) {
      if (!killed && (interrupts() >= 2 || steady_seconds() - stop_since > options.grace_s)) kill_all();
      try {
        collect_ended();
      } catch (const std::exception& e) {
        log.warn(std::string("cannot record an end: ") + e.what());  // the next start finds it as an orphan
      }
      if (!active.empty()) executor.wait(kTickSeconds);
    }
  }

  bool has_waiting() const {
    return std::ranges::any_of(order, [](const Line* line) { return !line->tasks.empty(); });
  }

  void loop() {
    double last_tick = -1e9;
    for (;;) {
      heed_interrupts();
      heed_time_limits();
      bool changed = collect_ended();
      if (stop_since < 0 && may_have_room) {
        may_have_room = false;
        while (launch_next()) changed = true;
      }
      if (active.empty() && (stop_since >= 0 || !has_waiting())) break;
      if (changed || steady_seconds() - last_tick >= kTickSeconds) {
        last_tick = steady_seconds();
        tick();
      }
      executor.wait(kTickSeconds);
    }
    report.stopped = stop_since >= 0;
    remove_queue(store.out());
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
    remove_queue(impl_->store.out());
    impl_->display.close();
    throw;
  }
  impl_->display.close();
  return impl_->report;
}

}  // namespace pionbench
