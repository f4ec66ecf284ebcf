#include "harness/cli/backend.h"

#include "core/error.h"
#include "core/files.h"
#include "harness/schedule/local_executor.h"
#include "harness/schedule/outcome.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/user_program.h"
#include "harness/slurm/executor.h"
#include "harness/slurm/node_spool.h"
#include "harness/slurm/site.h"

namespace pionbench {
namespace {

std::unique_ptr<Executor> slurm_executor(const SlurmSite& site, const Context& context, RunLog& log) {
  return std::make_unique<SlurmExecutor>(context.out, SlurmExecutor::Programs{context.worker, node_program()}, site,
                                         [&log](const std::string& line) { log.info(line); });
}

void refuse_queued_runs(const Store& store, const Context& context) {
  std::string first;
  int count = 0;
  for (const auto& row : store.runs()) {
    if (row.state != RunState::kRunning) continue;
    const auto attempts = read_attempt_facts(store.out() / "runs" / row.run);
    if (!attempts.unended || attempts.unended->job.empty()) continue;
    if (count++ == 0) first = row.run;
  }
  if (count == 0) return;
  throw UserError(std::to_string(count) + (count == 1 ? " run" : " runs") + " of " + context.out.string() + " (" +
                      first + (count == 1 ? ")" : ", ...)") +
                      " may be in Slurm's queue; go on with --backend slurm, or end them with: pionbench stop --all",
                  kInterrupted);
}

}  // namespace

void add_backend_options(CLI::App& app, BackendArguments& arguments) {
  app.add_option("--backend", arguments.backend, "where runs run: local (default) or slurm")
      ->check(CLI::IsMember({"local", "slurm"}));
  app.add_option("--site", arguments.site,
                 "file with the cluster's settings (default: $PIONBENCH_SITE, ~/.config/pionbench/site.yaml)");
}

bool is_remote(const BackendArguments& arguments) {
  return (arguments.backend.empty() ? load_site(arguments.site).backend : arguments.backend) == "slurm";
}

std::unique_ptr<Executor> make_executor(const BackendArguments& arguments, const Context& context, const Store& store,
                                        RunLog& log, int slots) {
  const Site site = load_site(arguments.site);
  if (is_remote(arguments)) return slurm_executor(site.slurm, context, log);
  refuse_queued_runs(store, context);
  return std::make_unique<LocalExecutor>(context.worker, slots);
}

std::unique_ptr<Executor> executor_of_job(const std::string& job, const std::string& site, const Context& context,
                                          RunLog& log) {
  if (job.empty()) return std::make_unique<LocalExecutor>(context.worker, 0);
  return slurm_executor(load_site(site).slurm, context, log);
}

void settle_ended_jobs(Store& store) {
  std::vector<std::string> settled;
  for (const auto& row : store.runs()) {
    if (row.state != RunState::kRunning) continue;
    const auto folder = store.out() / "runs" / row.run;
    const auto attempts = read_attempt_facts(folder);
    if (!attempts.unended || attempts.unended->job.empty()) continue;
    const NodeFacts facts = read_node_facts(folder);
    const int attempt = attempts.unended->attempt;
    const auto found = facts.ends.find(attempt);
    // What goes on as a later attempt is the executor's to follow.
    if (found == facts.ends.end() || found->second.requeue || facts.last() > attempt) continue;
    const NodeEnd& node = found->second;
    AttemptEnd end =
        classify({.exit_code = node.exit_code, .signal = node.signal, .reason = node.reason}, read_event_facts(folder),
                 {.memory_kill = node.memory_kill, .stderr_tail = tail_of(folder / "stderr.log", 0)});
    end.attempt = attempt;
    end.ended_at = node.ended_at;
    end.wall_seconds = node.wall_seconds;
    append_attempt(folder, end);
    settled.push_back(row.run);
  }
  if (!settled.empty()) store.ingest(settled);
}

}  // namespace pionbench
