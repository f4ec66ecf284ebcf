#pragma once
/// One task of an array, on its node: takes the run up, watches over the worker, and writes down how it ended. Runs in
/// the place of the batch script's shell, so Slurm's signals are for it. Needs neither the store nor Slurm's commands
/// (but for going back into the queue), and links nothing beyond the C++ library.

#include <filesystem>
#include <string>

namespace pionbench {

struct NodeTask {
  std::filesystem::path batch_folder;
  int task = 0;             ///< SLURM_ARRAY_TASK_ID
  std::string job;          ///< "<SLURM_ARRAY_JOB_ID>_<task>"
  double heartbeat_s = 10;  ///< also how often the lease is read
  double patience_s = 120;  ///< between telling the worker to stop and killing it
};

/// NodeTask from Slurm's variables. UserError when this is no task of an array.
NodeTask node_task_of_environment(const std::filesystem::path& batch_folder);

/// Runs the task to its end. Returns the worker's exit code, 128 + the signal that killed it, or 0 when there was
/// nothing to do because another task has the run now.
///
/// - Takes the run only while job.json names this task; a task that Slurm held back for days and that was given up
///   meanwhile leaves without a trace.
/// - The worker begins only once node.jsonl says so.
/// - SIGUSR2 and SIGTERM are handed on as SIGTERM, and so is a `stop` in job.json or its loss. After SIGUSR2 (time is
///   nearly up, or somebody with more right wants the node) a run with a checkpoint goes back into the queue.
/// - Whatever the worker started is killed and reaped, also what has made itself a daemon.
int run_node_task(const NodeTask& task);

}  // namespace pionbench
