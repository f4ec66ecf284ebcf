#pragma once
/// From one event (docs/event-protocol.md) to the rows of the store.

#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "core/catalog.h"
#include "store/records.h"
#include "store/sqlite.h"

namespace pionbench {

/// A line that is whole but no valid event; says which field, what came and what is wanted.
class BadEvent : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What events say of the run as a whole; empty fields were not heard of.
struct RunProgress {
  std::optional<std::int64_t> step, steps;
  std::optional<std::string> finish_status, finish_reason;
};

/// Names to their ids in the table `names`, and the other way round.
class NameTable {
 public:
  explicit NameTable(const Database& db);
  std::int64_t id(const std::string& name);
  /// After a rollback: ids handed out since may be gone.
  void forget() { ids_.clear(); }

 private:
  const Database& db_;
  Statement find_, insert_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

/// Writes events as rows; must be called inside a transaction, in order of seq: of two rows with one key the later
/// stays. An event is checked before its first row is written, so a BadEvent leaves nothing behind.
class EventRows {
 public:
  explicit EventRows(const Database& db);
  /// Throws BadEvent. Unknown types are taken and leave no rows.
  void write(std::int64_t run_id, std::int64_t seq, const Json& event, RunProgress& progress);
  /// Writes what is kept in memory for the run: its sums of phases. Before a commit, a reader, and another run.
  void flush(std::int64_t run_id);
  /// After a rollback.
  void forget() {
    names_.forget();
    totals_.clear();
  }

 private:
  struct Context {
    std::int64_t run_id;
    std::int64_t seq;
    const Json& event;
    RunProgress& progress;
  };
  using Writer = void (EventRows::*)(const Context&);
  struct TypeWriter {
    std::string_view type;
    Writer write;
  };
  static const TypeWriter kWriters[];

  void run_started(const Context&);
  void take_back(std::int64_t run_id, std::int64_t after, std::int64_t before);
  void metric(const Context&);
  void spectral(const Context&);
  void evaluation(const Context&);
  void curve(const Context&);
  void phase(const Context&);
  void progress(const Context&);
  void checkpoint(const Context&);
  void artifact(const Context&);
  void run_finished(const Context&);

  const Database& db_;
  NameTable names_;
  /// Sums of phases of the run at hand, by name: one row a block instead of one more write a phase. Each goes on from
  /// the row there is, so that the order of the additions, and with it the last bit, is that of one ingest from
  /// scratch.
  std::unordered_map<std::int64_t, double> totals_;
  Statement metric_, spectral_, item_, curve_, phase_, read_total_, write_total_, environment_, artifact_;
};

/// The whole number `key` >= `least` of an event; BadEvent otherwise.
std::int64_t whole_number(const Json& event, const char* key, std::int64_t least = 0);

}  // namespace pionbench
