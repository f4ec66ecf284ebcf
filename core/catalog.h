#pragma once
/// The catalog: what the worker can do, as data. `pionbench-worker describe` prints it; the build keeps that
/// print beside the programs as catalog.json, so that the orchestrator knows every optimizer and suite without
/// linking libtorch, and one more of either stays one file and one registry line.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/setting.h"

namespace pionbench {

using Json = nlohmann::json;

struct OptimizerInfo {
  std::string name;      ///< key in experiment files: "muon"
  std::string title;     ///< for tables and figures: "Muon"
  std::string equation;  ///< one line, as the code computes it
  std::string source;    ///< paper or repository
  int version = 1;       ///< raised when results change; part of a cell's identity
  SettingTable table;
};

struct SuiteInfo {
  std::string name;   ///< "rlvr/arith"
  std::string title;  ///< "RLVR, arithmetic word problems"
  std::string help;
  int version = 1;                ///< raised when results change; part of a cell's identity
  bool takes_optimizer = true;    ///< false: nothing is trained (maps)
  std::string primary_metric;     ///< "evaluation/test/sampled"; "" when there is none
  bool higher_is_better = true;
  /// A suite whose run must be finished first and whose output this one reads ("" = none). Its settings are
  /// this suite's, restricted to the names it declares; so all arms of one seed share one such run.
  std::string prerequisite;
  SettingTable table;
};

struct Catalog {
  std::vector<OptimizerInfo> optimizers;
  std::vector<SuiteInfo> suites;

  /// Throw UserError naming the nearest known name.
  const OptimizerInfo& optimizer(const std::string& name) const;
  const SuiteInfo& suite(const std::string& name) const;
};

Json to_json(const Value& value);
Json to_json(const Values& values);
Json to_json(const Catalog& catalog);
/// A JSON scalar as a Value; UserError("WHERE: ...") for null, arrays and objects.
Value value_from_json(const Json& json, const std::string& where);
Values values_from_json(const Json& json, const std::string& where);
Catalog catalog_from_json(const Json& json);
/// Throws UserError naming the file when it is missing or not a catalog.
Catalog load_catalog(const std::filesystem::path& path);

}  // namespace pionbench
