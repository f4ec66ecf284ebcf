#include "core/run_request.h"

#include "core/error.h"

namespace pionbench {

Json to_json(const CellConfig& c) {
  return {{"schema", 1},
          {"suite", c.suite},
          {"suite_version", c.suite_version},
          {"optimizer", c.optimizer},
          {"optimizer_version", c.optimizer_version},
          {"settings", to_json(c.settings.get())},
          {"hyper", to_json(c.hyper.get())},
          {"inputs", c.inputs}};
}

CellConfig cell_config_from_json(const Json& json) {
  CellConfig c;
  c.suite = json.at("suite");
  c.suite_version = json.at("suite_version");
  c.optimizer = json.at("optimizer");
  c.optimizer_version = json.at("optimizer_version");
  c.settings = values_from_json(json.at("settings"), "settings");
  c.hyper = values_from_json(json.at("hyper"), "hyper");
  c.inputs = json.at("inputs").get<std::map<std::string, std::string>>();
  return c;
}

Json to_json(const RunRequest& r) {
  Json inputs = Json::object();
  for (const auto& [suite, path] : r.inputs) inputs[suite] = path.string();
  Json json = {{"schema", 1},      {"run", r.run},         {"cell", r.cell},       {"config", to_json(r.config)},
               {"inputs", inputs}, {"attempt", r.attempt}, {"threads", r.threads}, {"accumulation", r.accumulation}};
  if (!r.working_dir.empty()) json["working_dir"] = r.working_dir.string();
  return json;
}

RunRequest run_request_from_json(const Json& json, const std::string& where) {
  try {
    if (json.at("schema") != 1) throw UserError(where + ": schema 1 expected, got " + json.at("schema").dump());
    RunRequest r;
    r.run = json.at("run");
    r.cell = json.at("cell");
    r.config = cell_config_from_json(json.at("config"));
    for (const auto& [suite, path] : json.at("inputs").items()) r.inputs[suite] = path.get<std::string>();
    r.attempt = json.at("attempt");
    r.threads = json.at("threads");
    r.accumulation = json.value("accumulation", 1);
    r.working_dir = json.value("working_dir", "");
    return r;
  } catch (const Json::exception& e) {
    throw UserError(where + ": not a run request (" + e.what() + ")");
  }
}

}  // namespace pionbench
