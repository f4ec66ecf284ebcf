#pragma once
/// The site file: how this cluster wants its jobs. One YAML file, beside or far from the experiments, because it says
/// where they run and never what they are: nothing in it enters a cell's identity.
///
///   backend: slurm            # what `run` uses without --backend
///   slurm:
///     partition: gpu
///     account: physics
///     time: 4:00:00           # per attempt; a run that needs longer goes on from its checkpoint in the next one
///     memory: 16G             # always asked for: without it Slurm gives one job the whole node's
///     cpus: 4
///     gres: gpu:a100          # how a GPU is asked for; cells that use none ask for none
///     options: [--reservation=spring, --exclude=node7]
///     setup: |
///       module load cuda/12.4

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/setting.h"

namespace pionbench {

struct SlurmSite {
  std::string partition, account, qos, constraint, time;  ///< "": the cluster's default, no option is sent
  std::string memory = "4G";
  int cpus = 1;
  std::string gres = "gpu";          ///< name, or name:type; the count is the cell's
  int max_jobs = 500;                ///< in the queue or running at once
  int array_size = 0;                ///< tasks of one array at most; 0: what MaxArraySize allows
  int signal_before_end_s = 120;     ///< for the checkpoint; Slurm may send it up to 60 s earlier
  bool requeue = true;               ///< a preempted job goes back into the queue by itself
  double poll_s = 10;                ///< between two looks at the queue
  double file_delay_s = 60;          ///< until what a node wrote is surely seen here (NFS caches attributes so long)
  double silence_s = 120;            ///< without a sign of life, a job that Slurm does not know is taken for gone
  std::vector<std::string> options;  ///< more options of sbatch, as they are
  std::string setup;                 ///< lines of shell before the program
};

/// Rows for help and checks; `options` and `setup` are read apart.
const SettingTable& slurm_site_table();

struct Site {
  std::string backend = "local";
  SlurmSite slurm;
};

/// `text` as if it were the file `name`. UserError with file, line and nearest key.
Site parse_site(const std::string& text, const std::string& name);

/// The file named by `given`, else by $PIONBENCH_SITE, else ~/.config/pionbench/site.yaml when it is there; the
/// defaults when there is none.
Site load_site(const std::string& given);

}  // namespace pionbench
