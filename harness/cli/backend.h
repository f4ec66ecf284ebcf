#pragma once
/// Where runs run: --backend and --site, shared by the verbs that start runs.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "harness/cli/verbs.h"
#include "harness/schedule/executor.h"
#include "harness/schedule/run_log.h"
#include "store/store.h"

namespace pionbench {

struct BackendArguments {
  std::string backend;  ///< "local", "slurm", or "" for what the site file says
  std::string site;     ///< file; "" for the usual places
};

void add_backend_options(CLI::App& app, BackendArguments& arguments);

/// Whether runs run on other machines than this one.
bool is_remote(const BackendArguments& arguments);

/// The executor that was asked for; `slots` 0: as many runs as the place holds. UserError when it cannot work here, and
/// when runs of this folder are in the queue of another place, which this one could not see and would start a second
/// time.
std::unique_ptr<Executor> make_executor(const BackendArguments& arguments, const Context& context, const Store& store,
                                        RunLog& log, int slots);

/// An executor that can watch and end what `job` (AttemptStart::job) names; "" for local processes.
std::unique_ptr<Executor> executor_of_job(const std::string& job, const std::string& site, const Context& context,
                                          RunLog& log);

/// Notes the ends of queued runs that the nodes wrote down while no pionbench was here, so that verbs which only read
/// see them. The caller holds OutLock.
void settle_ended_jobs(Store& store);

}  // namespace pionbench
