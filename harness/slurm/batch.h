#pragma once
/// What passes between the orchestrator and the nodes, all of it files on the shared disk:
///
///   <out>/slurm/<batch>/tasks.json     which run each task of the array is; written before the array is handed in
///   <out>/slurm/<batch>/job.sh         the script that was handed in
///   <out>/slurm/<batch>/task-<n>.log   what Slurm and `setup` say on the node
///   <out>/runs/<run>/job.json          the lease: which task of which batch may work on this run, and whether it is
///                                      to stop. A task that finds another one's name here leaves at once.
///   <out>/runs/<run>/node.jsonl        what happened on the node (node_spool.h)
///   <out>/runs/<run>/heartbeat         a count that rises while the node works

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/slurm/site.h"

namespace pionbench {

struct BatchTask {
  std::string run;
  std::filesystem::path folder;
};

struct Batch {
  std::string id;
  std::filesystem::path worker;
  bool requeue = true;
  std::vector<BatchTask> tasks;
};

/// <out>/slurm/<batch>
std::filesystem::path batch_folder(const std::filesystem::path& out, const std::string& batch);
/// 12 random hexadecimal digits.
std::string new_batch_id();

void write_batch(const std::filesystem::path& folder, const Batch& batch);
/// UserError when it is missing or damaged.
Batch read_batch(const std::filesystem::path& folder);

struct Lease {
  std::string batch;
  int task = 0;
  bool stop = false;  ///< write a checkpoint and end; do not go back into the queue
};

void write_lease(const std::filesystem::path& run_folder, const Lease& lease);
/// Nothing when there is none, or none that can be read.
std::optional<Lease> read_lease(const std::filesystem::path& run_folder);

/// "slurm:<batch>.<task>": AttemptStart::job.
std::string job_text(const std::string& batch, int task);
/// The batch and task of such a text; nothing when it is none.
std::optional<Lease> parse_job_text(const std::string& text);

/// What one run needs of a node.
struct JobResources {
  int cpus = 1;
  int gpus = 0;
  std::string memory = "4G";
  bool exclusive = false;  ///< the node for itself: timed cells
  bool operator==(const JobResources&) const = default;
};

/// The options of sbatch for an array of `tasks` tasks, in the order in which they stand in the script.
std::vector<std::string> batch_options(const SlurmSite& site, const JobResources& resources, const std::string& batch,
                                       const std::filesystem::path& folder, int tasks);

/// The script: the options again, so that it can be handed in by hand, the site's set-up lines, and the program that
/// takes the shell's place, so that Slurm's signal reaches it.
std::string batch_script(const std::vector<std::string>& options, const std::string& setup,
                         const std::filesystem::path& node_program, const std::filesystem::path& folder);

/// One word of a shell, quoted where it must be.
std::string shell_word(const std::string& word);

}  // namespace pionbench
