#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/backend.h"
#include "harness/cli/find_run.h"
#include "harness/cli/planning.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/process.h"
#include "harness/schedule/queue_file.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/run_log.h"
#include "harness/schedule/stop_request.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr auto kPoll = std::chrono::milliseconds(50);
// After a kill: until the kernel, or Slurm with its KillWait of 30 s, has carried it out.
constexpr double kAfterKill_s = 60;

struct StopArguments {
  std::vector<std::string> runs;
  bool all = false;
  double grace_s = 30;
  std::string site;
};

struct Target {
  std::string run;
  std::string label;
  AttemptStart start;
  std::string outcome = {};  ///< once it has ended
};

/// Runs with a process, or a place in a queue.
std::vector<Target> runs_at_work(const Store& store, const fs::path& out) {
  std::vector<Target> targets;
  const auto experiments = store.experiments();
  for (const auto& row : store.runs()) {
    if (row.state != RunState::kRunning) continue;
    const fs::path folder = out / "runs" / row.run;
    const auto attempts = read_attempt_facts(folder);
    if (!attempts.unended) continue;
    const AttemptStart& start = *attempts.unended;
    const bool is_over = start.job.empty() ? !is_alive(start) : false;
    if (is_over) continue;
    targets.push_back({row.run, label_of_cell(experiments, row.cell, row.suite), start});
  }
  return targets;
}

std::vector<Target> chosen(const StopArguments& a, const Store& store, const fs::path& out) {
  auto targets = runs_at_work(store, out);
  if (a.all) return targets;
  std::vector<std::string> names;
  for (const auto& name : a.runs) {
    const std::string run = find_run(store.runs(), name).run;
    if (std::ranges::find(targets, run, &Target::run) == targets.end())
      throw UserError("run " + run + " is not going  see: pionbench status", kUsage);
    names.push_back(run);
  }
  std::erase_if(targets, [&](const Target& t) { return std::ranges::find(names, t.run) == names.end(); });
  return targets;
}

