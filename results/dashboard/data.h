#pragma once
/// What the dashboard shows, as JSON. One shape for both of its forms: `pionbench dashboard` packs these documents into
/// the page, `pionbench serve` answers with them.
///
///   main       runs (columns), experiments, measured series with their standing
///   claims     the board of results/claims
///   exhibits   figures and tables of results/registry.h: title, caption, the runs behind each mark
///   exhibit    one figure (Vega-Lite and its data) or one table
///   run        one run: configuration, environment, curves, spectra, ends of its logs
///
/// Everything in them is data: the page shows every text as text.

#include <map>
#include <string>
#include <vector>

#include "results/claims/claim.h"
#include "results/dashboard/history.h"
#include "results/evidence.h"
#include "results/registry.h"
#include "store/bulk.h"

namespace pionbench::dashboard {

struct DataOptions {
  HistoryOptions history;
};

/// How much of a run is given. Thinned series keep their first and last value; the others are evenly spaced.
struct Detail {
  std::size_t points = 1000;        ///< at most, of each series and each spectral quantity
  std::size_t curve_points = 1000;  ///< at most, of each curve
  bool with_heads = true;           ///< spectra of single heads, beside those of whole matrices
  std::size_t parameters = 1000;    ///< at most, with spectra
  std::size_t log_bytes = 8000;     ///< from the end of each log
  int digits = 17;                  ///< significant, of values between the first and the last of a series
};

/// Cost: two index probes for each metric of each run.
Json main_document(const Store& store, const DataOptions& options);
/// The same of a folder that has no store yet.
Json empty_main_document(const std::string& out);
Json claims_document(const Store& store, const std::vector<Evidence>& evidence);
/// "thinned" is there and true where something was left out.
Json run_document(const Store& store, const BulkReader& bulk, const RunRow& run, const Detail& detail = {});

/// A figure or a table of one experiment at one scale.
struct Exhibit {
  /// {name, kind, title, caption, experiment, scale, cells, missing, sets}; sets: what runs_anchor() names -> its runs.
  Json summary;
  /// Figure: {spec, data} and, where there is one, film; table: {display, data, cell_runs}. Grids are {columns, rows}.
  Json content;
};
std::vector<Exhibit> exhibits(const std::vector<Evidence>& evidence);

}  // namespace pionbench::dashboard
