#include <algorithm>
#include <cstdio>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/find_run.h"
#include "harness/cli/planning.h"
#include "harness/cli/session.h"
#include "harness/spec/command_suite.h"

namespace pionbench {
namespace {

struct RetryArguments {
  std::vector<std::string> runs;
  bool failed = false;
  int slots = 0;
  BackendArguments backend;
};

bool has_failed(RunState state) {
  return state == RunState::kFailed || state == RunState::kOutOfMemory || state == RunState::kTimedOut ||
         state == RunState::kLost;
}

/// The cells to try again, each once, in order of their last run.
std::vector<RunRow> chosen(const RetryArguments& a, const std::vector<RunRow>& runs,
                           const std::map<std::string, RunRow>& finished) {
  std::map<std::string, RunRow> last;
  for (const auto& run : runs) last.insert_or_assign(run.cell, run);
  std::vector<RunRow> out;
  std::set<std::string> seen;
  const auto take = [&](const std::string& cell) {
    if (seen.insert(cell).second) out.push_back(last.at(cell));
  };
  for (const auto& name : a.runs) {
    const RunRow run = find_run(runs, name);
    if (const auto it = finished.find(run.cell); it != finished.end())
      throw UserError("the cell of " + run.run + " has a result (" + it->second.run + ", " +
                          to_string(it->second.state) + "); to measure it again elsewhere: pionbench repro " +
                          it->second.run,
                      kUsage);
    if (run.state == RunState::kRunning) throw UserError("run " + run.run + " is still going", kUsage);
    take(run.cell);
  }
  if (a.failed)
    for (const auto& run : runs)
      if (has_failed(last.at(run.cell).state) && !finished.contains(run.cell)) take(run.cell);
  return out;
}

/// Cells as the store has them, with what they need before them.
class Gatherer {
 public:
  Gatherer(const Store& store, const Catalog& catalog) : store_(store), catalog_(catalog) {
    experiments_ = store.experiments();
  }

  void add(const std::string& cell, bool is_prerequisite, const std::string& run) {
    if (!seen_.insert(cell).second) return;
    const Json json = store_.config_of_cell(cell);
    if (json.is_null()) throw UserError("the store does not know cell " + cell + "; run its experiment again");
    PlannedCell planned;
    planned.id = cell;
    planned.config = cell_config_from_json(json);
    require_same_versions(planned.config);
    planned.is_prerequisite = is_prerequisite;
    planned.label = label_of_cell(experiments_, cell, planned.config.suite);
    for (const auto& [suite, id] : planned.config.inputs) {
      add(id, true, "");
      planned.needs.push_back(id);
    }
    planned.resources = resources_of(requested(cell), planned.config, is_prerequisite);
    if (!run.empty()) planned.working_dir = working_dir_of(run);
    cells_.push_back(std::move(planned));
  }
  std::vector<PlannedCell> take() { return std::move(cells_); }

 private:
  /// A build with another version would run something else under this cell's name.
  void require_same_versions(const CellConfig& config) const {
    const auto differs = [](const std::string& what, int then, int now) {
      return UserError(what + " was at version " + std::to_string(then) + " then and is at " + std::to_string(now) +
                       " now; run the experiment again, which plans new cells");
    };
    if (is_command_suite(config.suite)) return;
    const int suite = catalog_.suite(config.suite).version;
    if (suite != config.suite_version) throw differs("the suite " + config.suite, config.suite_version, suite);
    if (config.optimizer.empty()) return;
    const int optimizer = catalog_.optimizer(config.optimizer).version;
    if (optimizer != config.optimizer_version)
      throw differs("the optimizer " + config.optimizer, config.optimizer_version, optimizer);
  }

  ResourceRequest requested(const std::string& cell) const {
    for (const auto& experiment : experiments_)
      if (std::ranges::any_of(experiment.cells, [&](const auto& c) { return c.cell == cell; }))
        return resource_request_from_json(experiment.spec.value("resources", Json::object()));
    return {};
  }

  std::filesystem::path working_dir_of(const std::string& run) const {
    const auto file = store_.out() / "runs" / run / "run.json";
    return run_request_from_json(Json::parse(read_file(file), nullptr, false), file.string()).working_dir;
  }

  const Store& store_;
  const Catalog& catalog_;
  std::vector<ExperimentRecord> experiments_;
  std::set<std::string> seen_;
  std::vector<PlannedCell> cells_;
};

int retry(const RetryArguments& a, const Context& context) {
  if (a.runs.empty() && !a.failed)
    throw UserError("name the runs to try again, or all that failed with --failed", kUsage);
  const Catalog catalog = context.catalog();
  if (!open_store_if_any(context.out))
    throw UserError("nothing has been run in " + context.out.string() + " yet", kUsage);
  if (context.dry_run) {
    const auto store = open_store_if_any(context.out);
    Json rows = Json::array();
    const auto experiments = store->experiments();
    for (const auto& run : chosen(a, store->runs(), store->finished_by_cell())) {
      rows.push_back({{"cell", run.cell}, {"last_run", run.run}, {"state", to_string(run.state)}});
      if (!context.json)
        std::printf("would try again %.12s  %s  (%s)\n", run.cell.c_str(),
                    label_of_cell(experiments, run.cell, run.suite).c_str(), to_string(run.state).c_str());
    }
    if (context.json)
      print_json({{"dry_run", true}, {"cells", rows}});
    else if (rows.empty())
      std::printf("nothing has failed\n");
    return kDone;
  }
  Session session(context);
  session.set_backend(a.backend);
  const Store& store = session.store();
  Gatherer gatherer(store, catalog);
  for (const auto& run : chosen(a, store.runs(), store.finished_by_cell())) gatherer.add(run.cell, false, run.run);
  const auto cells = gatherer.take();
  if (cells.empty()) {
    if (context.json)
      print_json(summary_json({}));
    else if (!context.quiet)
      std::printf("nothing has failed\n");
    return kDone;
  }
  const auto report = session.run_cells(cells, catalog, a.slots);
  if (context.json)
    print_json(summary_json(report));
  else if (!context.quiet || exit_code_of(report) != kDone)
    std::fputs(summary_text(report, context).c_str(), stdout);
  return exit_code_of(report);
}

}  // namespace

const Verb kRetryVerb = {
    "retry", "Run again what has failed, without naming its experiments",
    "pionbench retry --failed -j 2\npionbench retry 3f2a90c1d2e4.1", [](CLI::App& app, const Context& context) {
      auto a = std::make_shared<RetryArguments>();
      app.add_option("RUN", a->runs, "runs without a result, or the beginnings of their names or cells");
      app.add_flag("--failed", a->failed, "every cell whose last run failed, ran out of memory or time, or was lost");
      app.add_option("-j,--jobs", a->slots, "runs at once (default: one per core)")->check(CLI::Range(1, 4096));
      add_backend_options(app, a->backend);
      return Runner([&context, a] { return retry(*a, context); });
    }};

}  // namespace pionbench
