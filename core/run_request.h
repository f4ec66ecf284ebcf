#pragma once
/// run.json: what one worker process is asked to do. The orchestrator writes it, the worker reads it; nothing
/// else passes between them on the way in. (On the way out: events.jsonl, docs/event-protocol.md.)

#include <filesystem>
#include <map>
#include <string>

#include "core/catalog.h"

namespace pionbench {

/// The canonical configuration of a cell: everything that may change a result, and nothing else.
/// Its content hash is the cell's identity.
struct CellConfig {
  std::string suite;
  int suite_version = 1;
  std::string optimizer;  ///< "" where the suite takes none
  int optimizer_version = 0;
  Values settings;                            ///< every setting of the suite, resolved
  Values hyper;                               ///< every hyperparameter of the optimizer, resolved
  std::map<std::string, std::string> inputs;  ///< prerequisite suite -> cell identity
};

/// One run directory:
///   <out>/runs/<run>/run.json        this
///   <out>/runs/<run>/events.jsonl    the worker's spool
///   <out>/runs/<run>/attempts.jsonl  the orchestrator's spool: one line when a process starts, one when it ends
///   <out>/runs/<run>/stdout.log stderr.log
///   <out>/runs/<run>/artifacts/      files the run leaves behind
struct RunRequest {
  std::string run;   ///< "<first 12 digits of the cell>.<n>"; n counts the executions of that cell from 1
  std::string cell;  ///< 64 hexadecimal digits
  CellConfig config;
  std::map<std::string, std::filesystem::path> inputs;  ///< prerequisite suite -> its artifacts folder
  int attempt = 1;
  int threads = 1;  ///< CPU threads for this process
  /// Micro-batches that one update is split into, their gradients accumulated; 1 unless memory ran out before. The
  /// effective batch stays, so this is no part of the cell, but sums are rounded in another order.
  int accumulation = 1;
};

Json to_json(const CellConfig& config);
CellConfig cell_config_from_json(const Json& json);
Json to_json(const RunRequest& request);
/// Throws UserError naming `where` when fields are missing or of the wrong type.
RunRequest run_request_from_json(const Json& json, const std::string& where);

}  // namespace pionbench
