#include "harness/schedule/audit.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/hash.h"
#include "core/error.h"
#include "core/files.h"
#include "core/run_request.h"
#include "harness/schedule/process.h"
#include "store/attempts.h"
#include "store/spool.h"
#include "store/store.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

/// One run, as its folder tells it.
struct RunStory {
  std::string run;
  std::string cell;
  std::map<int, AttemptStart> starts;
  std::map<int, AttemptEnd> ends;
  std::optional<AttemptStart> open;  ///< begun, without an end
  std::string finished;              ///< status of run_finished; "" without one

  bool is_finished() const {
    return !ends.empty() && (ends.rbegin()->second.outcome == "done" || ends.rbegin()->second.outcome == "diverged");
  }
};

class Auditor {
 public:
  explicit Auditor(const fs::path& out) : out_(out) {}

  AuditReport run() {
    bring_up_to_date();
    read_runs();
    check_cells();
    check_processes();
    check_store();
    return std::move(report_);
  }

 private:
  void problem(const std::string& where, const std::string& what) { report_.problems.push_back(where + ": " + what); }

  /// The store is compared as it would be after the next command.
  void bring_up_to_date() {
    try {
      const OutLock lock(out_);
      Store(out_, Store::Mode::kReadWrite).ingest();
    } catch (const UserError& error) {
      // Another pionbench does that itself; in a folder that cannot be written there is nothing new.
      if (error.exit_code() != kInterrupted && error.exit_code() != kInternal) throw;
    }
  }

  template <typename Take>
  void each_line(const fs::path& file, const Take& take) {
    const auto stamp = file_stamp(file);
    if (!stamp) return;
    read_whole_lines(
        file, 0, stamp->size,
        [&](std::string_view line) {
          const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
          if (!json.is_object()) {
            report_.unreadable_lines += !line.empty();
            return;
          }
          try {
            take(json);
          } catch (const Json::exception&) {
            ++report_.unreadable_lines;
          }
        },
        [](std::int64_t) {});
  }

