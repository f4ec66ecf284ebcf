/// Kills orchestrators and workers in hundreds of seeded schedules, at random instants and at every instant between two
/// durable steps, and holds what is left to the audit and to a ledger that the workers keep on their own.
/// PIONBENCH_FAULT_SCHEDULES sets their number (default 240); the seeds count from PIONBENCH_FAULT_SEED (default 1), so
/// that one schedule can be run again alone.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "harness/schedule/audit.h"
#include "harness/schedule/local_executor.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/scheduler.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

class NoDisplay : public Display {
  void message(const std::string&) override {}
  void ended(const EndView&, const Totals&) override {}
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
};

/// The instants at which an orchestrator can die between two things that it makes durable.
enum class Instant { kNever, kBeforeStart, kBeforeRecord, kAfterRecord, kAfterStart, kBeforeEnd };

/// Dies at the n-th such instant, as kill -9 would have it.
class MortalExecutor : public LocalExecutor {
 public:
  MortalExecutor(const fs::path& worker, int runs, Instant instant, int n)
      : LocalExecutor(worker, runs), instant_(instant), left_(n) {}

  AttemptStart start(const Launch& launch) override {
    Launch watched = launch;
    watched.record = [&](const AttemptStart& identity) {
      die_at(Instant::kBeforeRecord);
      launch.record(identity);
      die_at(Instant::kAfterRecord);
    };
    die_at(Instant::kBeforeStart);
    const auto identity = LocalExecutor::start(watched);
    die_at(Instant::kAfterStart);
    return identity;
  }
  std::optional<Ending> poll(const std::string& run) override {
    auto ending = LocalExecutor::poll(run);
    if (ending) die_at(Instant::kBeforeEnd);
    return ending;
  }

 private:
  void die_at(Instant instant) {
    if (instant == instant_ && --left_ == 0) ::kill(::getpid(), SIGKILL);
  }
  Instant instant_;
  int left_;
};

/// One schedule: an output folder, an orchestrator that dies a few times, and the reckoning.
class Schedule : public PlanTest {
 public:
  Schedule(unsigned seed, const fs::path& folder) : random_(seed) {
    folder_ = folder;
    out_ = folder / "out";
    make_directories(out_);
    const int first = static_cast<int>(random_() % 1000);
    cells_ = plan("name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ngrid: {seed: " + std::to_string(first) + ".." +
                  std::to_string(first + 3) + "}\n")
                 .cells;
  }
  void TestBody() override {}

  /// "" when all is well.
  std::string run() {
    for (int deaths = 2 + below(5); deaths > 0; --deaths) {
      if (live_and_die() == 0) break;  // it was done before it could die
      if (below(4) == 0)
        if (const auto problems = audit(out_).problems; !problems.empty())
          return "while it lay dead: " + join(problems, "; ");
    }
    // A run that crashed by itself counts as failed; the same command tries it again.
    for (int tries = 0; tries < 4; ++tries)
      if (wait_for(begin(Instant::kNever, 0)) == 0) return reckoning();
    return "the last orchestrators did not finish the work; see " + (out_ / "pionbench.log").string();
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  pid_t begin(Instant instant, int n) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    int code = 3;
    try {
      const OutLock lock(out_);
      Store store(out_, Store::Mode::kReadWrite);
      store.ingest();
      RunLog log(out_ / "pionbench.log");
      NoDisplay display;
      MortalExecutor executor(fs::path(std::getenv("PIONBENCH_BIN")) / "fast_worker", 3, instant, n);
      const ScheduleOptions options{
          .slots = 3, .grace_s = 0.2, .batch_setting = {{"toy", "width"}, {"toy/base", "width"}}};
      const auto report = Scheduler(store, executor, display, log, options).run(cells_);
      code = report.failures.empty() && report.not_started.empty() ? 0 : 1;
    } catch (const std::exception& e) {
      std::ofstream(out_ / "pionbench.log", std::ios::app) << "threw: " << e.what() << "\n";
    }
    ::_exit(code);
  }

