#pragma once
/// index.html of the report: one file that needs nothing else, but links to the data beside it.

#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/report.h"

namespace pionbench {

struct PageFigure {
  const ReportItem* item;
  std::string svg;  ///< "" when it was not rendered
};
struct PageTable {
  const ReportItem* item;
  std::string html;
};

struct PageContent {
  const Store* store;
  const ReportSummary* summary;
  std::vector<PageFigure> figures;
  std::vector<PageTable> tables;
};

std::string make_page(const PageContent& content);

}  // namespace pionbench
