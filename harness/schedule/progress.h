#pragma once
/// What people see on stderr while runs go on: a live block on a terminal, plain lines elsewhere.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pionbench {

struct ActiveView {
  std::string label;
  std::int64_t step = 0;
  std::int64_t steps = 0;  ///< 0: unknown
  double elapsed_s = 0;
  std::string metric;                ///< "sampled 0.79"; "" before the first
  std::vector<double> history = {};  ///< the values of that metric, oldest first
};

struct EndView {
  std::string label;
  std::string outcome;  ///< as in AttemptEnd
  double seconds = 0;
  std::string metric;
  std::string reason;       ///< of what is not done
  std::string stderr_tail;  ///< of what failed
  std::string folder;       ///< where its files are
};

struct Totals {
  int total = 0;
  int ended = 0;  ///< done, diverged, failed or given up
  int failed = 0;
  double elapsed_s = 0;
  std::optional<double> eta_s;  ///< nothing: no finished run to judge by
  int waiting = 0;              ///< cells that could run but for room
  std::string waits = "";       ///< why the next of them does not start: one sentence with numbers
};

class Display {
 public:
  virtual ~Display() = default;
  virtual void message(const std::string& line) = 0;
  virtual void ended(const EndView& run, const Totals& totals) = 0;
  /// A few times a second.
  virtual void tick(const std::vector<ActiveView>& active, const Totals& totals) = 0;
  /// Nothing more comes; the live block goes away.
  virtual void close() = 0;
};

/// Live when stderr is a terminal, NO_COLOR is unset and TERM is not "dumb"; plain lines otherwise, with one a minute
/// that says how far it is; nothing but failures when quiet.
std::unique_ptr<Display> make_display(bool quiet);

/// "4.2 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace pionbench
