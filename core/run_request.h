#pragma once
/// run.json: what one worker process is asked to do. The orchestrator writes it, the worker reads it; nothing
/// else passes between them on the way in. (On the way out: events.jsonl, docs/event-protocol.md.)

#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/catalog.h"

namespace pionbench {

/// Values that many cells have in common. A copy costs one reference count, so that a plan of 100,000 cells holds each
/// distinct set once (a map of 35 settings takes 4 kB); writing makes a copy of one's own first. Reads like `Values`.
class SharedValues {
 public:
  SharedValues() = default;
  SharedValues(Values values) : values_(std::make_shared<const Values>(std::move(values))) {}
  SharedValues(std::initializer_list<Values::value_type> values) : SharedValues(Values(values)) {}

  const Values& get() const { return *values_; }
  operator const Values&() const { return *values_; }
  Values::const_iterator begin() const { return values_->begin(); }
  Values::const_iterator end() const { return values_->end(); }
  Values::const_iterator find(const std::string& name) const { return values_->find(name); }
  const Value& at(const std::string& name) const { return values_->at(name); }
  bool contains(const std::string& name) const { return values_->contains(name); }
  std::size_t size() const { return values_->size(); }
  bool empty() const { return values_->empty(); }

  Value& operator[](const std::string& name) { return own()[name]; }
  std::size_t erase(const std::string& name) { return own().erase(name); }

  friend bool operator==(const SharedValues& a, const SharedValues& b) { return a.get() == b.get(); }

 private:
  Values& own() {
    auto copy = std::make_shared<Values>(*values_);
    Values& out = *copy;
    values_ = std::move(copy);
    return out;
  }
  static const std::shared_ptr<const Values>& none() {
    static const auto kNone = std::make_shared<const Values>();
    return kNone;
  }
  std::shared_ptr<const Values> values_ = none();
};

/// The canonical configuration of a cell: everything that may change a result, and nothing else.
/// Its content hash is the cell's identity.
struct CellConfig {
  std::string suite;
  int suite_version = 1;
  std::string optimizer;  ///< "" where the suite takes none
  int optimizer_version = 0;
  SharedValues settings;                      ///< every setting of the suite, resolved
  SharedValues hyper;                         ///< every hyperparameter of the optimizer, resolved
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
  /// Where a program of `suite: command` works. No part of the cell: a moved project is the same project.
  std::filesystem::path working_dir = {};
};

Json to_json(const CellConfig& config);
CellConfig cell_config_from_json(const Json& json);
Json to_json(const RunRequest& request);
/// Throws UserError naming `where` when fields are missing or of the wrong type.
RunRequest run_request_from_json(const Json& json, const std::string& where);

}  // namespace pionbench