/// Whether `condition` came true within `seconds`.
template <typename Condition>
bool wait_until(double seconds, const Condition& condition) {
  for (const double end = steady_seconds() + seconds; !condition();) {
    if (steady_seconds() > end) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

/// Reads the end of the target's attempt from its spool; true once it is there.
bool has_ended(Target& target, const fs::path& out) {
  if (!target.outcome.empty()) return true;
  const fs::path folder = out / "runs" / target.run;
  const auto facts = read_attempt_facts(folder);
  if (facts.unended && facts.unended->attempt == target.start.attempt) return false;
  target.outcome = "stopped";
  return true;
}

/// The orchestrator at work does it.
void ask_orchestrator(std::vector<Target>& targets, const StopArguments& a, const Context& context, int holder) {
  const auto all_ended = [&] {
    return !OutLock::holder(context.out) ||
           std::ranges::all_of(targets, [&](Target& t) { return has_ended(t, context.out); });
  };
  for (const StopRequest request : {StopRequest::kStop, StopRequest::kKill}) {
    for (const auto& t : targets)
      if (t.outcome.empty()) write_stop_request(context.out / "runs" / t.run, request);
    if (wait_until(request == StopRequest::kStop ? a.grace_s : kAfterKill_s, all_ended)) return;
  }
  throw UserError("the pionbench at work (process " + std::to_string(holder) + ") does not react; end it: kill " +
                      std::to_string(holder),
                  kFailed);
}

/// Ends the orchestrator, which ends its workers (or leaves them in the queue).
void end_orchestrator(const StopArguments& a, const Context& context, int holder) {
  const auto is_gone = [&] { return OutLock::holder(context.out) != std::optional(holder); };
  ::kill(holder, SIGTERM);
  if (wait_until(a.grace_s, is_gone)) return;
  ::kill(holder, SIGTERM);  // the second time kills
  if (!wait_until(kAfterKill_s, is_gone))
    throw UserError("the pionbench at work (process " + std::to_string(holder) + ") does not end; kill -9 " +
                        std::to_string(holder) + " and stop again",
                    kFailed);
}

void record(Store& store, const Target& target, const Ending& ending, std::string& outcome) {
  const fs::path folder = fs::absolute(store.out()) / "runs" / target.run;
  AttemptEnd end = classify(
      ending, read_event_facts(folder),
      {.stop_requested = true, .memory_kill = ending.memory_kill, .stderr_tail = tail_of(folder / "stderr.log", 0)});
  end.attempt = target.start.attempt;
  end.ended_at = utc_now();
  end.wall_seconds = ending.wall_seconds.value_or(read_event_facts(folder).last_t);
  append_attempt(folder, end);
  store.ingest({target.run});
  outcome = end.outcome;
}

/// Nobody is at work here: ends workers and jobs that were left, and notes their ends.
void stop_here(std::vector<Target>& targets, const StopArguments& a, const Context& context) {
  const OutLock lock(context.out);
  Store store(context.out, Store::Mode::kReadWrite);
  store.ingest();
  RunLog log(context.out / "pionbench.log");
  for (const bool in_queue : {false, true}) {
    std::vector<Target*> mine;
    for (auto& t : targets)
      if (t.outcome.empty() && t.start.job.empty() != in_queue && !has_ended(t, context.out)) mine.push_back(&t);
    if (mine.empty()) continue;
    const auto executor = executor_of_job(mine[0]->start.job, a.site, context, log);
    for (const Target* t : mine) {
      executor->adopt(t->run, t->start);
      executor->request_stop(t->run);
    }
    const auto all_ended = [&] {
      for (Target* t : mine) {
        if (!t->outcome.empty()) continue;
        if (const auto ending = executor->poll(t->run)) record(store, *t, *ending, t->outcome);
      }
      for (const auto& warning : executor->take_warnings()) std::fprintf(stderr, "warning: %s\n", warning.c_str());
      return std::ranges::all_of(mine, [](const Target* t) { return !t->outcome.empty(); });
    };
    if (wait_until(a.grace_s, all_ended)) continue;
    std::fprintf(stderr, "some did not end within %.0f s; killing them\n", a.grace_s);
    for (const Target* t : mine)
      if (t->outcome.empty()) executor->kill(t->run);
    wait_until(2 * kAfterKill_s, all_ended);
  }
}

int stop(const StopArguments& a, const Context& context) {
  if (a.runs.empty() != a.all) throw UserError("name the runs to stop, or all of them with --all", kUsage);
  std::vector<Target> targets;
  if (const auto store = open_store_if_any(context.out)) targets = chosen(a, *store, context.out);
  const auto holder = OutLock::holder(context.out);
  const bool has_scheduler = holder && (!targets.empty() || read_queue(context.out));
  if (!context.dry_run && a.all && has_scheduler) end_orchestrator(a, context, *holder);
  if (!context.dry_run && !a.all && holder) ask_orchestrator(targets, a, context, *holder);
  const bool left = std::ranges::any_of(targets, [&](Target& t) { return !has_ended(t, context.out); });
  if (!context.dry_run && left) stop_here(targets, a, context);

  Json rows = Json::array();
  bool all_ended = true;
  for (auto& t : targets) {
    const bool ended = has_ended(t, context.out);
    all_ended = all_ended && (context.dry_run || ended);
    rows.push_back({{"run", t.run}, {"label", t.label}, {"outcome", ended ? t.outcome : "running"}});
    if (!context.json && !context.quiet)
      std::printf("%s %s  %s%s\n", context.dry_run ? "would stop" : "stopped", t.run.c_str(), t.label.c_str(),
                  context.dry_run || ended ? "" : "  (still there)");
  }
  if (context.json)
    print_json({{"dry_run", context.dry_run}, {"stopped", rows}});
  else if (targets.empty() && !context.quiet)
    std::printf(has_scheduler && !context.dry_run ? "ended pionbench; no run was going\n" : "no run is going\n");
  return all_ended ? kDone : kFailed;
}

}  // namespace

const Verb kStopVerb = {
    "stop", "End runs in order: they write a checkpoint, and the same command goes on with them later",
    "pionbench stop 3f2a90c1d2e4.1\npionbench stop --all", [](CLI::App& app, const Context& context) {
      auto a = std::make_shared<StopArguments>();
      app.add_option("RUN", a->runs, "runs, or the beginnings of their names or cells");
      app.add_flag("--all", a->all, "every run of this folder, here and in the queue, and pionbench itself");
      app.add_option("--grace", a->grace_s, "seconds to end in order before being killed")
          ->check(CLI::NonNegativeNumber)
          ->capture_default_str();
      app.add_option("--site", a->site, "the cluster's settings, as for run");
      return Runner([&context, a] { return stop(*a, context); });
    }};

}  // namespace pionbench
