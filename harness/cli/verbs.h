#pragma once
/// The verbs of `pionbench`. One more verb = one file `verb_<name>.cpp` that defines its `Verb`, the declaration
/// below, and one line in the table of verbs.cpp (display order).
///
///   const Verb kGreetVerb = {"greet", "Say hello", "pionbench greet --json", [](CLI::App& app, const Context& context)
///   {
///     auto name = std::make_shared<std::string>();
///     app.add_option("NAME", *name, "whom to greet")->required();
///     return Runner([&context, name] { ...; return kDone; });
///   }};
///
/// A runner returns an exit code (core/error.h) or throws UserError; main prints the one message. Results go to
/// stdout, progress and messages to stderr. With `context.json` a verb prints one JSON document
/// {"schema": 1, ...} on stdout and nothing else there. With `context.dry_run` it writes nothing anywhere and says what
/// it would do, in JSON with "dry_run": true; verbs that only read need not look at it.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/catalog.h"

namespace pionbench {

/// Where things are, and what every verb understands. The members from `out` on are filled by the parser, so read
/// them in the runner, not in `attach`.
struct Context {
  std::filesystem::path home;                       ///< PIONBENCH_HOME, else the source folder this was built from
  std::filesystem::path bin;                        ///< the folder of this program
  std::filesystem::path worker;                     ///< PIONBENCH_WORKER, else <bin>/pionbench-worker
  std::filesystem::path catalog_path;               ///< PIONBENCH_CATALOG, else <bin>/catalog.json
  std::filesystem::path python;                     ///< PIONBENCH_PYTHON, else <home>/.venv/bin/python3
  std::vector<std::filesystem::path> spec_folders;  ///< PIONBENCH_SPECS (colons), else <home>/experiments/specs/*
  std::vector<std::string> arguments;               ///< the command line without the program's name

  std::filesystem::path out = "out";  ///< --out
  bool json = false;                  ///< --json
  bool quiet = false;                 ///< --quiet: no progress, no summary
  bool dry_run = false;               ///< --dry-run: say what would be done, change nothing

  /// Loads the catalog; UserError when this build has none.
  Catalog catalog() const;
};

/// Reads the environment and /proc/self/exe.
Context make_context(int argc, const char* const* argv);

using Runner = std::function<int()>;

struct Verb {
  const char* name;
  const char* summary;  ///< one line
  const char* example;  ///< lines of shell, shown by --help
  /// Adds the verb's options to `app` (--json, --out and --quiet are there already) and returns what to run once
  /// they are parsed. `context` outlives the runner.
  Runner (*attach)(CLI::App& app, const Context& context);
};

/// In display order.
std::span<const Verb> verbs();

extern const Verb kReproduceVerb;
extern const Verb kPlanVerb;
extern const Verb kRunVerb;
extern const Verb kStatusVerb;
extern const Verb kWhyVerb;
extern const Verb kLogsVerb;
extern const Verb kStopVerb;
extern const Verb kRetryVerb;
extern const Verb kReproVerb;
extern const Verb kReportVerb;
extern const Verb kClaimsVerb;
extern const Verb kCompareVerb;
extern const Verb kBenchVerb;
extern const Verb kGateVerb;
extern const Verb kDashboardVerb;
extern const Verb kServeVerb;
extern const Verb kListVerb;
extern const Verb kDoctorVerb;
extern const Verb kStoreVerb;
extern const Verb kCompletionVerb;

/// What `list` and `store` can be asked for.
std::vector<std::string> list_kinds();
std::vector<std::string> store_actions();

/// One JSON document on stdout; `"schema": 1` is added. Text that is not UTF-8 is replaced, never fatal.
void print_json(Json document);

/// Parses and runs: the whole program but for `main`. Returns the exit code; never throws.
int run_command_line(int argc, const char* const* argv);

}  // namespace pionbench
