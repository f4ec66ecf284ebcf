#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "core/error.h"
#include "harness/cli/verbs.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

std::string environment_or(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

fs::path folder_of_this_program() {
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : self.parent_path();
}

std::vector<fs::path> spec_folders(const fs::path& home) {
  std::vector<fs::path> out;
  if (const std::string listed = environment_or("PIONBENCH_SPECS", ""); !listed.empty()) {
    for (std::size_t begin = 0; begin <= listed.size();) {
      const std::size_t end = std::min(listed.find(':', begin), listed.size());
      if (end > begin) out.emplace_back(listed.substr(begin, end - begin));
      begin = end + 1;
    }
    return out;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(home / "experiments" / "specs", error))
    if (entry.is_directory(error)) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

int report(const std::string& message, int code) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return code;
}

/// The first argument that is no option must be a verb; the parser's own message would not name the nearest.
void require_known_verb(const std::vector<std::string>& arguments) {
  const auto word = std::ranges::find_if(arguments, [](const std::string& a) { return !a.starts_with('-'); });
  if (word == arguments.end()) return;
  std::vector<std::string> known;
  for (const auto& verb : verbs()) known.emplace_back(verb.name);
  if (std::ranges::find(known, *word) == known.end())
    throw UserError(unknown_name("verb", *word, known) + "  see: pionbench --help", kUsage);
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App& current = chosen.empty() ? app : *chosen.front();
  const std::string help = "  see: pionbench " + (chosen.empty() ? "" : current.get_name() + " ") + "--help";
  for (const auto& extra : current.remaining()) {
    if (!extra.starts_with('-')) return "unexpected argument \"" + extra + "\"" + help;
    std::vector<std::string> known;
    for (const auto* option : current.get_options())
      for (const auto& name : option->get_lnames()) known.push_back("--" + name);
    return unknown_name("option", extra.substr(0, extra.find('=')), known) + help;
  }
  return std::string(error.what()) + help;
}

/// Every line two blanks further in.
std::string indented(const std::string& text) {
  std::string out = "  ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

void add_common_options(CLI::App& app, Context& context) {
  app.add_option("--out", context.out, "folder of runs, store and report")->capture_default_str();
  app.add_flag("--json", context.json, "print one JSON document");
  app.add_flag("--quiet,-q", context.quiet, "no progress, no summary");
  app.add_flag("--dry-run", context.dry_run, "say what would be done; change nothing");
}

int parse_and_run(Context& context, int argc, const char* const* argv) {
  CLI::App app{"A reproducible benchmark of optimizers.", "pionbench"};
  app.set_version_flag("--version", std::string("pionbench ") + PIONBENCH_VERSION);
  app.require_subcommand(1, 1);
  app.footer(
      "Exit codes: 0 done, 1 a run failed or a gate regressed, 2 usage, 3 undecided, 64 bad configuration, 70 "
      "internal, 75 interrupted.");
  std::map<const CLI::App*, Runner> runners;
  for (const auto& verb : verbs()) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    sub->footer("Example:\n" + indented(verb.example));
    runners[sub] = verb.attach(*sub, context);
    add_common_options(*sub, context);
  }
  if (argc <= 1) {
    std::fputs(app.help().c_str(), stderr);
    return kUsage;
  }
  require_known_verb(context.arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    throw UserError(usage_message(app, e), kUsage);
  }
  return runners.at(app.get_subcommands().front())();
}

}  // namespace

Catalog Context::catalog() const {
  std::error_code error;
  if (!fs::exists(catalog_path, error))
    throw UserError(
        "no catalog of suites and optimizers at " + catalog_path.string() + "; the full build makes it: ci/build",
        kInternal);
  return load_catalog(catalog_path);
}

Context make_context(int argc, const char* const* argv) {
  Context context;
  context.home = environment_or("PIONBENCH_HOME", PIONBENCH_SOURCE_FOLDER);
  context.bin = folder_of_this_program();
  context.worker = environment_or("PIONBENCH_WORKER", (context.bin / "pionbench-worker").string());
  context.catalog_path = environment_or("PIONBENCH_CATALOG", (context.bin / "catalog.json").string());
  context.python = environment_or("PIONBENCH_PYTHON", (context.home / ".venv" / "bin" / "python3").string());
  context.spec_folders = spec_folders(context.home);
  for (int i = 1; i < argc; ++i) context.arguments.emplace_back(argv[i]);
  return context;
}

void print_json(Json document) {
  document["schema"] = 1;
  std::printf("%s\n", document.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int run_command_line(int argc, const char* const* argv) {
  try {
    Context context = make_context(argc, argv);
    return parse_and_run(context, argc, argv);
  } catch (const UserError& e) {
    return report(e.what(), e.exit_code());
  } catch (const std::exception& e) {
    return report(std::string("internal: ") + e.what() + "\n  This is a bug in pionbench; please report it.",
                  kInternal);
  }
}

}  // namespace pionbench
