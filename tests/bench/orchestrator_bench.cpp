// The orchestrator at scale: what docs/performance.md says under "Orchestrator". Every section measures growth as well
// as size, because a machine's seconds say little and a ratio within one run says more.
//
//   orchestrator_bench [plan|done|ingest|cells ...]     all of them without arguments
//
// It drives the `pionbench` beside it, with a catalog and a worker of its own, in a folder that it removes.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/files.h"
#include "harness/spec/plan.h"
#include "store/attempts.h"
#include "store/store.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

/// As many settings as `rlvr/arith` and `pion` have, so that a cell costs what a real one does.
Catalog bench_catalog() {
  SuiteInfo suite{"empty", "Empty", "", 1, true, "sum", true, "", {}};
  suite.table.settings = {int_setting("seed", 0, 0, 1000000, ""), int_setting("steps", 60, 1, 1000000, "")};
  for (int i = 0; i < 11; ++i) {
    suite.table.settings.push_back(int_setting("size_" + std::to_string(i), 8 << i, 1, 1000000, ""));
    suite.table.settings.push_back(real_setting("rate_" + std::to_string(i), 0.1 + 0.01 * i, 0, 10, ""));
    suite.table.settings.push_back(choice_setting("mode_" + std::to_string(i), "plain", {"plain", "other"}, ""));
  }
  OptimizerInfo optimizer{"none", "None", "", "", 1, {}};
  optimizer.table.settings = {real_setting("lr", 1e-3, 0, 10, ""), int_setting("k_p", 0, 0, 9, "")};
  for (int i = 0; i < 15; ++i)
    optimizer.table.settings.push_back(real_setting("hyper_" + std::to_string(i), 0.9 + 0.001 * i, 0, 10, ""));
  return {{optimizer}, {suite}};
}

class Bench {
 public:
  Bench() : bin_(fs::read_symlink("/proc/self/exe").parent_path()) {
    std::string pattern = (fs::temp_directory_path() / "pionbench-bench-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
    write_file_atomic(folder_ / "catalog.json", to_json(bench_catalog()).dump());
    ::setenv("PIONBENCH_CATALOG", (folder_ / "catalog.json").c_str(), 1);
    ::setenv("PIONBENCH_WORKER", (bin_ / "empty_worker").c_str(), 1);
    ::setenv("PIONBENCH_SPECS", folder_.c_str(), 1);
  }
  ~Bench() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  struct Cost {
    double seconds = 0;
    double peak_mib = 0;
  };

  /// Runs `pionbench ARGUMENTS` with its output thrown away; throws when it does not end with 0.
  Cost pionbench(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), (bin_ / "pionbench").string());
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const double began = steady_seconds();
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int nothing = ::open("/dev/null", O_WRONLY);
      ::dup2(nothing, STDOUT_FILENO);
      ::dup2(nothing, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    rusage usage{};
    ::wait4(pid, &status, 0, &usage);
    const double seconds = steady_seconds() - began;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      std::string line;
      for (const auto& argument : arguments) line += " " + argument;
      throw std::runtime_error("failed:" + line);
    }
    return {seconds, static_cast<double>(usage.ru_maxrss) / 1024};
  }

  /// The median of three.
  Cost median(const std::vector<std::string>& arguments) const {
    std::array<Cost, 3> costs;
    for (auto& cost : costs) cost = pionbench(arguments);
    std::ranges::sort(costs, {}, &Cost::seconds);
    return costs[1];
  }

  /// An experiment of `cells` cells: lr × k_p × seed.
  void experiment(int cells) const {
    write_file_atomic(folder_ / "scale.yaml",
                      "name: scale\nsuite: empty\narms: {None: {optimizer: none}}\ngrid: {lr: log:1e-5..1e-2:10, k_p: "
                      "0..9, seed: 0.." +
                          std::to_string(cells / 100 - 1) + "}\n");
  }

  std::string out(const std::string& name) const { return (folder_ / name).string(); }
  const fs::path& folder() const { return folder_; }

  /// Spools of finished runs for every cell of the experiment, without waiting for the disk.
  void finished_runs(const std::string& name, int cells) const {
    experiment(cells);
    const auto plan = make_plan(folder_ / "scale.yaml", bench_catalog(), {});
    for (const auto& cell : plan.cells) {
      const RunRequest request{cell.id.substr(0, 12) + ".1", cell.id, cell.config};
      const fs::path run = folder_ / name / "runs" / request.run;
      fs::create_directories(run);
      std::ofstream(run / "run.json") << to_json(request).dump(2) << "\n";
      AttemptStart start;
      start.started_at = "2026-01-02T03:04:05.000Z";
      AttemptEnd end;
      end.ended_at = "2026-01-02T03:04:06.000Z";
      end.outcome = "done";
      std::ofstream(run / "attempts.jsonl") << to_json(start).dump() << "\n" << to_json(end).dump() << "\n";
      events(run / "events.jsonl", 3);
    }
  }

  /// About 2.5 rows an event, as a training run writes: metrics, phases, spectral values.
  static void events(const fs::path& file, int count) {
    std::ofstream out(file);
    for (int seq = 0; seq + 1 < count; ++seq) {
      const std::string head = "{\"seq\":" + std::to_string(seq) + ",\"t\":" + std::to_string(seq) + ".25,\"type\":";
      const std::string step = ",\"step\":" + std::to_string(seq / 3);
      if (seq % 3 == 0)
        out << head << "\"metric\"" << step << ",\"values\":{\"reward\":0.4375,\"loss\":1.25,\"kl\":0.0312}}\n";
      else if (seq % 3 == 1)
        out << head << "\"phase\"" << step << ",\"name\":\"train\",\"seconds\":0.125}\n";
      else
        out << head << "\"spectral\"" << step
            << ",\"parameter\":\"layers.0.q\",\"head\":-1,\"values\":{\"effective_rank\":12.5,\"snr\":0.75,"
               "\"stable_rank\":3.5}}\n";
    }
    out << "{\"seq\":" << count - 1 << ",\"t\":9,\"type\":\"run_finished\",\"status\":\"done\",\"step\":1}\n";
  }

 private:
  fs::path bin_, folder_;
};

