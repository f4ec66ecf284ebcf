#pragma once
/// An output folder with spools as a scheduler and its workers write them, made by hand.

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>

#include "common/hash.h"
#include "core/files.h"
#include "core/run_request.h"
#include "store/attempts.h"
#include "store/store.h"

namespace pionbench::testing {

/// A folder that is gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pionbench-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void append(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::app | std::ios::binary) << text;
}

/// One run folder and its next seq.
class RunSpool {
 public:
  RunSpool(const std::filesystem::path& out, CellConfig config, int number = 1) {
    request_.cell = content_hash(to_json(config));
    request_.run = request_.cell.substr(0, 12) + "." + std::to_string(number);
    request_.config = std::move(config);
    folder_ = out / "runs" / request_.run;
    std::filesystem::create_directories(folder_);
    write_file_atomic(folder_ / "run.json", to_json(request_).dump());
  }

  const std::string& run() const { return request_.run; }
  const std::string& cell() const { return request_.cell; }
  std::filesystem::path events() const { return folder_ / "events.jsonl"; }
  std::filesystem::path attempts() const { return folder_ / "attempts.jsonl"; }
  const std::filesystem::path& folder() const { return folder_; }

  /// The line for an event, with the next seq.
  std::string line(Json event) {
    event["seq"] = seq_++;
    event["t"] = 0.01 * static_cast<double>(seq_);
    return event.dump() + "\n";
  }
  RunSpool& event(Json event) {
    append(events(), line(std::move(event)));
    return *this;
  }
  RunSpool& metric(int step, const std::string& name, double value) {
    return event({{"type", "metric"}, {"step", step}, {"values", {{name, value}}}});
  }
  RunSpool& evaluate(int step, double greedy, double sampled, const std::string& split = "test") {
    return event({{"type", "evaluation"},
                  {"step", step},
                  {"split", split},
                  {"values", {{"greedy", greedy}, {"sampled", sampled}}}});
  }
  RunSpool& phase(int step, const std::string& name, double seconds) {
    return event({{"type", "phase"}, {"step", step}, {"name", name}, {"seconds", seconds}});
  }
  RunSpool& start(int attempt = 1, const std::string& at = "2026-01-02T03:04:05.000Z") {
    append_attempt(folder_, AttemptStart{attempt, at, "host", "boot", 4711, 99});
    return event({{"type", "run_started"},
                  {"schema", 1},
                  {"run", run()},
                  {"cell", cell()},
                  {"attempt", attempt},
                  {"environment", {{"device", "cpu"}, {"torch", "2.13.0"}}}});
  }
  RunSpool& finish(int step, const std::string& status = "done", const std::string& reason = "") {
    Json event = {{"type", "run_finished"}, {"status", status}, {"step", step}};
    if (!reason.empty()) event["reason"] = reason;
    return this->event(event);
  }
  RunSpool& end(const std::string& outcome, std::optional<int> exit_code, const std::string& reason = "",
                int attempt = 1) {
    AttemptEnd end{.attempt = attempt, .ended_at = "2026-01-02T03:14:05.000Z", .outcome = outcome};
    end.exit_code = exit_code;
    end.reason = reason;
    if (outcome == "failed") end.stderr_tail = "terminate called";
    append_attempt(folder_, end);
    return *this;
  }

 private:
  RunRequest request_;
  std::filesystem::path folder_;
  std::int64_t seq_ = 0;
};

inline CellConfig config(std::int64_t seed, const std::string& optimizer = "muon") {
  CellConfig c;
  c.suite = "rlvr/arith";
  c.optimizer = optimizer;
  c.optimizer_version = 1;
  c.settings = {{"seed", seed}, {"steps", std::int64_t{40}}};
  c.hyper = {{"lr", 3e-4}};
  return c;
}

/// Events of every type, with repeats that later lines overrule: what a store can be asked to hold.
inline Json random_event(std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto real = [&] { return static_cast<double>(random()) / 7.0e9 - 0.2; };
  const int step = below(20);
  switch (below(8)) {
    case 0:
      return {{"type", "spectral"},
              {"step", step},
              {"parameter", "layers." + std::to_string(below(3))},
              {"head", below(3) - 1},
              {"values", {{"effective_rank", real()}, {"snr", real()}}}};
    case 1:
      return {{"type", "evaluation"},
              {"step", step},
              {"split", below(2) ? "test" : "validation"},
              {"values", {{"greedy", real()}}},
              {"items", {{{"item", below(5)}, {"values", {{"correct", below(2)}}}}}}};
    case 2:
      return {{"type", "curve"},
              {"name", "pion"},
              {"variant", std::to_string(below(3))},
              {"x", {0, 1}},
              {"y", {0, real()}}};
    case 3:
      return {
          {"type", "phase"}, {"step", step}, {"name", below(2) ? "train" : "evaluate"}, {"seconds", 0.1 + below(9)}};
    case 4:
      return {{"type", "checkpoint"}, {"step", step}, {"path", "checkpoint.pt"}};
    case 5:
      return {
          {"type", "artifact"}, {"kind", "weights"}, {"path", "w" + std::to_string(below(3))}, {"bytes", below(999)}};
    case 6:
      return {{"type", "of a later protocol"}, {"anything", {1, 2, 3}}};
    default:
      return {{"type", "metric"}, {"step", step}, {"values", {{"reward", real()}, {"loss", real()}}}};
  }
}

inline ExperimentRecord experiment(const std::vector<std::string>& cells, const std::string& name = "fig2b",
                                   const std::string& scale = "quick") {
  ExperimentRecord e{.name = name, .scale = scale, .spec = {{"suite", "rlvr/arith"}}, .arms = {"Muon"}};
  for (std::size_t i = 0; i < cells.size(); ++i)
    e.cells.push_back({cells[i], "Muon", {{"seed", std::to_string(i)}, {"auxiliary", "frozen"}}});
  return e;
}

}  // namespace pionbench::testing
