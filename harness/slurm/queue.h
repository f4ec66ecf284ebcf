#pragma once
/// Slurm's queue, through sbatch, squeue, scancel and scontrol. No accounting is needed.
///
/// Jobs are known by our own key, not by Slurm's number: a controller that was killed right after it took a job forgets
/// it and gives its number out again (22.05). The key stands in --comment and in the job's name; scancel is given the
/// name beside the number, so that it can never hit somebody else's job.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/subprocess.h"

namespace pionbench {

/// One task of one of our arrays, as squeue has it.
struct QueueRow {
  std::string batch;   ///< our key: BatchFolder's name
  int task = 0;        ///< index in the array
  std::string job;     ///< "22_3", as scancel and scontrol take it
  std::string state;   ///< "PENDING", "RUNNING", "COMPLETING", "TIMEOUT", ...
  std::string reason;  ///< why it waits: "Priority", "Resources", "BeginTime"; "None" where there is none
  std::string start;   ///< when it began, or is expected to; "N/A" when Slurm does not know
  std::string nodes;
};

/// Waiting in the queue, for the first time or again.
bool is_pending(const QueueRow& row);
/// It will not run again: completed, failed, cancelled, timed out, ...
bool is_over(const QueueRow& row);

/// What squeue is asked for, and its answer read; lines that are not ours are passed over.
std::vector<std::string> queue_query();
std::vector<QueueRow> parse_queue(std::string_view text);

/// "pionbench-<batch>": the job's name.
std::string job_name(const std::string& batch);
/// "pionbench:<batch>": the comment.
std::string job_comment(const std::string& batch);

/// The controller's answer to `squeue`, fetched in the background because a controller that is down keeps squeue
/// waiting for many seconds.
class QueueWatch {
 public:
  /// Starts a query unless one is under way.
  void ask();
  bool is_asking() const { return command_ != nullptr; }
  struct Answer {
    bool ok = false;
    std::string complaint;  ///< when it is not: what squeue said
    std::vector<QueueRow> rows;
  };
  /// The answer, once, when it has come.
  std::optional<Answer> poll();

 private:
  std::unique_ptr<Subprocess> command_;
};

/// All of it, waited for.
QueueWatch::Answer ask_queue();

/// Hands a script in and returns the array's job number. UserError with sbatch's words when it is refused for good;
/// nothing and `complaint` set when it may be taken later (a limit is reached, the controller is silent).
std::optional<std::string> submit_batch(const std::vector<std::string>& options, const std::string& script,
                                        std::string& complaint);

/// SIGUSR2 to the programs of running tasks (Slurm's batch step), so that they write a checkpoint and end.
void signal_tasks(const std::string& batch, const std::vector<std::string>& jobs);
/// Takes waiting tasks out of the queue and ends running ones (SIGTERM, after KillWait SIGKILL).
void cancel_tasks(const std::string& batch, const std::vector<std::string>& jobs);

/// The highest number of tasks in one array (MaxArraySize); 1001, the default, when the controller does not say.
int max_array_size();

/// Variables that Slurm sets inside a job. Handed to sbatch they would change what it asks for when pionbench itself
/// runs in a job; SLURM_CONF alone stays.
std::vector<std::string> slurm_job_variables();

}  // namespace pionbench
