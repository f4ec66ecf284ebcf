#pragma once
/// Figures and tables. One more = one file in figures/ or tables/ and one line in registry.cpp.

#include <span>
#include <string>

#include "results/evidence.h"
#include "results/grid.h"

namespace pionbench {

struct Figure {
  std::string title;
  std::string caption;
  Json spec;  ///< Vega-Lite 5
  Grid data;  ///< what is drawn, per run: the figure's CSV
};

struct Table {
  std::string title;
  std::string caption;
  Grid display;  ///< rounded, for people
  Grid data;     ///< full precision: the table's CSV
};

/// Both make something for any evidence: cells without a result leave a gap that the caption names.
struct FigureEntry {
  const char* name;        ///< the files' stem
  const char* experiment;  ///< whose evidence it draws
  Figure (*make)(const Evidence&);
};
struct TableEntry {
  const char* name;
  const char* experiment;
  Table (*make)(const Evidence&);
};

/// In display order.
std::span<const FigureEntry> figures();
std::span<const TableEntry> tables();

Figure make_fig3(const Evidence& evidence);
Figure make_fig2b(const Evidence& evidence);
Figure make_fig2b_clock(const Evidence& evidence);
Table make_fig2b_final(const Evidence& evidence);

}  // namespace pionbench
