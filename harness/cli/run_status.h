#pragma once
/// How runs stand now: what the store says, and what it cannot know of those that go on.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/job_status.h"
#include "store/store.h"

namespace pionbench {

struct StatusRow {
  RunRow run;
  std::string state;
  std::string label;                ///< "fig2b Muon seed=0"; the suite where no experiment names the cell
  std::optional<double> elapsed_s;  ///< running only
  std::optional<double> eta_s;
  std::optional<JobStatus> job;  ///< in a cluster's queue
};

std::map<std::string, std::string> labels_by_cell(const std::vector<ExperimentRecord>& experiments);

StatusRow status_of(RunRow of, const std::filesystem::path& out, const std::map<std::string, std::string>& labels,
                    JobStatuses& jobs);

Json to_json(const StatusRow& row);

/// What a live scheduler says of cells that wait: {"waiting": [{reason, next, cells}], "eta_s": seconds or null}.
Json queue_json(const std::filesystem::path& out);

}  // namespace pionbench
