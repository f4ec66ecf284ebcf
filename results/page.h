#pragma once
/// index.html of the report: one file that needs nothing else, but links to the data beside it.

#include <string>
#include <vector>

#include "results/registry.h"
#include "results/report.h"

namespace pionbench {

struct PageFigure {
  const ReportItem* item;
  const Figure* figure;
  std::string svg;   ///< "" when it was not rendered
  std::string film;  ///< an animated PNG; "" for none
};
struct PageTable {
  const ReportItem* item;
  const Table* table;
};

struct PageContent {
  const Store* store;
  const ReportSummary* summary;
  std::vector<PageFigure> figures;
  std::vector<PageTable> tables;
};

std::string make_page(const PageContent& content);

}  // namespace pionbench