void plan(const Bench& bench) {
  std::printf(
      "\n| cells | plan in the process, s | µs a cell | `pionbench plan`, s | --json, s | peak, MiB "
      "|\n|---|---|---|---|---|---|\n");
  for (const int cells : {1000, 10000, 100000}) {
    bench.experiment(cells);
    std::array<double, 3> seconds;
    for (auto& s : seconds) {
      const double began = steady_seconds();
      const auto plan = make_plan(bench.folder() / "scale.yaml", bench_catalog(), {});
      s = steady_seconds() - began;
      if (plan.cells.size() != static_cast<std::size_t>(cells)) throw std::runtime_error("wrong number of cells");
    }
    std::ranges::sort(seconds);
    const auto text = bench.median({"plan", "scale", "--out", bench.out("none")});
    const auto json = bench.median({"plan", "scale", "--json", "--out", bench.out("none")});
    std::printf("| %d | %.3f | %.1f | %.2f | %.2f | %.0f |\n", cells, seconds[1], seconds[1] / cells * 1e6,
                text.seconds, json.seconds, json.peak_mib);
  }
}

void done(const Bench& bench) {
  std::printf(
      "\n| runs in the store | first ingest, s | `run`, all done, s | `status`, s | `status --json`, s | peak of "
      "`run`, MiB |\n|---|---|---|---|---|---|\n");
  for (const int cells : {1000, 10000}) {
    const std::string out = bench.out("done" + std::to_string(cells));
    bench.finished_runs("done" + std::to_string(cells), cells);
    const auto first = bench.pionbench({"run", "scale", "--out", out});
    const auto run = bench.median({"run", "scale", "--out", out});
    const auto status = bench.median({"status", "--out", out});
    const auto json = bench.median({"status", "--json", "--out", out});
    std::printf("| %d | %.2f | %.2f | %.3f | %.3f | %.0f |\n", cells, first.seconds, run.seconds, status.seconds,
                json.seconds, run.peak_mib);
  }
}

void ingest(const Bench& bench) {
  std::printf(
      "\n| events | ingest, s | events/s | `store rebuild` with its digest, s | peak, MiB |\n|---|---|---|---|---|\n");
  for (const int thousands : {100, 1000}) {
    const std::string name = "ingest" + std::to_string(thousands);
    bench.finished_runs(name, 100);
    for (const auto& run : fs::directory_iterator(bench.folder() / name / "runs"))
      Bench::events(run.path() / "events.jsonl", thousands * 10);
    const double began = steady_seconds();
    const auto report = Store(bench.out(name), Store::Mode::kReadWrite).ingest();
    const double seconds = steady_seconds() - began;
    if (report.skipped > 0) throw std::runtime_error("events were skipped: " + report.complaints.at(0));
    const auto rebuild = bench.pionbench({"store", "rebuild", "--out", bench.out(name)});
    std::printf("| %d,000 | %.2f | %.0f | %.2f | %.0f |\n", thousands, seconds, thousands * 1000 / seconds,
                rebuild.seconds, rebuild.peak_mib);
  }
}

/// The wall-clock time of the same workers started and waited for by fork and exec alone, two at a time.
double bare_seconds(const Bench& bench, int cells) {
  const std::string worker = std::getenv("PIONBENCH_WORKER");
  const std::string run = (bench.folder() / "bare").string();
  fs::create_directories(run);
  const double began = steady_seconds();
  int active = 0;
  for (int i = 0; i < cells + 2; ++i) {
    if (active == 2 || i >= cells) {
      if (active == 0) break;
      ::wait(nullptr);
      --active;
    }
    if (i >= cells) continue;
    if (::fork() == 0) {
      ::execl(worker.c_str(), worker.c_str(), "run", run.c_str(), nullptr);
      ::_exit(127);
    }
    ++active;
  }
  while (active-- > 0) ::wait(nullptr);
  return steady_seconds() - began;
}

void cells(const Bench& bench) {
  std::printf(
      "\n| empty cells, two at a time | s | ms a cell | of which fork and exec alone | peak, MiB "
      "|\n|---|---|---|---|---|\n");
  for (const int count : {100, 500, 2000}) {
    bench.experiment(count);
    const double bare = bare_seconds(bench, count);
    const auto cost =
        bench.pionbench({"run", "scale", "-j", "2", "--quiet", "--out", bench.out("cells" + std::to_string(count))});
    std::printf("| %d | %.2f | %.2f | %.2f | %.0f |\n", count, cost.seconds, cost.seconds / count * 1000,
                bare / count * 1000, cost.peak_mib);
  }
}

const std::map<std::string, void (*)(const Bench&)> kSections = {
    {"plan", plan}, {"done", done}, {"ingest", ingest}, {"cells", cells}};

}  // namespace
}  // namespace pionbench

int main(int argc, char** argv) {
  using namespace pionbench;
  try {
    const Bench bench;
    if (argc == 1)
      for (const auto& [name, section] : kSections) section(bench);
    for (int i = 1; i < argc; ++i) {
      const auto section = kSections.find(argv[i]);
      if (section == kSections.end()) {
        std::fprintf(stderr, "unknown section \"%s\"; known: cells, done, ingest, plan\n", argv[i]);
        return 2;
      }
      section->second(bench);
      std::fflush(stdout);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 70;
  }
  return 0;
}
