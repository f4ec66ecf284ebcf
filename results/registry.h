#pragma once
/// Figures and tables. One more = one file in figures/ or tables/ and one line in registry.cpp.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/grid.h"

namespace pionbench {

/// The runs behind something that people point at: a line, a bar, a cell of a heat map or of a table.
struct Source {
  std::string panel;  ///< "a"; "" in a figure or table of one part
  std::string label;  ///< "AdamW", "Pion, Language"
  std::vector<std::string> runs;
};

/// Episodes side by side, from the left.
struct Film {
  struct Column {
    std::string label, color, note;  ///< note: "success after 41 actions"; where there is no episode, what is missing
    std::string strip;               ///< PNG of the frames from left to right, relative to <out>; "" = no episode
    int frames = 0;
  };
  std::vector<Column> columns;
  int frame_size = 0;  ///< pixels, square
  double frames_per_second = 20;
};

struct Figure {
  std::string title;
  std::string caption;
  /// Vega-Lite 5. Marks carry `href`, "#" + runs_anchor(their runs), and a tooltip.
  Json spec;
  /// What is drawn, run by run, at full precision: the figure's CSV, and exactly what `store export --figure` gives.
  /// Column "run" names the run, column "panel" (where there are several) the panel.
  Grid data;
  std::vector<Source> sources = {};
  std::optional<Film> film = {};
};

struct Table {
  std::string title;
  std::string caption;
  Grid display;                      ///< rounded, for people
  Grid data;                         ///< full precision: the table's CSV
  std::vector<Source> sources = {};  ///< of the rows
  /// Runs behind each cell of `display`, as [row][column]; rows and columns that are left out have none.
  std::vector<std::vector<std::vector<std::string>>> cell_runs = {};
};

/// Both make something for any evidence: cells without a result leave a gap that is named.
template <typename Made>
struct ResultEntry {
  const char* name;        ///< the files' stem
  const char* experiment;  ///< whose evidence it draws; "" = of every experiment that `suits`
  const char* title;       ///< what it shows, for lists and where there is nothing to show
  Made (*make)(const Evidence&);
  bool (*suits)(const Evidence&) = nullptr;  ///< where `experiment` is ""
};
using FigureEntry = ResultEntry<Figure>;
using TableEntry = ResultEntry<Table>;

/// In display order.
std::span<const FigureEntry> figures();
std::span<const TableEntry> tables();

/// One figure or table to make. `name` is the entry's, with the experiment where the entry is of any, and with the
/// scale where the store has several: "fig6", "fig6-desk", "lr-sensitivity-sweep-lr".
template <typename Made>
struct ResultItem {
  const ResultEntry<Made>* entry;
  const Evidence* evidence;
  std::string name;
  Made make() const { return entry->make(*evidence); }
};
/// All that `all` (see gather()) has something for, in display order. `all` must outlive the result.
std::vector<ResultItem<Figure>> figure_items(const std::vector<Evidence>& all);
std::vector<ResultItem<Table>> table_items(const std::vector<Evidence>& all);

/// Where a page lists these runs: "run-<run>" for one, "runs-<hash>" for several, "" for none.
std::string runs_anchor(const std::vector<std::string>& runs);

// Paper
Figure make_fig1a(const Evidence& evidence);
Figure make_fig1b(const Evidence& evidence);
Figure make_fig2a(const Evidence& evidence);
Figure make_fig2b(const Evidence& evidence);
Figure make_fig3(const Evidence& evidence);
Figure make_fig4a(const Evidence& evidence);
Figure make_fig4b(const Evidence& evidence);
Figure make_fig5a(const Evidence& evidence);
Figure make_fig5b(const Evidence& evidence);
Figure make_fig6(const Evidence& evidence);
Figure make_fig7(const Evidence& evidence);
Figure make_fig8(const Evidence& evidence);
Figure make_kp(const Evidence& evidence);
Figure make_video1(const Evidence& evidence);
Table make_fig2b_final(const Evidence& evidence);
Table make_table1(const Evidence& evidence);
Table make_table3(const Evidence& evidence);
Table make_table_a5(const Evidence& evidence);
Table make_table_a6(const Evidence& evidence);

// Beyond it
Figure make_clock(const Evidence& evidence);  ///< any experiment with learning curves
Figure make_lr_sensitivity(const Evidence& evidence);
Figure make_kp_lr(const Evidence& evidence);
Figure make_tuning_budget(const Evidence& evidence);
Figure make_time_to_target(const Evidence& evidence);
Figure make_performance_profile(const Evidence& evidence);
Figure make_update_size(const Evidence& evidence);
Table make_protocols(const Evidence& evidence);

}  // namespace pionbench
