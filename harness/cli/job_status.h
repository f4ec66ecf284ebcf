#pragma once
/// How runs in a cluster's queue stand: what their nodes wrote, merged with what Slurm says.

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "harness/slurm/queue.h"
#include "store/attempts.h"

namespace pionbench {

struct JobStatus {
  std::string state;   ///< "queued", "running", "ended": the node has written its end, or Slurm has none of it
  std::string job;     ///< "22_3"; "" when Slurm does not know it
  std::string node;    ///< while it runs
  std::string reason;  ///< why it waits, in Slurm's words
  std::string start;   ///< when it is expected to begin; "" when Slurm does not say
  std::optional<double> elapsed_s;
};

/// One sentence: "waits in Slurm's queue: Resources (job 22_3), expected 2026-11-24T06:45:44".
std::string to_text(const JobStatus& status);

class JobStatuses {
 public:
  /// `start` has a job. Asks Slurm once, when it is first needed.
  JobStatus of(const std::filesystem::path& run_folder, const AttemptStart& start);
  /// Why Slurm could not be asked; "" when it answered or was not asked.
  const std::string& complaint() const { return complaint_; }

 private:
  const QueueRow* find(const std::string& batch, int task);

  bool asked_ = false;
  std::map<std::pair<std::string, int>, QueueRow> rows_;
  std::string complaint_;
};

}  // namespace pionbench
