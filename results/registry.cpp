#include "results/registry.h"

#include <array>

namespace pionbench {

std::span<const FigureEntry> figures() {
  static constexpr std::array kFigures = {
      FigureEntry{"fig2b", "fig2b", make_fig2b},
      FigureEntry{"fig2b-clock", "fig2b", make_fig2b_clock},
      FigureEntry{"fig3", "fig3", make_fig3},
  };
  return kFigures;
}

std::span<const TableEntry> tables() {
  static constexpr std::array kTables = {
      TableEntry{"fig2b-final", "fig2b", make_fig2b_final},
  };
  return kTables;
}

}  // namespace pionbench
