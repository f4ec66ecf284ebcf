#pragma once
/// Reads every spool of an output folder anew and proves from them, not from the store, that nothing was lost and
/// nothing counted twice, whatever was killed and when.
///
///   leases    every attempt that spoke had been recorded first; attempts follow one another, none begins before the
///             one before it has an end; an attempt with an end has no process, and no helper, any more
///   events    seq rises by one writer's hand: a number that comes twice means that two workers wrote at once;
///             `run_finished` comes once and last
///   outcomes  done and diverged exactly where the events say so; a finished run is never counted as lost
///   cells     at most one finished run, at most one live one
///   store     equal to a rebuild from the spools
///
/// Cost: reads all spools twice (once for the rebuild) and one line of each process of the machine.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pionbench {

struct AuditReport {
  int cells = 0;  ///< planned by the recorded experiments or run
  int finished_cells = 0;
  int runs = 0;
  int attempts = 0;
  int live = 0;  ///< attempts at work now
  std::int64_t events = 0;
  std::int64_t unreadable_lines = 0;  ///< torn by a crash; each costs itself alone
  std::vector<std::string> problems;  ///< empty: sound

  bool is_sound() const { return problems.empty(); }
};

/// UserError when there is no such folder. Another orchestrator may be at work in it: its live runs are told apart.
AuditReport audit(const std::filesystem::path& out);

}  // namespace pionbench
