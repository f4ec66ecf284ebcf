#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>

#include "common/hash.h"
#include "common/subprocess.h"
#include "core/error.h"
#include "core/files.h"
#include "harness/cli/planning.h"
#include "harness/cli/session.h"
#include "harness/cli/step_times.h"
#include "harness/cli/sweep_run.h"
#include "harness/schedule/process.h"
#include "harness/spec/command_suite.h"
#include "harness/spec/experiment.h"
#include "results/registry.h"
#include "results/report.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

struct ReproduceArguments {
  std::vector<std::string> only;
  std::string scale = "quick";
  int slots = 0;
  BackendArguments backend;
};

/// The folders that hold the paper's experiments; where nobody calls a folder so, all of them.
std::vector<fs::path> paper_folders(const Context& context) {
  std::vector<fs::path> out;
  std::ranges::copy_if(context.spec_folders, std::back_inserter(out),
                       [](const fs::path& folder) { return folder.filename() == "paper"; });
  return out.empty() ? context.spec_folders : out;
}

/// The experiment behind a figure, a table or its own name.
std::string experiment_of(const std::string& name, const std::vector<fs::path>& specs) {
  std::vector<std::string> known;
  for (const auto& path : specs) {
    if (path.stem() == name) return name;
    known.push_back(path.stem().string());
  }
  const auto look = [&](const auto& entries) -> std::string {
    for (const auto& entry : entries) {
      if (!*entry.experiment) continue;  // drawn of any sweep: none to run for it
      if (entry.name == name) return entry.experiment;
      if (std::ranges::find(known, entry.name) == known.end()) known.emplace_back(entry.name);
    }
    return "";
  };
  for (const auto& experiment : {look(figures()), look(tables())})
    if (!experiment.empty()) return experiment;
  throw UserError("--only: " + unknown_name("figure, table or experiment", name, known), kUsage);
}

std::vector<fs::path> chosen_specs(const std::vector<std::string>& only, const Context& context) {
  // All that is ready stands in paper/; whoever names an experiment may have any.
  const auto folders = only.empty() ? paper_folders(context) : context.spec_folders;
  auto specs = list_specs(folders);
  if (specs.empty()) throw UserError("no experiments found; set PIONBENCH_HOME or PIONBENCH_SPECS", kUsage);
  if (only.empty()) return specs;
  std::set<std::string> wanted;
  for (const auto& name : only) wanted.insert(experiment_of(name, specs));
  for (const auto& name : wanted) find_spec(name, folders);  // a figure's experiment may have no file
  std::erase_if(specs, [&](const fs::path& path) { return !wanted.contains(path.stem().string()); });
  return specs;
}

/// What a report depends on: the store, what was asked for, and this program.
std::string report_key(const Store& store, const std::vector<std::string>& only) {
  std::error_code error;
  const auto built = fs::last_write_time("/proc/self/exe", error).time_since_epoch().count();
  return content_hash({{"store", store.digest()}, {"only", only}, {"program", built}});
}

struct ReportText {
  std::string index;
  std::string text;
};

/// Writes the report unless the one that lies there is of the same store.
ReportText bring_report_up_to_date(const Store& store, const std::vector<std::string>& only, const Context& context) {
  const fs::path note = context.out / "report" / ".made-from.json";
  const std::string key = report_key(store, only);
  std::error_code error;
  if (fs::exists(note, error)) {
    const Json made = Json::parse(read_file(note), nullptr, /*allow_exceptions=*/false);
    if (made.is_object() && made.value("key", "") == key && fs::exists(made.value("index", ""), error))
      return {made.value("index", ""), made.value("text", "")};
  }
  const auto summary = write_report(store, {.home = context.home, .python = context.python, .only = only});
  // A report with notes lacks something that may be mended by the next time.
  if (summary.notes.empty())
    write_file_atomic(note,
                      Json{{"key", key}, {"index", summary.index.string()}, {"text", summary.text}}.dump() + "\n");
  return {summary.index.string(), summary.text};
}

/// Brings the report up to date while cells run, in a process of its own with the least priority: every minute at most,
/// and never more than a tenth of the time. What it shows then is what has ended; the last word is the caller's.
class GrowingReport {
 public:
  GrowingReport(const ReproduceArguments& arguments, const Context& context) {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    if (error) return;
    command_ = {"nice", "-n", "19", self.string(), "report", "--quiet", "--out", context.out.string()};
    for (const auto& name : arguments.only) command_.insert(command_.end(), {"--only", name});
  }
  void tell(int ended) {
    if (command_.empty()) return;
    if (process_) {
      if (!process_->poll(kAtMost_s)) return;
      process_.reset();
      next_at_ = steady_seconds() + std::max(kPause_s, 9 * (steady_seconds() - began_at_));
    }
    if (next_at_ == 0) next_at_ = steady_seconds() + kPause_s;
    if (ended == shown_ || steady_seconds() < next_at_) return;
    shown_ = ended;
    began_at_ = steady_seconds();
    process_.emplace(command_);
  }

