#pragma once
/// The drawing of accuracy curves: one column of panels for each value of `auxiliary`, one row for each metric.

#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/learning.h"
#include "results/style.h"

namespace pionbench {

class LearningView {
 public:
  struct Options {
    std::string x_field;  ///< "step" or "train_seconds"
    std::string x_title;
  };
  LearningView(const Evidence& evidence, Options options);
  void add_row(const std::vector<SeedCurve>& curves, const std::string& y_title);
  /// The Vega-Lite document of all rows.
  Json document() const;

 private:
  Json panel(const std::vector<SeedCurve>& curves, const std::string& auxiliary, const std::string& y_title,
             bool is_first_column) const;

  const Evidence& evidence_;
  Options options_;
  std::vector<std::string> columns_;
  std::vector<ArmStyle> styles_;
  Json rows_ = Json::array();
  int panel_count_ = 0;
};

}  // namespace pionbench
