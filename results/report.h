#pragma once
/// The report: every figure and table that the store can fill, as files and as one self-contained page.

#include <filesystem>
#include <string>
#include <vector>

#include "results/claims/claim.h"
#include "store/store.h"

namespace pionbench {

struct ReportOptions {
  std::filesystem::path home;     ///< where results/render.py is found below
  std::filesystem::path python;   ///< the interpreter that has vl-convert-python
  std::vector<std::string> only;  ///< names of figures, tables or experiments; empty = all
};

struct ReportItem {
  std::string name;  ///< "fig3", or "fig3-quick" where the store has the experiment at several scales
  std::string title;
  std::string experiment;
  std::string scale;
  std::string caption;
  std::size_t cells = 0;
  std::size_t missing = 0;                   ///< cells without a result
  std::vector<std::filesystem::path> files;  ///< relative to the report's folder
};

/// A figure or table whose experiment the store does not have.
struct AbsentItem {
  std::string name, title;
  std::string command;  ///< that fills it; "" where any sweep of the kind does
};

struct ReportSummary {
  std::filesystem::path index;  ///< <out>/report/index.html
  std::string digest;           ///< of the store
  std::vector<ReportItem> figures;
  std::vector<ReportItem> tables;
  std::vector<AbsentItem> absent;  ///< in display order
  std::vector<claims::Claim> claims;
  std::vector<RunRow> failed;      ///< runs that failed and were not made good by another run of their cell
  std::vector<std::string> notes;  ///< what could not be done, with what mends it
  std::string text;                ///< tables and notes for a terminal
};

/// Writes <out>/report: index.html, figures/<name>.{svg,pdf,png,vl.json,csv}, tables/<name>.{md,tex,csv}, and an
/// animated figures/<name>.film.png for films. The same store gives the same bytes. A report that does not come to its
/// end leaves the one before. Without Python or vl-convert all but the pictures is written, with a note. UserError when
/// `only` names nothing known.
ReportSummary write_report(const Store& store, const ReportOptions& options);

/// {"index", "digest", "figures", "tables", "absent", "claims", "failed", "notes"}
Json to_json(const ReportSummary& summary);

}  // namespace pionbench
