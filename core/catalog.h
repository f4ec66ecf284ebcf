#pragma once
/// The catalog: what the worker can do, as data. `pionbench-worker describe` prints it; the build keeps that
/// print beside the programs as catalog.json, so that the orchestrator knows every optimizer and suite without
/// linking libtorch, and one more of either stays one file and one registry line.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/info.h"

namespace pionbench {

using Json = nlohmann::json;

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
