#pragma once
/// `suite: command`: a workload that the experiment file itself declares. It runs any program that writes the event
/// protocol (docs/bring-your-own.md).
///
///   suite: command/mlp              # or just: command; the name tells workloads apart in tables
///   command:
///     argv: [python3, train.py]     # {NAME} stands for a parameter, {run_folder} for the run's folder, {python} for
///                                   # the Python of pionbench's own environment
///     env: {PYTHONHASHSEED: 0}
///     working_dir: .                # relative to this file; it is also where `files` are looked for
///     files: [train.py]             # their contents are part of a cell's identity
///     parameters: {optimizer: sgd, lr: 0.1, steps: 200, seed: 0}
///     metric: evaluation/test/accuracy
///     higher_is_better: true
///
/// A cell's identity holds argv, env and parameters as written, and the SHA-256 of every named file; never where the
/// files lie, so that a moved project is the same project.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/yaml.h"
#include "core/info.h"

namespace pionbench {

struct CommandSuite {
  SuiteInfo info;                     ///< name, metric, and the parameters as its settings
  std::string command;                ///< canonical JSON {argv, env, files}: the setting "command" of its cells
  std::filesystem::path working_dir;  ///< absolute
};

/// `suite` is "command" or "command/<name>".
inline bool is_command_suite(const std::string& suite) {
  return suite == "command" || suite.starts_with("command/");
}

/// Reads the block `command` of the experiment file `file` and the files that it names. UserError with file, line and
/// what is allowed.
CommandSuite read_command_suite(const std::string& suite, const std::string& suite_where, const YamlNode& node,
                                const std::filesystem::path& file);

}  // namespace pionbench
