/// What the machine does to a run: full disks, read-only folders, damaged spools, clocks that leap.

#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "harness/schedule/audit.h"
#include "harness/schedule/local_executor.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/scheduler.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class NoDisplay : public Display {
  void message(const std::string&) override {}
  void ended(const EndView&, const Totals&) override {}
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
};

class MachineFault : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    out_ = folder_ / "out";
    make_directories(out_);
    if (!std::getenv("PIONBENCH_BIN")) GTEST_SKIP() << "PIONBENCH_BIN is not set (ctest sets it)";
  }

  std::vector<PlannedCell> cells(const std::string& seeds) const {
    return plan("name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ngrid: {seed: [" + seeds + "]}\n").cells;
  }
  ScheduleReport run(const std::vector<PlannedCell>& planned) {
    const OutLock lock(out_);
    Store store(out_, Store::Mode::kReadWrite);
    store.ingest();
    RunLog log(out_ / "pionbench.log");
    NoDisplay display;
    LocalExecutor executor(fs::path(std::getenv("PIONBENCH_BIN")) / "fast_worker", 2);
    return Scheduler(store, executor, display, log, {.slots = 2, .grace_s = 1}).run(planned);
  }

  /// Runs `body` in a process with mounts of its own; it returns "" or what is wrong, or "skip: why".
  std::string apart(const std::function<std::string()>& body) const {
    const fs::path said = folder_ / "said";
    const pid_t pid = ::fork();
    if (pid == 0) {
      std::string text;
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        text = "skip: mounting needs CAP_SYS_ADMIN";
      } else {
        try {
          text = body();
        } catch (const std::exception& e) {
          text = std::string("threw: ") + e.what();
        }
      }
      std::ofstream(said) << text;
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!WIFEXITED(status)) return "ended by itself, status " + std::to_string(status);
    return read_file(said);
  }

  static std::string error_of(const std::function<void()>& body, int* code = nullptr) {
    try {
      body();
    } catch (const UserError& e) {
      if (code) *code = e.exit_code();
      return e.what();
    }
    return "(no error)";
  }

  std::string problems() const { return join(audit(out_).problems, "; "); }

  std::vector<RunRow> rows_of(const std::string& cell) const {
    return Store(out_, Store::Mode::kReadOnly).runs_of_cells({cell});
  }

  fs::path out_;
};