  /// The exit code; 128 + the signal.
  static int wait_for(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  int live_and_die() {
    if (below(2) == 0) {
      const auto instant = static_cast<Instant>(1 + below(5));
      return wait_for(begin(instant, 1 + below(6)));
    }
    const pid_t pid = begin(Instant::kNever, 0);
    for (int blows = below(3); blows > 0; --blows) {
      ::usleep(static_cast<useconds_t>(below(25000)));
      strike_a_worker();
    }
    ::usleep(static_cast<useconds_t>(below(40000)));
    ::kill(pid, SIGKILL);
    return wait_for(pid);
  }

  void strike_a_worker() {
    std::vector<int> workers;
    std::error_code error;
    for (const auto& run : fs::directory_iterator(out_ / "runs", error))
      if (const auto facts = read_attempt_facts(run.path()); facts.unended && is_alive(*facts.unended))
        workers.push_back(facts.unended->pid);
    if (workers.empty()) return;
    constexpr int kBlows[] = {SIGKILL, SIGTERM, SIGUSR2};
    ::kill(workers[static_cast<std::size_t>(below(static_cast<int>(workers.size())))], kBlows[below(3)]);
  }

  std::string reckoning() {
    const auto report = audit(out_);
    if (!report.is_sound()) return "audit: " + join(report.problems, "; ");
    if (report.finished_cells != static_cast<int>(cells_.size()) || report.live != 0)
      return "of " + std::to_string(cells_.size()) + " cells " + std::to_string(report.finished_cells) +
             " are finished, " + std::to_string(report.live) + " runs are alive";
    const Store store(out_, Store::Mode::kReadOnly);
    const auto finished = store.finished_by_cell();
    for (const auto& cell : cells_) {
      const auto& run = finished.at(cell.id);
      const auto seed = get_int(cell.config.settings, "seed"), steps = 4 + seed % 5;
      // One second a step, whatever was done twice on the way.
      if (run.train_seconds != static_cast<double>(steps))
        return run.run + " counts " + std::to_string(run.train_seconds) + " s of " + std::to_string(steps);
      const auto series = store.series(run.run, "loss");
      if (series.size() != static_cast<std::size_t>(steps)) return run.run + " lacks steps";
      for (std::size_t i = 0; i < series.size(); ++i)
        if (series[i].value != static_cast<double>(100 * seed) + static_cast<double>(i + 1))
          return run.run + " has a wrong value at step " + std::to_string(i + 1);
      if (seed % 7 == 3 && run.accumulation != 2) return run.run + " did not climb the ladder";
    }
    if (const auto said = check_ledger(); !said.empty()) return said;
    const std::string digest = store.digest();
    return Store::rebuild(out_) == digest ? "" : "a rebuild from the spools differs";
  }

  std::string check_ledger() {
    std::map<std::string, int> finishes;
    std::ifstream ledger(folder_ / "ledger.txt");
    for (std::string line; std::getline(ledger, line);) {
      std::istringstream words(line);
      std::string what, whom;
      words >> what >> whom;
      if (what == "DOUBLED") return "two workers were on one cell: " + line;
      if (what == "finished" && ++finishes[whom] > 1) return "cell " + whom + " was finished twice";
      if (what == "helper") {
        const auto helper = identify_process(std::stoi(whom));
        for (int i = 0; i < 100 && is_alive(helper); ++i) ::usleep(5000);
        if (is_alive(helper)) return "a detached helper outlived its run: process " + whom;
      }
    }
    return "";
  }

  std::mt19937 random_;
  fs::path out_;
  std::vector<PlannedCell> cells_;
};

TEST(FaultSchedules, NothingIsLostAndNothingCountsTwiceWhateverIsKilledWhen) {
  if (!std::getenv("PIONBENCH_BIN")) GTEST_SKIP() << "PIONBENCH_BIN is not set (ctest sets it)";
  const int schedules = from_environment("PIONBENCH_FAULT_SCHEDULES", 240);
  const int first = from_environment("PIONBENCH_FAULT_SEED", 1);
  // In memory where there is room: what is tested is kill -9, which the page cache survives, not a power cut.
  const fs::path base = ::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path();
  const fs::path root = base / ("pionbench-fault-" + std::to_string(::getpid()));
  constexpr int kAtOnce = 8;  // they sleep most of the time

  std::map<pid_t, int> going;
  std::vector<std::string> failures;
  const auto collect = [&] {
    int status = 0;
    pid_t pid;
    do pid = ::wait(&status);  // earlier tests made this process adopt orphans: not every child is a schedule
    while (!going.contains(pid));
    const int seed = going.at(pid);
    going.erase(pid);
    const fs::path folder = root / std::to_string(seed);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      fs::remove_all(folder);
      return;
    }
    std::ifstream file(folder / "verdict");
    std::string said;
    std::getline(file, said);
    failures.push_back("PIONBENCH_FAULT_SEED=" + std::to_string(seed) + " (" + folder.string() +
                       "): " + (said.empty() ? "ended by itself, status " + std::to_string(status) : said));
  };
  for (int i = 0; i < schedules; ++i) {
    const int seed = first + i;
    if (const pid_t pid = ::fork(); pid != 0) {
      going[pid] = seed;
    } else {
      ::alarm(120);  // a schedule that hangs is a failure, not a hang
      std::string said;
      const fs::path folder = root / std::to_string(seed);
      try {
        make_directories(folder);
        said = Schedule(static_cast<unsigned>(seed), folder).run();
      } catch (const std::exception& e) {
        said = std::string("threw: ") + e.what();
      }
      if (!said.empty()) std::ofstream(folder / "verdict") << said << "\n";
      ::_exit(said.empty() ? 0 : 1);
    }
    if (going.size() == kAtOnce) collect();
  }
  while (!going.empty()) collect();
  for (const auto& failure : failures) ADD_FAILURE() << failure;
  if (failures.empty()) fs::remove_all(root);
  RecordProperty("schedules", schedules);
}

}  // namespace
}  // namespace pionbench
