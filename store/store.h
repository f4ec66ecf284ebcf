#pragma once
/// The store: SQLite (WAL, STRICT tables, migrations by user_version) as a rebuildable index over the spools.
///
/// One writer: the process that holds <out>/lock opens it kReadWrite; everybody else opens it kReadOnly.
/// Every transaction starts with BEGIN IMMEDIATE. Ingest is idempotent: bytes of a spool are taken once, and taking
/// them again adds nothing. Where two events give the same (run, step, name), the one with the higher seq holds.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/records.h"

namespace pionbench {

struct IngestReport {
  std::int64_t events = 0;              ///< lines newly taken
  std::int64_t skipped = 0;             ///< whole lines that were not valid events
  std::vector<std::string> complaints;  ///< "<file>:<line>: <why>", at most 20
};

class Store {
 public:
  enum class Mode { kReadOnly, kReadWrite };

  /// Opens <out>/store.sqlite. kReadWrite creates it (and migrates an older schema); kReadOnly throws UserError when
  /// it is missing. UserError also for: not a database, a newer schema, a network file system (with its name), a
  /// folder that cannot be written.
  Store(const std::filesystem::path& out, Mode mode);
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  /// Whether there is a database for this output folder.
  static bool exists(const std::filesystem::path& out);

  const std::filesystem::path& out() const;

  // --- writing -------------------------------------------------------------------------------------------------
  /// Writes the experiment's spool file, then the row.
  void record_experiment(const ExperimentRecord& experiment);
  /// Writes the sitting's spool file, then the rows.
  void record_sitting(const Sitting& sitting);
  /// Takes what is new in every spool under <out>/runs, <out>/experiments and <out>/benchmarks; cheap when nothing is
  /// (one stat a run). With `only`, looks at these runs alone.
  IngestReport ingest(const std::vector<std::string>& only = {});

  // --- reading (each one consistent snapshot) -------------------------------------------------------------------
  std::vector<RunRow> runs() const;  ///< in order of start, then name
  std::vector<RunRow> runs_of_cells(const std::vector<std::string>& cells) const;
  /// The finished run that speaks for a cell: the first one done or diverged; nothing where there is none.
  std::map<std::string, RunRow> finished_by_cell() const;
  Json config_of_cell(const std::string& cell) const;  ///< canonical configuration; null when unknown
  std::vector<ExperimentRecord> experiments() const;   ///< by name, then scale
  /// `name` is a training metric ("reward") or "evaluation/<split>/<metric>"; ascending steps.
  std::vector<SeriesPoint> series(const std::string& run, const std::string& name) const;
  /// The same with the training seconds (all attempts) that had been spent when each value was reported.
  std::vector<ClockedPoint> clocked_series(const std::string& run, const std::string& name) const;
  std::vector<std::string> series_names(const std::string& run) const;
  std::vector<Curve> curves(const std::string& run) const;  ///< in order of seq
  std::vector<SpectralRow> spectral(const std::string& run) const;
  std::vector<ItemRow> items(const std::string& run) const;
  std::map<std::string, std::string> environment(const std::string& run) const;  ///< of the last attempt

  /// Sittings in order of time, on one machine where `fingerprint` is given.
  std::vector<Sitting> sittings(const std::string& fingerprint = "") const;
  std::vector<NoiseRow> noise() const;  ///< by series, then fingerprint

  /// Every metric of every run, in order of run, name and step, once for each experiment cell that the run's cell is
  /// (`experiment` and what follows it are empty where it is in none).
  void for_each_metric(const std::function<void(const MetricRow&)>& take) const;

  /// SHA-256 of the logical content in key order: equal digests, equal stores. Row ids do not count.
  std::string digest() const;

  // --- maintenance ---------------------------------------------------------------------------------------------
  /// Problems found: SQLite's own integrity check, foreign keys, spools that lack or exceed the rows, a rebuild in
  /// memory that differs. Empty = sound.
  /// With kContent, a store that is behind its spools, and lines that no program can read, are no problem.
  enum class Verify { kEverything, kContent };
  std::vector<std::string> verify(Verify what = Verify::kEverything) const;
  /// Makes a new database from the spools beside the old one, then renames it over. Returns its digest.
  static std::string rebuild(const std::filesystem::path& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Holds <out>/lock (flock) for the life of the object. UserError (exit 75) naming the holder's process id when
/// another live process has it; UserError (exit 70) when the folder cannot be written.
class OutLock {
 public:
  explicit OutLock(const std::filesystem::path& out);
  ~OutLock();
  OutLock(const OutLock&) = delete;
  OutLock& operator=(const OutLock&) = delete;

  /// The process that holds it now; nothing when nobody does.
  static std::optional<int> holder(const std::filesystem::path& out);

 private:
  int fd_;
};

}  // namespace pionbench
