#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/current_store.h"
#include "harness/cli/find_result.h"
#include "harness/cli/verbs.h"
#include "results/grid.h"
#include "results/tensorboard.h"

namespace pionbench {
namespace {

struct Options {
  std::string action;
  std::string csv = "-";
  std::string figure;       ///< export: the rows behind it alone
  std::string tensorboard;  ///< export: a folder for event files
};

/// With a store too damaged to open there is nothing to verify: that is a problem found, like others.
std::vector<std::string> problems_of(const Context& context) {
  try {
    return open_current_store(context.out, context.dry_run).verify();
  } catch (const UserError& error) {
    if (error.exit_code() != kInternal) throw;
    return {error.what()};
  }
}

int verify(const Context& context, const Options&) {
  const auto problems = problems_of(context);
  if (context.json) {
    print_json({{"sound", problems.empty()}, {"problems", problems}});
  } else {
    for (const auto& problem : problems) std::printf("%s\n", problem.c_str());
    if (problems.empty() && !context.quiet) std::printf("the store is sound\n");
  }
  return problems.empty() ? kDone : kFailed;
}

int print_rebuild_plan(const Context& context) {
  std::size_t runs = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(context.out / "runs", error))
    runs += std::filesystem::exists(entry.path() / "run.json");
  if (context.json)
    print_json({{"dry_run", true}, {"runs", runs}});
  else
    std::printf("would make %s anew from the spools of %s\n", (context.out / "store.sqlite").c_str(),
                counted(runs, "run").c_str());
  return kDone;
}

int rebuild(const Context& context, const Options&) {
  if (!std::filesystem::is_directory(context.out))
    throw UserError("there is no folder " + context.out.string() + "; name the output folder of a run with --out");
  if (context.dry_run) return print_rebuild_plan(context);
  const OutLock lock(context.out);
  const std::string digest = Store::rebuild(context.out);
  if (context.json)
    print_json({{"digest", digest}});
  else if (!context.quiet)
    std::printf("rebuilt from the spools: %s\n", digest.c_str());
  return kDone;
}

std::string point_text(const std::map<std::string, std::string>& point) {
  std::string text;
  for (const auto& [key, value] : point) text += (text.empty() ? "" : " ") + key + "=" + value;
  return text;
}

/// Writes all metrics; returns their number.
std::size_t write_csv(const Store& store, const std::function<void(const std::string&)>& put) {
  put(csv_line(
      {"experiment", "scale", "arm", "point", "run", "cell", "suite", "optimizer", "state", "name", "step", "value"}));
  std::size_t rows = 0;
  store.for_each_metric([&](const MetricRow& row) {
    put(csv_line({row.experiment, row.scale, row.arm, point_text(row.point), row.run, row.cell, row.suite,
                  row.optimizer, to_string(row.state), row.name, std::to_string(row.step), exact(row.value)}));
    ++rows;
  });
  return rows;
}

std::size_t write_csv_file(const Store& store, const std::filesystem::path& file) {
  auto temporary = file;
  temporary += ".part";
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  const std::size_t rows = write_csv(store, [&](const std::string& line) { stream << line; });
  stream.close();
  std::error_code error;
  if (stream) std::filesystem::rename(temporary, file, error);
  if (stream && !error) return rows;
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  throw UserError("cannot write " + file.string() + (error ? ": " + error.message() : "") +
                      "; is the folder there and is there space?",
                  kInternal);
}

int export_tensorboard(const Context& context, const Options& options) {
  if (!options.figure.empty()) throw UserError("--tensorboard exports runs, not figures; leave out --figure", kUsage);
  const Store store = open_current_store(context.out, context.dry_run);
  if (context.dry_run) {
    std::size_t runs = 0;
    for (const auto& evidence : gather(store))
      for (const auto& cell : evidence.cells) runs += cell.run.has_value();
    if (context.json)
      print_json({{"dry_run", true}, {"folder", options.tensorboard}, {"runs", runs}});
    else
      std::printf("would write event files of %s below %s\n", counted(runs, "run").c_str(),
                  options.tensorboard.c_str());
    return kDone;
  }
  const auto report = write_tensorboard(store, options.tensorboard);
  if (context.json)
    print_json({{"folder", options.tensorboard}, {"runs", report.runs}, {"points", report.points}});
  else if (!context.quiet)
    std::fprintf(stderr, "%s, %s below %s; look: tensorboard --logdir %s\n", counted(report.runs, "run").c_str(),
                 counted(report.points, "point").c_str(), options.tensorboard.c_str(), options.tensorboard.c_str());
  return kDone;
}

/// Exactly the rows behind a figure or table, or one of its panels.
int export_figure(const Context& context, const Options& options) {
  if (context.json && options.csv == "-")
    throw UserError("--json needs the rows in a file: pionbench store export --figure NAME --csv FILE --json", kUsage);
  const Store store = open_current_store(context.out, context.dry_run);
  const auto result = find_result(options.figure, gather(store));
  const std::string csv = to_csv(result.data);
  if (options.csv == "-") {
    std::fputs(csv.c_str(), stdout);
    return kDone;
  }
  if (!context.dry_run) write_file_atomic(options.csv, csv);
  Json json = {{"file", options.csv}, {"figure", result.name}, {"rows", result.data.rows.size()}};
  if (context.dry_run) json["dry_run"] = true;
  if (context.json)
    print_json(json);
  else if (!context.quiet)
    std::fprintf(stderr, "%s%s of %s to %s\n", context.dry_run ? "would write " : "",
                 counted(result.data.rows.size(), "row").c_str(), result.name.c_str(), options.csv.c_str());
  return kDone;
}

int export_metrics(const Context& context, const Options& options) {
  if (!options.tensorboard.empty()) return export_tensorboard(context, options);
  if (!options.figure.empty()) return export_figure(context, options);
  if (context.json && options.csv == "-")
    throw UserError("--json needs the rows in a file: pionbench store export --csv FILE --json", kUsage);
  const Store store = open_current_store(context.out, context.dry_run);
  if (options.csv == "-") {
    write_csv(store, [](const std::string& line) { std::fputs(line.c_str(), stdout); });
    return kDone;
  }
  if (context.dry_run) {
    const std::size_t rows = write_csv(store, [](const std::string&) {});
    if (context.json)
      print_json({{"dry_run", true}, {"file", options.csv}, {"rows", rows}});
    else
      std::printf("would write %s to %s\n", counted(rows, "row").c_str(), options.csv.c_str());
    return kDone;
  }
  const std::size_t rows = write_csv_file(store, options.csv);
  if (context.json)
    print_json({{"file", options.csv}, {"rows", rows}});
  else if (!context.quiet)
    std::fprintf(stderr, "%s to %s\n", counted(rows, "row").c_str(), options.csv.c_str());
  return kDone;
}

struct Action {
  const char* name;
  int (*run)(const Context&, const Options&);
};
constexpr std::array kActions = {Action{"verify", verify}, Action{"rebuild", rebuild},
                                 Action{"export", export_metrics}};

int run_store(const Context& context, const Options& options) {
  for (const auto& action : kActions)
    if (options.action == action.name) return action.run(context, options);
  throw UserError(unknown_name("action", options.action, store_actions()), kUsage);
}

}  // namespace

std::vector<std::string> store_actions() {
  std::vector<std::string> out;
  for (const auto& action : kActions) out.emplace_back(action.name);
  return out;
}

const Verb kStoreVerb = {
    "store", "Check the store, make it anew from the spools, or export it",
    "pionbench store verify\npionbench store rebuild\npionbench store export --csv metrics.csv\n"
    "pionbench store export --figure fig6 --csv fig6.csv\npionbench store export --tensorboard tb",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("ACTION", options->action,
                     "verify: compare with the spools; rebuild: make anew from them; export: metrics with their cells")
          ->required();
      app.add_option("--csv", options->csv, "export: the file to write; - is standard output")->capture_default_str();
      app.add_option("--figure", options->figure, "export: only the rows behind this figure, table or panel");
      app.add_option("--tensorboard", options->tensorboard, "export: write TensorBoard event files below this folder");
      return Runner([&context, options] { return run_store(context, *options); });
    }};

}  // namespace pionbench
