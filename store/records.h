#pragma once
/// What the store holds, as plain values. No SQL, no torch.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/catalog.h"

namespace pionbench {

/// One experiment at one scale, as planned: the spec it came from, and its cells in display order.
/// Spool: <out>/experiments/<name>.<scale>.json, whole-file, replaced when the plan changes.
struct ExperimentRecord {
  struct Cell {
    std::string cell;
    std::string arm;                           ///< "" where the experiment has no arms
    std::map<std::string, std::string> point;  ///< grid coordinates as text: {"seed": "0", "auxiliary": "frozen"}
  };
  std::string name;
  std::string scale;
  Json spec;                      ///< the experiment file after overlays, as JSON
  std::vector<std::string> arms;  ///< display order
  std::vector<Cell> cells;        ///< without prerequisites
};

/// How a run stands. kRunning covers a live process; kInterrupted: stopped on our request; kPreempted: stopped by
/// somebody else's; kTimedOut: stopped at its time limit; kLost: the process vanished and nobody saw how it ended.
enum class RunState { kRunning, kDone, kDiverged, kFailed, kOutOfMemory, kInterrupted, kPreempted, kTimedOut, kLost };
std::string to_string(RunState state);  ///< "running", "done", "diverged", "failed", "out of memory", ...
RunState run_state_from_string(const std::string& text);
/// Done and diverged: there is a result, and running the cell again is not needed.
bool is_finished(RunState state);
/// Ended early through no fault of its own: it goes on from its checkpoint where there is one.
bool is_resumable(RunState state);

/// Phase under which the store keeps seconds that a lost attempt spent behind its last checkpoint: spent, but in no
/// clock, because the run did that work again.
inline constexpr const char* kDiscardedPhase = "discarded";

struct RunRow {
  std::string run;
  std::string cell;
  std::string suite;
  std::string optimizer;
  RunState state = RunState::kRunning;
  std::int64_t step = 0;     ///< the last step heard of
  std::int64_t steps = 0;    ///< planned, 0 when unknown
  double train_seconds = 0;  ///< sum of `train` phases, over attempts
  std::map<std::string, double> phase_seconds;
  int attempts = 0;
  int accumulation = 1;              ///< of the last attempt: above 1, memory ran out before (RunRequest::accumulation)
  std::vector<std::string> devices;  ///< UUIDs of the GPUs of the last attempt
  std::int64_t peak_memory = 0;      ///< bytes, highest of the attempts; 0 = not seen
  std::int64_t peak_device_memory = 0;  ///< bytes on the fullest GPU
  std::string disturbance;              ///< of any attempt: foreign processes, throttling
  std::optional<int> exit_code;         ///< of the last attempt
  std::optional<int> signal;            ///< of the last attempt
  std::string reason;                   ///< one line: why it failed or diverged; "" otherwise
  std::string stderr_tail;              ///< of the last attempt that failed
  std::string started_at;               ///< UTC
  std::string ended_at;                 ///< UTC; "" while it runs
};

struct SeriesPoint {
  std::int64_t step;
  double value;
};

struct ClockedPoint {
  std::int64_t step;
  double value;
  double train_seconds;
};

/// What one series was in one sitting.
struct BenchmarkSeries {
  std::string name;  ///< "<benchmark or cell>:<metric>"
  std::string unit;
  std::vector<double> samples;  ///< one per process or seed; at least one
  /// "good"; "changed": a gate found it unlike its history, no part of later history; "accepted": a change that is
  /// meant, history starts anew here.
  std::string standing = "good";
  std::string verdict = "";  ///< of the gate that judged it last: "REGRESSED", "PASS", ...; "" = none has
  std::string why = "";      ///< that gate's sentence
};

/// One stay at a machine: what `bench` or `gate` measured in one go.
/// Spool: <out>/benchmarks/<sitting>.json, whole-file.
struct Sitting {
  std::string sitting;  ///< unique, and in order of time: "20260524T010203456Z-1f0c"
  std::string recorded_at;
  std::string revision;
  std::string fingerprint;  ///< of `environment`: only equal ones are compared
  std::map<std::string, std::string> environment;
  std::vector<BenchmarkSeries> series;
};

/// Spread of a series between sittings of the same revision on the same machine.
struct NoiseRow {
  std::string series, fingerprint;
  double relative_sd;  ///< pooled over revisions, of the sittings' medians
  int sittings;
};

/// One value with all that a table outside the store needs to place it.
struct MetricRow {
  std::string run, cell, suite, optimizer;
  RunState state;
  std::string name;
  std::int64_t step;
  double value;
  std::string experiment, scale, arm;
  std::map<std::string, std::string> point;
};

struct Curve {
  std::string name;
  std::string variant;
  std::vector<double> x, y;
};

struct SpectralRow {
  std::int64_t step;
  std::string parameter;
  int head;
  std::string name;
  double value;
};

struct ItemRow {
  std::int64_t step;
  std::string split;
  std::int64_t item;
  std::string name;
  double value;
};

}  // namespace pionbench
