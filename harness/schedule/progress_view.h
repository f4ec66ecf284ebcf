#pragma once
/// The live block as text: no terminal, no clock, so that tests can read it.

#include <map>
#include <string>
#include <vector>

#include "harness/schedule/progress.h"
#include "harness/schedule/run_pace.h"

namespace pionbench {

struct BlockStyle {
  int width = 80;       ///< columns; longer labels lose their middle
  int height = 24;      ///< rows of the terminal
  bool unicode = true;  ///< false: bars and lines of ASCII
};

/// The last `width` values as a line of bars from the lowest to the highest; "" below two values.
std::string sparkline(const std::vector<double>& values, int width, bool unicode);

/// `part` of `width` columns filled.
std::string progress_bar(double part, int width, bool unicode);

/// At most `width` columns: the middle gives way to "…" (or "..").
std::string shortened(const std::string& text, int width, bool unicode);

/// Characters of UTF-8 text, as which we take columns.
int columns(const std::string& text);

/// "12 wait: 2 of 2 runs are going"; "" when none does.
std::string waiting_line(const Totals& totals);

/// Says when each run will end, from its pace.
class RunClock {
 public:
  std::optional<double> remaining(const ActiveView& run);
  void keep_only(const std::vector<ActiveView>& runs);

 private:
  std::map<std::string, RunPace> paces_;
};

/// First the total, then a line for each run, then why others wait. Never more rows than the terminal has less two.
std::vector<std::string> progress_block(const std::vector<ActiveView>& active, const Totals& totals, RunClock& clock,
                                        const BlockStyle& style);

/// Whether the environment says that the terminal shows UTF-8.
bool environment_has_utf8();

}  // namespace pionbench
