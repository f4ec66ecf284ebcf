#pragma once
/// A suite is one kind of workload. It declares its settings and runs one cell; the worker gives it events, clocks
/// and a device. One more suite is one file that defines `SuiteEntry <name>_suite()` and one line in suites.cpp.

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/info.h"
#include "core/run_request.h"
#include "experiments/worker/checkpoint.h"
#include "experiments/worker/events.h"

namespace pionbench {

/// How a run ended in its own view.
enum class RunStatus { kDone, kDiverged, kInterrupted };

struct RunOutcome {
  RunStatus status = RunStatus::kDone;
  std::int64_t step = 0;    ///< the last finished step
  std::string reason = {};  ///< one line, when it diverged
};

struct RunContext {
  const RunRequest& request;
  std::filesystem::path folder;  ///< the run's own folder
  EventWriter& events;
  torch::Device device;
  torch::Dtype dtype;
  /// A suite that trains: restore() once everything is built, save() at a step's end when is_due(), and before it
  /// leaves because of stop_requested().
  Checkpoint& checkpoint;

  const Values& settings() const { return request.config.settings; }
  const Values& hyper() const { return request.config.hyper; }
  std::filesystem::path artifacts() const { return folder / "artifacts"; }
  /// The artifacts folder of a finished prerequisite.
  const std::filesystem::path& input(const std::string& suite) const;
  /// SIGTERM, SIGINT or SIGUSR2 has arrived: write a checkpoint and leave at the next step with kInterrupted.
  bool stop_requested() const;
};

struct SuiteEntry {
  SuiteInfo info;
  RunOutcome (*run)(RunContext& context);
};

/// Every suite, in display order.
const std::vector<SuiteEntry>& suites();
/// UserError with the nearest name when there is none.
const SuiteEntry& find_suite(const std::string& name);

/// Rows that every suite with tensors declares: seed, device, dtype.
std::vector<Setting> common_settings();

// One declaration per suite file.
SuiteEntry maps_suite();
SuiteEntry arith_suite();
SuiteEntry arith_sft_suite();
SuiteEntry algebra_suite();
SuiteEntry algebra_sft_suite();
SuiteEntry gsm8k_suite();
SuiteEntry math_suite();

}  // namespace pionbench
