#pragma once
/// The only writer: takes what is new in the spools under an output folder into a database.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/event_rows.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace pionbench {

/// How far a spool was taken. Key: its path relative to the output folder.
struct SpoolState {
  std::int64_t taken = 0;
  std::int64_t lines = 0;
  std::int64_t last_seq = -1;
  std::int64_t unread = 0;  ///< bad lines since last_seq: each may have used up one number
  std::int64_t stamp = 0;
};
using SpoolStates = std::map<std::string, SpoolState>;

SpoolStates read_spool_states(const Database& db);

/// The JSON file of an experiment, and back. Throws Json::exception when fields lack.
Json to_json(const ExperimentRecord& experiment);
ExperimentRecord experiment_from_json(const Json& json);
/// <out>/experiments/<name>.<scale>.json
std::filesystem::path experiment_file(const std::filesystem::path& out, const std::string& name,
                                      const std::string& scale);

Json to_json(const Sitting& sitting);
Sitting sitting_from_json(const Json& json);
/// <out>/benchmarks/<sitting>.json
std::filesystem::path sitting_file(const std::filesystem::path& out, const std::string& sitting);

/// Cost of ingest() when nothing is new: two stats a run, no SQL. A batch (about 50 000 lines) is one transaction
/// that holds the rows and the offsets, so a kill at any moment leaves a store that goes on where it stopped.
class Ingester {
 public:
  /// With `limits`, takes each spool only as far as they say and nothing that they do not name.
  Ingester(const Database& db, std::filesystem::path out, const SpoolStates* limits = nullptr);
  IngestReport ingest(const std::vector<std::string>& only = {});
  void ingest_experiments();
  void ingest_sittings();

 private:
  /// Runs `work` on loaded state and commits; on any error forgets the state, which the rollback made false.
  template <typename Work>
  void guarded(const Work& work);
  void load();
  void forget();
  void take_experiments();
  void take_experiment(const std::filesystem::path& file);
  void take_sittings();
  bool take_sitting(const std::filesystem::path& file);  ///< true when there was something new
  void count_noise();
  void take_run(const std::string& run);
  bool know_run(const std::string& run);  ///< makes the row from run.json; false when there is none to make it from
  void take_spool(const std::string& run, std::int64_t run_id, const char* file, bool is_events);
  void take_event(std::string_view line, std::int64_t run_id, SpoolState& state, RunProgress& progress,
                  const std::string& file);
  void take_attempt(std::string_view line, std::int64_t run_id);
  void save(const std::string& path, const SpoolState& state);
  /// The stamp of a whole-file spool that is to be read; nothing when it is gone, beyond the limits or known already.
  std::optional<SpoolState> news_of(const std::string& path) const;
  void begin();
  void commit();
  void complain(const std::string& where, const std::string& why);

  const Database& db_;
  std::filesystem::path out_;
  const SpoolStates* limits_;
  EventRows rows_;
  Statement save_spool_, save_progress_, insert_cell_, insert_run_, start_attempt_, end_attempt_;
  std::unique_ptr<WriteTransaction> transaction_;
  std::int64_t lines_in_transaction_ = 0;
  bool loaded_ = false;
  SpoolStates spools_;
  std::unordered_map<std::string, std::int64_t> runs_;
  IngestReport report_;
};

}  // namespace pionbench
