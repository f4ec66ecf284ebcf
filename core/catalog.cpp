#include "core/catalog.h"

#include <cmath>

#include "core/error.h"
#include "core/files.h"

namespace pionbench {
namespace {

const std::vector<std::pair<Kind, std::string>> kKindNames = {{Kind::kBool, "bool"},
                                                              {Kind::kInt, "int"},
                                                              {Kind::kReal, "real"},
                                                              {Kind::kChoice, "choice"},
                                                              {Kind::kText, "text"}};

const std::map<Relation::Kind, std::string> kRelationNames = {{Relation::Kind::kDivides, "divides"},
                                                              {Relation::Kind::kAtMost, "at most"}};

Json to_json(const SettingTable& table) {
  Json settings = Json::array();
  for (const auto& s : table.settings) {
    Json row = {{"name", s.name}, {"default", pionbench::to_json(s.default_value)}, {"help", s.help}};
    for (const auto& [kind, name] : kKindNames)
      if (kind == s.kind) row["kind"] = name;
    if (std::isfinite(s.min)) row["min"] = s.min;
    if (std::isfinite(s.max)) row["max"] = s.max;
    if (!s.choices.empty()) row["choices"] = s.choices;
    settings.push_back(std::move(row));
  }
  Json sets = Json::array();
  for (const auto& set : table.bundle_sets) {
    Json bundles = Json::array();
    for (const auto& b : set.bundles)
      bundles.push_back({{"name", b.name}, {"help", b.help}, {"values", pionbench::to_json(b.values)}});
    sets.push_back({{"key", set.key}, {"default", set.default_bundle}, {"help", set.help}, {"bundles", bundles}});
  }
  Json relations = Json::array();
  for (const auto& [first, kind, second] : table.relations)
    relations.push_back({{"first", first}, {"is", kRelationNames.at(kind)}, {"second", second}});
  return {{"settings", settings}, {"bundle_sets", sets}, {"relations", relations}};
}

SettingTable table_from_json(const Json& json) {
  SettingTable table;
  for (const auto& row : json.at("settings")) {
    Setting s{row.at("name"), Kind::kText, value_from_json(row.at("default"), "catalog"), row.at("help")};
    for (const auto& [kind, name] : kKindNames)
      if (name == row.at("kind")) s.kind = kind;
    if (row.contains("min")) s.min = row["min"];
    if (row.contains("max")) s.max = row["max"];
    if (row.contains("choices")) s.choices = row["choices"].get<std::vector<std::string>>();
    // JSON does not tell 1.0 from 1.
    s.default_value = checked(s, s.default_value);
    table.settings.push_back(std::move(s));
  }
  for (const auto& row : json.at("bundle_sets")) {
    BundleSet set{row.at("key"), row.at("default"), row.at("help"), {}};
    for (const auto& b : row.at("bundles"))
      set.bundles.push_back({b.at("name"), b.at("help"), values_from_json(b.at("values"), "catalog")});
    table.bundle_sets.push_back(std::move(set));
  }
  for (const auto& row : json.at("relations"))
    for (const auto& [kind, name] : kRelationNames)
      if (name == row.at("is")) table.relations.push_back({row.at("first"), kind, row.at("second")});
  return table;
}

template <typename Info>
const Info& find_named(const std::vector<Info>& infos, const std::string& kind, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& info : infos) {
    if (info.name == name) return info;
    known.push_back(info.name);
  }
  throw UserError(unknown_name(kind, name, known));
}

}  // namespace

const OptimizerInfo& Catalog::optimizer(const std::string& name) const {
  return find_named(optimizers, "optimizer", name);
}
const SuiteInfo& Catalog::suite(const std::string& name) const {
  return find_named(suites, "suite", name);
}

Json to_json(const Value& value) {
  return std::visit([](const auto& x) { return Json(x); }, value);
}

Json to_json(const Values& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values) out[name] = to_json(value);
  return out;
}

Json to_json(const Catalog& catalog) {
  Json optimizers = Json::array(), suites = Json::array();
  for (const auto& o : catalog.optimizers)
    optimizers.push_back({{"name", o.name},
                          {"title", o.title},
                          {"equation", o.equation},
                          {"source", o.source},
                          {"version", o.version},
                          {"table", to_json(o.table)},
                          {"state", o.state},
                          {"cost", o.cost}});
  for (const auto& s : catalog.suites)
    suites.push_back({{"name", s.name},
                      {"title", s.title},
                      {"help", s.help},
                      {"version", s.version},
                      {"takes_optimizer", s.takes_optimizer},
                      {"primary_metric", s.primary_metric},
                      {"higher_is_better", s.higher_is_better},
                      {"prerequisite", s.prerequisite},
                      {"table", to_json(s.table)},
                      {"batch_setting", s.batch_setting}});
  return {{"schema", 1}, {"optimizers", optimizers}, {"suites", suites}};
}

Value value_from_json(const Json& json, const std::string& where) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  throw UserError(where + ": expected a single value (text, number, true or false), got " + json.dump());
}

Values values_from_json(const Json& json, const std::string& where) {
  Values out;
  for (const auto& [name, value] : json.items()) out[name] = value_from_json(value, where + ": " + name);
  return out;
}

Catalog catalog_from_json(const Json& json) {
  if (json.value("schema", 0) != 1) throw UserError("catalog: schema 1 expected; rebuild with ci/build");
  Catalog catalog;
  for (const auto& o : json.at("optimizers"))
    catalog.optimizers.push_back({o.at("name"), o.at("title"), o.at("equation"), o.at("source"), o.at("version"),
                                  table_from_json(o.at("table")), o.value("state", ""), o.value("cost", "")});
  for (const auto& s : json.at("suites"))
    catalog.suites.push_back({s.at("name"), s.at("title"), s.at("help"), s.at("version"), s.at("takes_optimizer"),
                              s.at("primary_metric"), s.at("higher_is_better"), s.at("prerequisite"),
                              table_from_json(s.at("table")), s.value("batch_setting", "")});
  return catalog;
}

Catalog load_catalog(const std::filesystem::path& path) {
  const std::string where = "catalog " + path.string();
  try {
    return catalog_from_json(Json::parse(read_file(path)));
  } catch (const Json::exception& e) {
    throw UserError(where + ": not readable (" + e.what() + "); rebuild with ci/build");
  }
}

}  // namespace pionbench