 private:
  static constexpr double kPause_s = 60, kAtMost_s = 600;
  std::vector<std::string> command_;
  std::optional<Subprocess> process_;
  double began_at_ = 0, next_at_ = 0;
  int shown_ = 0;
};

/// Why the build cannot run the experiment; "" when it can.
std::string lacking_suite(const fs::path& spec, const Catalog& catalog) {
  const std::string suite = parse_experiment(read_file(spec), spec.string()).suite;
  if (is_command_suite(suite) || std::ranges::find(catalog.suites, suite, &SuiteInfo::name) != catalog.suites.end())
    return "";
  return spec.stem().string() + ": this build lacks the suite " + suite + "  see: pionbench doctor\n";
}

int dry_run(const std::vector<PlanSource>& sources, const Catalog& catalog, bool wants_step_times,
            const BackendArguments& backend, const Context& context) {
  std::string first;
  if (wants_step_times) {
    const auto store = open_store_if_any(context.out);
    const auto steps = find_step_times(store ? &*store : nullptr, catalog, context, backend);
    if (!steps.lacks.empty())
      first = steps.lacks;
    else if (steps.sitting.empty())
      first = "would time optimizer steps for claim C5: half a minute";
  }
  return print_dry_run(sources, catalog, context, "", first);
}

int reproduce(const ReproduceArguments& arguments, const Context& context) {
  const Catalog catalog = context.catalog();
  std::vector<PlanSource> sources;
  std::string left_out;
  for (const auto& path : chosen_specs(arguments.only, context)) {
    // Whoever names an experiment gets the error of planning it.
    const std::string lack = arguments.only.empty() ? lacking_suite(path, catalog) : "";
    left_out += lack;
    if (lack.empty()) sources.push_back({path, {.scale = arguments.scale}});
  }
  if (!context.quiet) std::fputs(left_out.c_str(), stderr);
  // Not of an experiment, so whoever names some does without.
  const bool wants_step_times = arguments.only.empty();
  if (context.dry_run) return dry_run(sources, catalog, wants_step_times, arguments.backend, context);
  auto planned = decide_all(sources, catalog, nullptr);
  Session session(context);
  session.set_backend(arguments.backend);
  StepTimes steps;
  if (wants_step_times)  // first, while nothing of ours runs beside it
    steps = bring_step_times_up_to_date(session.store(), catalog, context, arguments.backend);
  if (!steps.lacks.empty()) {
    if (!context.quiet) std::fprintf(stderr, "%s\n", steps.lacks.c_str());
    left_out += steps.lacks + "\n";
  }
  std::optional<GrowingReport> growing(std::in_place, arguments, context);
  session.set_while_running([&](int ended) { growing->tell(ended); });
  const auto outcome = run_sources(session, sources, std::move(planned), catalog, {arguments.slots}, context);
  growing.reset();  // two must not write the same files
  const int code = exit_code_of(outcome.report);
  Json json = to_json(outcome);
  if (!left_out.empty()) json["left_out"] = left_out;
  if (!steps.sitting.empty()) json["step_times"] = {{"sitting", steps.sitting}, {"measured_now", steps.is_measured}};
  std::string text = to_text(outcome, context);
  if (code != kInterrupted) {
    const auto written = bring_report_up_to_date(session.store(), arguments.only, context);
    json["report"] = written.index;
    text = written.text + (written.text.empty() || written.text.ends_with('\n') ? "" : "\n") + text +
           "report: " + written.index + "\n";
  }
  if (context.json)
    print_json(json);
  else if (!context.quiet || code != kDone)
    std::fputs(text.c_str(), stdout);
  return code;
}

}  // namespace

const Verb kReproduceVerb = {
    "reproduce", "Run the paper's experiments and write the report", "pionbench reproduce --only fig3",
    [](CLI::App& app, const Context& context) {
      auto arguments = std::make_shared<ReproduceArguments>();
      app.add_option("--only", arguments->only, "figures, tables or experiments, e.g. fig3 or fig2b,fig3")
          ->delimiter(',')
          ->allow_extra_args(false);
      add_scale_option(app, arguments->scale);
      app.add_option("-j,--jobs", arguments->slots, "runs at once (default: one per core)")->check(CLI::Range(1, 4096));
      add_backend_options(app, arguments->backend);
      return Runner([&context, arguments] { return reproduce(*arguments, context); });
    }};

}  // namespace pionbench
