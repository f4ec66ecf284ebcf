#include <cstdio>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/find_run.h"
#include "harness/cli/planning.h"
#include "harness/slurm/batch.h"
#include "harness/spec/command_suite.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

RunRequest request_of(const fs::path& folder) {
  const fs::path file = folder / "run.json";
  return run_request_from_json(Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false), file.string());
}

/// The experiment of this one cell, as JSON, which is YAML as well. Every setting is written out, so that a default or
/// a preset that changes later does not change it.
Json experiment_of(const RunRequest& request) {
  const CellConfig& config = request.config;
  Json settings = to_json(config.settings), experiment = {{"name", "repro"}, {"suite", config.suite}};
  if (is_command_suite(config.suite)) {
    const Json command = Json::parse(get_text(config.settings, "command"));
    settings.erase("command");
    Json files = Json::array();
    for (const auto& [name, digest] : command.at("files").items()) files.push_back(name);
    experiment["command"] = {{"argv", command.at("argv")},
                             {"env", command.at("env")},
                             {"files", files},
                             {"working_dir", request.working_dir.string()},
                             {"parameters", settings}};
  } else {
    settings.update(to_json(config.hyper));
    if (!config.optimizer.empty()) settings["optimizer"] = config.optimizer;
    experiment["defaults"] = settings;
  }
  // Sums are rounded in an order that hangs on the number of threads.
  experiment["resources"] = {{"cores", request.threads}};
  return experiment;
}

int repro(const std::string& name, const Context& context) {
  const auto store = open_store_if_any(context.out);
  if (!store) throw UserError("nothing has been run in " + context.out.string() + " yet", kUsage);
  const RunRow run = find_run(store->runs(), name);
  const RunRequest request = request_of(context.out / "runs" / run.run);
  const std::string line = "pionbench run " + shell_word(experiment_of(request).dump()) + " --cell " +
                           request.cell.substr(0, 12) + " -j 1 --out " + shell_word("repro-" + run.run);
  const auto environment = store->environment(run.run);
  if (context.json) {
    print_json({{"run", run.run}, {"cell", request.cell}, {"command", line}, {"environment", environment}});
    return kDone;
  }
  std::printf("%s\n", line.c_str());
  // What the line cannot hold, beside it and not in the way of a pipe.
  const auto commit = environment.find("commit");
  if (context.quiet || commit == environment.end()) return kDone;
  const auto dirty = environment.find("dirty");
  const bool is_changed = dirty != environment.end() && dirty->second != "no" && dirty->second != "unknown";
  std::fprintf(stderr, "made by commit %s%s; the line refuses to run where it would make another cell\n",
               commit->second.c_str(), is_changed ? " with uncommitted changes" : "");
  return kDone;
}

}  // namespace

const Verb kReproVerb = {"repro", "Print one line of shell that runs exactly this run again",
                         "pionbench repro 3f2a90c1d2e4.1", [](CLI::App& app, const Context& context) {
                           auto run = std::make_shared<std::string>();
                           app.add_option("RUN", *run, "the run, or the beginning of its name or cell")->required();
                           return Runner([&context, run] { return repro(*run, context); });
                         }};

}  // namespace pionbench
