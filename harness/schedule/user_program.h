#pragma once
/// The program behind a run of `suite: command` (harness/spec/command_suite.h), on the machine that runs it.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/run_request.h"

namespace pionbench {

struct UserProgram {
  std::vector<std::string> argv;             ///< parameters filled in
  std::map<std::string, std::string> env;    ///< beside what this process has
  std::filesystem::path working_dir;         ///< absolute
  std::map<std::string, std::string> files;  ///< name relative to working_dir -> SHA-256
};

/// From run.json of a run in `folder`. UserError when it is damaged.
UserProgram user_program(const RunRequest& request, const std::filesystem::path& folder);

/// UserError naming the files that are not what they were when the run was planned: its result would stand under
/// another program's name.
void require_unchanged_files(const UserProgram& program);

/// Reads run.json in `folder`, and turns this process into the program: the same process id, the same standard files.
/// Returns only by throwing UserError.
[[noreturn]] void become_user_program(const std::filesystem::path& folder);

/// How a worker on the run in `folder` is started: `worker run FOLDER`, or for a program of the user's
/// `pionbench-node command FOLDER`.
std::vector<std::string> worker_command(const std::filesystem::path& worker, const std::filesystem::path& folder);

/// pionbench-node beside this program, or $PIONBENCH_NODE.
std::filesystem::path node_program();

}  // namespace pionbench
