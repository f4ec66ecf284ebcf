#pragma once
/// What an optimizer and a suite say of themselves. Standard library only: optim declares with it, the catalog
/// (core/catalog.h) carries it to programs that do not link libtorch.

#include <string>

#include "core/setting.h"

namespace pionbench {

struct OptimizerInfo {
  std::string name;      ///< key in experiment files: "muon"
  std::string title;     ///< for tables and figures: "Muon"
  std::string equation;  ///< one line, as the code computes it
  std::string source;    ///< paper or repository
  int version = 1;       ///< raised when results change; part of a cell's identity
  SettingTable table;
  std::string state = "";  ///< memory per parameter beyond weight and gradient: "one buffer of the weight's shape"
  std::string cost = "";   ///< FLOP of one step for a matrix m × n with sides r ≤ c
};

struct SuiteInfo {
  std::string name;   ///< "rlvr/arith"
  std::string title;  ///< "RLVR, arithmetic word problems"
  std::string help;
  int version = 1;              ///< raised when results change; part of a cell's identity
  bool takes_optimizer = true;  ///< false: nothing is trained (maps)
  std::string primary_metric;   ///< "evaluation/test/sampled"; "" when there is none
  bool higher_is_better = true;
  /// A suite whose run must be finished first and whose output this one reads ("" = none). Its settings are
  /// this suite's, restricted to the names it declares; so all arms of one seed share one such run.
  std::string prerequisite;
  SettingTable table;
  /// The setting that counts the sequences of one update, where the suite can split an update into micro-batches and
  /// accumulate their gradients (RunRequest::accumulation); "" where it cannot.
  std::string batch_setting = "";
};

}  // namespace pionbench
