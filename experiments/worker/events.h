#pragma once
/// Writes docs/event-protocol.md: the worker's only way to say anything.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/catalog.h"
#include "core/files.h"

namespace pionbench {

using Named = std::map<std::string, double>;

class EventWriter {
 public:
  /// Goes on after the last whole line of an existing file; a torn last line is ended first.
  explicit EventWriter(const std::filesystem::path& file);

  /// From the second attempt on with the seq of the checkpoint that it goes on from (-1: it starts over) and its step.
  void run_started(const std::string& run, const std::string& cell, int attempt,
                   const std::map<std::string, std::string>& environment, std::int64_t resumed_from = -1,
                   std::int64_t step = 0);
  void metric(std::int64_t step, const Named& values);
  void spectral(std::int64_t step, const std::string& parameter, int head, const Named& values);
  /// `items[i]` belongs to item i of the split.
  void evaluation(std::int64_t step, const std::string& split, const Named& values,
                  const std::map<std::string, std::vector<double>>& items = {});
  void curve(const std::string& name, const std::string& variant, const std::vector<double>& x,
             const std::vector<double>& y);
  void phase(std::int64_t step, const std::string& name, double seconds);
  void progress(std::int64_t step, std::int64_t steps);
  void checkpoint(std::int64_t step, const std::string& path);
  void artifact(const std::string& kind, const std::string& path, std::int64_t bytes);
  void run_finished(const std::string& status, std::int64_t step, const std::string& reason = "");

  std::int64_t next_seq() const { return seq_; }
  /// Returns once the disk has every event written so far.
  void flush() { lines_.flush(); }
  /// Seconds of each phase, over all attempts; what a lost attempt spent behind its last checkpoint is not in them.
  const std::map<std::string, double>& clocks() const { return clocks_; }
  void restore_clocks(const std::map<std::string, double>& clocks) { clocks_ = clocks; }

 private:
  void write(const char* type, Json fields, bool durable = false);

  std::int64_t seq_ = 0;
  double start_;
  LineWriter lines_;
  std::map<std::string, double> clocks_;
};

/// Times one phase of a run on the steady clock: from construction to `stop()` or destruction. On an accelerator
/// the device is synchronised at both ends, so that the seconds are those of the work and not of its launch.
class PhaseTimer {
 public:
  PhaseTimer(EventWriter& events, std::int64_t step, std::string name, bool synchronize_cuda = false);
  ~PhaseTimer();
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  void stop();

 private:
  EventWriter& events_;
  std::int64_t step_;
  std::string name_;
  bool synchronize_;
  double start_;
  bool running_ = true;
};

}  // namespace pionbench