  void read_runs() {
    std::error_code error;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(out_ / "runs", error))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    for (const auto& name : names) read_run(name);
  }

  void read_run(const std::string& name) {
    const auto folder = out_ / "runs" / name;
    std::error_code error;
    if (!fs::exists(folder / "run.json", error)) return;  // being made, or no run
    RunStory story;
    story.run = name;
    try {
      const auto request =
          run_request_from_json(Json::parse(read_file(folder / "run.json")), (folder / "run.json").string());
      story.cell = request.cell;
      if (request.run != name) problem(name, "run.json names another run, " + request.run);
      if (content_hash(to_json(request.config)) != request.cell)
        problem(name, "run.json was changed: its configuration is not that of cell " + request.cell.substr(0, 12));
    } catch (const std::exception& e) {
      return problem(name, std::string("run.json cannot be read: ") + e.what());
    }
    ++report_.runs;
    read_attempts(folder, story);
    read_events(folder, story);
    check_outcome(story);
    stories_.push_back(std::move(story));
  }

  void read_attempts(const fs::path& folder, RunStory& story) {
    int last = 0;
    each_line(folder / "attempts.jsonl", [&](const Json& json) {
      const std::string type = json.at("type");
      if (type == "attempt_started") {
        const auto a = attempt_start_from_json(json);
        if (story.open && story.open->attempt == a.attempt && !a.job.empty() && !story.open->job.empty()) {
          story.open = story.starts[a.attempt] = a;  // in a queue: the same attempt, now with its node
          return;
        }
        const std::string which = "attempt " + std::to_string(a.attempt);
        if (story.open)
          problem(story.run, which + " began while attempt " + std::to_string(story.open->attempt) + " had no end");
        if (a.attempt != last + 1) problem(story.run, which + " follows attempt " + std::to_string(last));
        if (story.is_finished()) problem(story.run, which + " began after the run was finished");
        last = a.attempt;
        story.open = a;
        story.starts[a.attempt] = a;
        ++report_.attempts;
      } else if (type == "attempt_ended") {
        const auto a = attempt_end_from_json(json);
        const std::string which = "attempt " + std::to_string(a.attempt);
        // Without a start: its orchestrator was killed before it began.
        const bool is_open = story.open && story.open->attempt == a.attempt;
        if (story.ends.contains(a.attempt)) problem(story.run, which + " has two ends");
        if (story.open && !is_open)
          problem(story.run, which + " ended while attempt " + std::to_string(story.open->attempt) + " was open");
        if (!is_open && a.attempt != last + 1) problem(story.run, which + " ended but never began");
        last = std::max(last, a.attempt);
        story.open.reset();
        story.ends[a.attempt] = a;
      }
    });
  }

  void read_events(const fs::path& folder, RunStory& story) {
    std::int64_t last = -1;
    int attempt = 0;
    bool after_finish_told = false;
    each_line(folder / "events.jsonl", [&](const Json& json) {
      ++report_.events;
      const std::int64_t seq = json.at("seq");
      const std::string type = json.at("type");
      if (seq <= last)
        problem(story.run, "event " + std::to_string(seq) + " comes after event " + std::to_string(last) +
                               ": two workers wrote at once");
      last = std::max(last, seq);
      if (!story.finished.empty() && !std::exchange(after_finish_told, true))
        problem(story.run, "events follow run_finished");
      if (type == "run_started") {
        const int now = json.at("attempt");
        if (json.at("run") != story.run) problem(story.run, "its events are those of run " + json.at("run").dump());
        if (now <= attempt)
          problem(story.run, "attempt " + std::to_string(now) + " spoke after attempt " + std::to_string(attempt));
        if (!story.starts.empty() && !story.starts.contains(now))
          problem(story.run, "attempt " + std::to_string(now) + " worked without a recorded start");
        attempt = now;
      } else if (type == "run_finished") {
        story.finished = json.at("status").get<std::string>();
      }
    });
  }

  void check_outcome(const RunStory& story) {
    if (story.ends.empty() || story.open) return;
    const std::string& outcome = story.ends.rbegin()->second.outcome;
    const bool says_finished = outcome == "done" || outcome == "diverged";
    if (says_finished && story.finished != outcome)
      problem(story.run, "is counted as " + outcome + ", but its events say " +
                             (story.finished.empty() ? "nothing of an end" : story.finished));
    if (outcome == "lost" && !story.finished.empty())
      problem(story.run, "is counted as lost, but its events say " + story.finished);
  }

  void check_cells() {
    std::map<std::string, std::vector<std::string>> finished, live;
    std::set<std::string> cells;
    for (const auto& story : stories_) {
      cells.insert(story.cell);
      if (story.is_finished()) finished[story.cell].push_back(story.run);
      if (story.open && is_alive(*story.open)) {
        ++report_.live;
        live[story.cell].push_back(story.run);
      }
    }
    for (const auto& [cell, runs] : finished)
      if (runs.size() > 1) problem("cell " + cell.substr(0, 12), "was finished twice: " + join(runs, ", "));
    for (const auto& [cell, runs] : live)
      if (runs.size() > 1) problem("cell " + cell.substr(0, 12), "is run twice at once: " + join(runs, ", "));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(out_ / "experiments", error)) {
      if (entry.path().extension() != ".json") continue;
      const Json json = Json::parse(read_file(entry.path()), nullptr, false);
      if (json.is_object() && json.contains("cells"))
        for (const auto& cell : json["cells"]) cells.insert(cell.value("cell", ""));
    }
    report_.cells = static_cast<int>(cells.size());
    report_.finished_cells = static_cast<int>(finished.size());
  }

  void check_processes() {
    std::map<std::string, const RunStory*> by_tag;
    for (const auto& story : stories_) {
      for (const auto& [number, start] : story.starts) {
        const bool is_open = story.open && story.open->attempt == number;
        if (!start.owner.empty() && !is_open) by_tag[run_tag(story.run, start.owner)] = &story;
        if (!is_open && is_alive(start))
          problem(story.run, "attempt " + std::to_string(number) + " has an end, but its process " +
                                 std::to_string(start.pid) + " is alive");
      }
    }
    // The owner's other attempts of the same run wear the same tag.
    for (const auto& story : stories_)
      if (story.open) by_tag.erase(run_tag(story.run, story.open->owner));
    if (by_tag.empty()) return;
    const auto suspects = [&] {
      std::vector<std::pair<int, std::string>> found = processes_with_any_run_tag();
      std::erase_if(found, [&](const auto& process) { return !by_tag.contains(process.second); });
      return found;
    };
    // A worker that waits at its gate for an orchestrator that was just killed is on its way out, and on a busy machine
    // that takes a while: look again for three seconds before calling it left behind.
    auto left = suspects();
    for (int i = 0; i < 30 && !left.empty(); ++i) {
      ::usleep(100'000);
      left = suspects();
    }
    for (const auto& [pid, tag] : left)
      if (const auto it = by_tag.find(tag); it != by_tag.end())
        problem(it->second->run, "has ended, but process " + std::to_string(pid) + ", which it started, is alive");
  }

  void check_store() {
    try {
      const auto said = Store(out_, Store::Mode::kReadOnly).verify(Store::Verify::kContent);
      report_.problems.insert(report_.problems.end(), said.begin(), said.end());
    } catch (const UserError& error) {
      report_.problems.push_back(error.what());
    }
  }

  const fs::path& out_;
  std::vector<RunStory> stories_;
  AuditReport report_;
};

}  // namespace

AuditReport audit(const fs::path& out) {
  if (!fs::is_directory(out))
    throw UserError("there is no folder " + out.string() + "; name the output folder of a run with --out");
  return Auditor(out).run();
}

}  // namespace pionbench
