#pragma once
/// What the store has for one experiment at one scale: its cells in display order, each with the run that speaks for
/// it. Figures and tables are made from this and from nothing else.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace pionbench {

struct CellEvidence {
  ExperimentRecord::Cell cell;
  /// The finished run, else the last one that there is; nothing when the cell was never started.
  std::optional<RunRow> run;

  bool is_finished() const { return run && pionbench::is_finished(run->state); }
  bool is_diverged() const { return run && run->state == RunState::kDiverged; }
  /// A coordinate of the cell as text; "" where the experiment does not vary it.
  std::string coordinate(const std::string& key) const;
  /// "done", "failed: exit 70", "not run"
  std::string standing() const;
};

struct Evidence {
  const Store* store = nullptr;
  std::string digest;  ///< of the store
  ExperimentRecord experiment;
  std::vector<CellEvidence> cells;

  std::string title() const;  ///< of the experiment file; its name where it has none
  /// Values of a coordinate in display order; {""} where the experiment does not vary it.
  std::vector<std::string> values_of(const std::string& key) const;
  /// Arms in display order; {""} where the experiment has none.
  std::vector<std::string> arms() const;
  std::size_t unfinished() const;
};

/// All experiments in the store, by name, then from the smallest scale up.
std::vector<Evidence> gather(const Store& store);

/// "Muon, auxiliary frozen, seeds 1, 2 (failed: exit 70); ..." for the cells that `select` picks: cells that differ in
/// the seed alone share an entry. "" when there are none.
template <typename Select>
std::string named_cells(const Evidence& evidence, const Select& select);
std::string named_cells(const std::vector<const CellEvidence*>& cells);

template <typename Select>
std::string named_cells(const Evidence& evidence, const Select& select) {
  std::vector<const CellEvidence*> cells;
  for (const auto& cell : evidence.cells)
    if (select(cell)) cells.push_back(&cell);
  return named_cells(cells);
}

/// What a reader of a result must know of its run, besides the end: "4 micro-batches after running out of memory,
/// 3 attempts, disturbed: foreign process 4121". "" for a run that went straight through.
std::string run_marks(const RunRow& run);

/// What every caption ends with: experiment, scale, paper figure, protocol, gaps, divergences, marked runs, date,
/// store.
std::string caption_end(const Evidence& evidence);

/// "paper: equal learning rate 0.0003" when all arms have one learning rate; otherwise each arm's rate.
std::string protocol(const Evidence& evidence);

}  // namespace pionbench