TEST_F(MachineFault, AFullDiskStopsInOrderAndTheSameCommandGoesOnOnceThereIsSpace) {
  const auto planned = cells("7, 8, 14");
  const std::string said = apart([&]() -> std::string {
    if (::mount("none", out_.c_str(), "tmpfs", 0, "size=1m") != 0) return "skip: no tmpfs here";
    if (run(cells("7")).done != 2) return "the first cells must run";
    std::ofstream ballast(out_ / "ballast", std::ios::binary);
    // Up to the last block: whatever is written next fails, at a point that nobody chose.
    while (ballast << std::string(4096, 'x') << std::flush) {
    }
    ballast.close();
    int code = 0;
    const std::string error = error_of([&] { run(planned); }, &code);
    if (code != kInternal) return "exit code " + std::to_string(code) + ": " + error;
    if (error.find("No space left") == std::string::npos && error.find("disk is full") == std::string::npos)
      return "the message does not say why: " + error;
    fs::remove(out_ / "ballast");
    const auto report = run(planned);
    if (report.already + report.done != 6) return "not all done afterwards";
    return problems();
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "");
}

TEST_F(MachineFault, ADiskThatFillsUpWhileRunsGoOnLosesNothingThatWasFinished) {
  const std::string said = apart([&]() -> std::string {
    // From too little for the database up to enough for all: the disk fills at another write each time.
    for (int kib = 100; kib <= 400; kib += 25) {
      const std::string size = "size=" + std::to_string(kib) + "k";
      if (::mount("none", out_.c_str(), "tmpfs", 0, size.c_str()) != 0) return "skip: no tmpfs here";
      const auto planned = cells("7, 8, 14, 15, 21, 22");
      int code = 0;
      const std::string error = error_of([&] { run(planned); }, &code);
      if (code != 0 && code != kInternal) return size + ": exit code " + std::to_string(code) + ": " + error;
      if (::mount("none", out_.c_str(), "tmpfs", MS_REMOUNT, "size=8m") != 0) return "skip: tmpfs cannot grow here";
      for (int tries = 0; tries < 2; ++tries) run(planned);  // a worker that met the full disk has failed: again
      const auto report = audit(out_);
      if (!report.is_sound()) return size + ": " + join(report.problems, "; ");
      if (report.finished_cells != 12) return size + ": " + std::to_string(report.finished_cells) + " of 12 finished";
      for (const auto& [cell, row] : Store(out_, Store::Mode::kReadOnly).finished_by_cell())
        if (row.train_seconds != static_cast<double>(row.steps)) return size + ": " + row.run + " counts seconds twice";
      ::umount(out_.c_str());
    }
    return "";
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "");
}

TEST_F(MachineFault, AReadOnlyFolderIsNamedBeforeAnythingBeginsAndCanStillBeRead) {
  const auto planned = cells("7");
  run(planned);
  const std::string said = apart([&]() -> std::string {
    if (::mount(out_.c_str(), out_.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, out_.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
      return "skip: no bind mounts here";
    int code = 0;
    const std::string error = error_of([&] { run(cells("7, 8")); }, &code);
    if (code != kInternal || error.find(out_.string()) == std::string::npos) return "not named: " + error;
    if (error.find("--out") == std::string::npos) return "the message does not say what to do: " + error;
    if (Store(out_, Store::Mode::kReadOnly).runs().size() != 2) return "cannot be read";
    return problems();
  });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "");
}

TEST_F(MachineFault, ADamagedLineCostsItselfAlone) {
  const auto planned = cells("8");
  run(planned);
  const auto before = rows_of(planned[1].id).at(0);
  // A run that a killed orchestrator left behind its checkpoint, with rubbish in both spools.
  const auto folder = out_ / "runs" / before.run;
  const std::string events = read_file(folder / "events.jsonl");
  const std::string attempts = read_file(folder / "attempts.jsonl");
  const std::size_t checkpoint = events.find("\"type\":\"checkpoint\"");
  const std::size_t end = events.find('\n', checkpoint) + 1;
  write_file_atomic(folder / "events.jsonl", "\x01\xff{not json\n" + events.substr(0, end) + "{\"seq\":9999,\"ty");
  write_file_atomic(folder / "attempts.jsonl", "\n[1,2\n" + attempts.substr(0, attempts.find('\n') + 1) + "{\"type\":");
  write_file_atomic(
      folder / "checkpoint",
      "2 " + std::to_string(std::count(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(end), '\n') - 1) +
          "\n");
  fs::remove_all(folder / "artifacts");
  Store::rebuild(out_);

  EXPECT_EQ(run(planned).done, 1);
  const auto rows = rows_of(planned[1].id);
  ASSERT_EQ(rows.size(), 1u) << "it went on from its checkpoint";
  EXPECT_EQ(rows[0].state, RunState::kDone);
  EXPECT_EQ(rows[0].train_seconds, before.train_seconds);
  const auto report = audit(out_);
  EXPECT_EQ(join(report.problems, "; "), "");
  EXPECT_GE(report.unreadable_lines, 2);
}

TEST_F(MachineFault, ALeapOfTheWallClockChangesNeitherLeasesNorOrder) {
  const auto planned = cells("8");
  // Begun in 2099, by the clock of then, in a process that is gone; then the clock was set right.
  const auto leave_behind = [&](const PlannedCell& cell, const std::string& at, int pid, std::int64_t pid_start) {
    const std::string run = cell.id.substr(0, 12) + ".1";
    const auto folder = out_ / "runs" / run;
    write_file_atomic(folder / "run.json", to_json(RunRequest{run, cell.id, cell.config, {}, 1, 1}).dump());
    auto start = identify_process(pid);
    start.started_at = at;
    if (pid_start) start.pid_start = pid_start;
    append_attempt(folder, start);
    write_file_atomic(folder / "events.jsonl", "");
    return start;
  };
  const auto gone = leave_behind(planned[0], "2099-01-01T00:00:00.000Z", ::getpid(), 1);
  EXPECT_FALSE(is_alive(gone)) << "our number, another start: not this process";
  fs::last_write_time(out_ / "runs" / (planned[0].id.substr(0, 12) + ".1") / "events.jsonl",
                      fs::file_time_type::clock::now() + std::chrono::hours(24 * 365));
  EXPECT_EQ(run(planned).done, 2);
  const auto rows = rows_of(planned[0].id);
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& row : rows)
    EXPECT_EQ(row.state, row.run.ends_with(".1") ? RunState::kLost : RunState::kDone) << row.run;
  EXPECT_EQ(problems(), "");

  // The life of a process is told by the clock that counts from boot.
  auto self = identify_process(::getpid());
  self.started_at = "1970-01-01T00:00:00.000Z";
  EXPECT_TRUE(is_alive(self));
  EXPECT_LT(*running_seconds(self), 3600);
}

TEST_F(MachineFault, ARunOfAnotherMachineIsSuspectWhileItsSpoolGrowsAndLostAfterwards) {
  const auto planned = cells("8");
  const std::string name = planned[0].id.substr(0, 12) + ".1";
  const auto folder = out_ / "runs" / name;
  write_file_atomic(folder / "run.json", to_json(RunRequest{name, planned[0].id, planned[0].config, {}, 1, 1}).dump());
  auto start = identify_process(::getpid());
  start.host = "node17";
  start.boot_id = "another";
  start.started_at = utc_now();
  append_attempt(folder, start);
  write_file_atomic(folder / "events.jsonl", "");
  const auto report = run(planned);
  EXPECT_EQ(report.done, 0);
  ASSERT_EQ(report.not_started.size(), 2u);
  EXPECT_THAT(report.not_started[0].reason, HasSubstr("is at work on node17"));
  fs::last_write_time(folder / "events.jsonl", fs::file_time_type::clock::now() - std::chrono::minutes(11));
  EXPECT_EQ(run(planned).done, 2);
}

// --- what an audit sees ---

using Audit = MachineFault;

TEST_F(Audit, SeesEachWayToLoseOrDouble) {
  const auto planned = cells("8");
  run(planned);
  EXPECT_EQ(problems(), "");
  const auto report = audit(out_);
  EXPECT_EQ(report.runs, 2);
  EXPECT_EQ(report.attempts, 2);
  EXPECT_EQ(report.finished_cells, 2);
  const std::string run_name = planned[1].id.substr(0, 12) + ".1";
  const auto folder = out_ / "runs" / run_name;
  const std::string events = read_file(folder / "events.jsonl"), attempts = read_file(folder / "attempts.jsonl");
  const auto with = [&](const std::string& e, const std::string& a) {
    write_file_atomic(folder / "events.jsonl", e);
    write_file_atomic(folder / "attempts.jsonl", a);
    Store::rebuild(out_);
    return problems();
  };
  const std::string first_event = events.substr(0, events.find('\n') + 1);
  const std::string first_attempt = attempts.substr(0, attempts.find('\n') + 1);
  EXPECT_THAT(with(events + first_event, attempts), HasSubstr("two workers wrote at once"));
  EXPECT_THAT(with(events, first_attempt + attempts), HasSubstr("began while attempt 1 had no end"));
  EXPECT_THAT(with(first_event, attempts), HasSubstr("counted as done, but its events say nothing of an end"));
  EXPECT_THAT(with(events, attempts + attempts.substr(first_attempt.size())), HasSubstr("has two ends"));
  EXPECT_EQ(with(events, attempts), "");

  auto living = attempt_start_from_json(Json::parse(first_attempt));
  const auto self = identify_process(::getpid());
  living.pid = self.pid;
  living.pid_start = self.pid_start;
  EXPECT_THAT(with(events, to_json(living).dump() + "\n" + attempts.substr(first_attempt.size())),
              HasSubstr("has an end, but its process " + std::to_string(self.pid) + " is alive"));
  with(events, attempts);

  fs::copy(folder, out_ / "runs" / "copy");
  EXPECT_THAT(problems(), HasSubstr("copy: run.json names another run"));
  fs::remove_all(out_ / "runs" / "copy");

  const std::string request = read_file(folder / "run.json");
  Json changed = Json::parse(request);
  changed["config"]["settings"]["width"] = 9;
  write_file_atomic(folder / "run.json", changed.dump());
  EXPECT_THAT(problems(), HasSubstr("run.json was changed"));
  write_file_atomic(folder / "run.json", request);

  const std::string second = planned[1].id.substr(0, 12) + ".2";
  make_directories(out_ / "runs" / second);
  const auto renamed = [&](std::string text) {
    for (std::size_t at; (at = text.find(run_name)) != std::string::npos;) text.replace(at, run_name.size(), second);
    return text;
  };
  write_file_atomic(out_ / "runs" / second / "run.json", renamed(request));
  write_file_atomic(out_ / "runs" / second / "events.jsonl", renamed(events));
  write_file_atomic(out_ / "runs" / second / "attempts.jsonl", attempts);
  EXPECT_THAT(problems(), HasSubstr("was finished twice: " + run_name + ", " + second));
}

}  // namespace
}  // namespace pionbench
