#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/error.h"
#include "harness/cli/find_run.h"
#include "harness/cli/planning.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "harness/slurm/node_spool.h"
#include "store/spool.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr auto kPoll = std::chrono::milliseconds(100);

struct LogArguments {
  std::string run;
  bool follow = false;
  int lines = 50;
  bool events = false, out = false, err = false;
};

/// One event as people read it; "" for those that only programs read (spectra, curves, phases, progress).
std::string event_text(std::string_view line) {
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("type") || !event["type"].is_string()) return "";
  const std::string type = event["type"];
  constexpr std::array kShown = {"run_started", "metric", "evaluation", "checkpoint", "artifact", "run_finished"};
  if (std::ranges::find(kShown, type) == kShown.end()) return "";
  char head[64];
  const double t = event.contains("t") && event["t"].is_number() ? event["t"].get<double>() : 0;
  std::snprintf(head, sizeof head, "%9.2f s  %-12s", t, type.c_str());
  std::string text = head;
  const auto add = [&](const std::string& name, const Json& value) {
    if (value.is_number_float()) {
      char number[40];
      std::snprintf(number, sizeof number, "%.6g", value.get<double>());
      text += "  " + name + "=" + number;
    } else if (value.is_string()) {
      text += "  " + name + "=" + value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      text += "  " + name + "=" + value.dump();
    }
  };
  for (const char* key : {"attempt", "step", "split", "kind", "path", "status", "reason"})
    if (event.contains(key)) add(key, event[key]);
  if (event.contains("values") && event["values"].is_object())
    for (const auto& [name, value] : event["values"].items()) add(name, value);
  return text;
}

/// One file of a run, read line by line as it grows.
class Source {
 public:
  Source(std::string title, fs::path path, std::string (*text_of)(std::string_view))
      : title_(std::move(title)), path_(std::move(path)), text_of_(text_of) {}

  /// What is new; a last line without its end is left until it is whole.
  std::vector<std::string> take() {
    std::vector<std::string> lines;
    const auto stamp = file_stamp(path_);
    if (!stamp || stamp->size <= offset_) return lines;
    offset_ = read_whole_lines(
        path_, offset_, stamp->size,
        [&](std::string_view line) {
          std::string text = text_of_(line);
          if (!text.empty() || line.empty()) lines.push_back(std::move(text));
        },
        [](std::int64_t) {});
    return lines;
  }
  const std::string& title() const { return title_; }

 private:
  std::string title_;
  fs::path path_;
  std::string (*text_of_)(std::string_view);
  std::int64_t offset_ = 0;
};

std::string as_it_is(std::string_view line) {
  return std::string(line);
}

std::vector<Source> sources_of(const fs::path& folder, const LogArguments& a) {
  const bool all = !a.events && !a.out && !a.err;
  std::vector<Source> sources;
  if (all || a.events) sources.emplace_back("events", folder / "events.jsonl", event_text);
  if (all || a.out) sources.emplace_back("stdout", folder / "stdout.log", as_it_is);
  if (all || a.err) sources.emplace_back("stderr", folder / "stderr.log", as_it_is);
  return sources;
}

bool is_at_work(const fs::path& folder) {
  const auto attempts = read_attempt_facts(folder);
  if (!attempts.unended) return false;
  if (attempts.unended->job.empty()) return is_alive(*attempts.unended);
  return !read_node_facts(folder).ends.contains(attempts.unended->attempt);
}

/// Of all runs the one at work, when there is just one.
std::string only_run_at_work(const std::vector<RunRow>& runs, const fs::path& out) {
  std::vector<std::string> names;
  for (const auto& run : runs)
    if (run.state == RunState::kRunning && is_at_work(out / "runs" / run.run)) names.push_back(run.run);
  if (names.size() == 1) return names[0];
  if (names.empty()) throw UserError("no run is going; name one  see: pionbench status", kUsage);
  throw UserError(std::to_string(names.size()) + " runs are going; name one: " + join(names, ", "), kUsage);
}

void print(const std::string& title, const std::vector<std::string>& lines, std::string& shown, bool has_titles) {
  if (lines.empty()) return;
  if (has_titles && shown != title) std::printf("%s==> %s <==\n", shown.empty() ? "" : "\n", title.c_str());
  shown = title;
  for (const auto& line : lines) std::printf("%s\n", line.c_str());
}

int logs(const LogArguments& a, const Context& context) {
  if (a.follow && context.json) throw UserError("--follow prints lines and --json one document; choose one", kUsage);
  const auto store = open_store_if_any(context.out);
  if (!store) throw UserError("nothing has been run in " + context.out.string() + " yet", kUsage);
  const auto runs = store->runs();
  const std::string run = a.run.empty() ? only_run_at_work(runs, context.out) : find_run(runs, a.run).run;
  const fs::path folder = context.out / "runs" / run;
  auto sources = sources_of(folder, a);
  Json document = {{"run", run}};
  std::string shown;
  bool anything = false;
  for (auto& source : sources) {
    auto lines = source.take();
    if (lines.size() > static_cast<std::size_t>(a.lines)) lines.erase(lines.begin(), lines.end() - a.lines);
    anything = anything || !lines.empty();
    if (context.json)
      document[source.title()] = lines;
    else
      print(source.title(), lines, shown, sources.size() > 1);
  }
  if (context.json) {
    print_json(document);
    return kDone;
  }
  if (!anything && !a.follow) std::fprintf(stderr, "%s has written nothing\n", run.c_str());
  while (a.follow) {
    std::fflush(stdout);
    // Asked before the last look, so that what a run writes last is not missed.
    const bool was_at_work = is_at_work(folder);
    for (auto& source : sources) print(source.title(), source.take(), shown, sources.size() > 1);
    if (!was_at_work) break;
    std::this_thread::sleep_for(kPoll);
  }
  return kDone;
}

}  // namespace

const Verb kLogsVerb = {
    "logs", "What a run reports and prints; with -f, as it does",
    "pionbench logs 3f2a90c1d2e4.1 -f\npionbench logs 3f2a --stderr -n 200", [](CLI::App& app, const Context& context) {
      auto a = std::make_shared<LogArguments>();
      app.add_option("RUN", a->run, "the run, or the beginning of its name or cell (default: the one that is going)");
      app.add_flag("-f,--follow", a->follow, "go on until the run has ended");
      app.add_option("-n,--lines", a->lines, "lines of each kind to begin with")
          ->check(CLI::Range(0, 1 << 30))
          ->capture_default_str();
      app.add_flag("--events", a->events, "measurements alone");
      app.add_flag("--stdout", a->out, "standard output alone");
      app.add_flag("--stderr", a->err, "standard error alone");
      return Runner([&context, a] { return logs(*a, context); });
    }};

}  // namespace pionbench
