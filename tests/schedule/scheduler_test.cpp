#include "harness/schedule/scheduler.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "harness/schedule/local_executor.h"
#include "harness/schedule/orphans.h"
#include "harness/schedule/process.h"
#include "harness/schedule/queue_file.h"
#include "harness/schedule/run_folder.h"
#include "tests/schedule/fake_nvidia_smi.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Keeps what the scheduler shows.
class RecordingDisplay : public Display {
 public:
  void message(const std::string& line) override { messages.push_back(line); }
  void ended(const EndView& run, const Totals& totals) override {
    ends.push_back(run);
    last = totals;
  }
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
  std::vector<std::string> messages;
  std::vector<EndView> ends;
  Totals last;
};

class SchedulerTest : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    out_ = folder_ / "out";
    make_directories(out_);
    const char* home = std::getenv("PIONBENCH_HOME");
    if (!home) GTEST_SKIP() << "PIONBENCH_HOME is not set (ctest sets it)";
    worker_ = std::filesystem::path(home) / "tests/schedule/fake_worker.py";
  }

  /// One cell for each behaviour of the fake worker, and the prerequisite that they share.
  std::vector<PlannedCell> cells(const std::string& behaviours, const std::string& more = "") const {
    return plan("name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ndefaults: {" + more + "}\ngrid: {note: [" +
                behaviours + "]}\n")
        .cells;
  }

  ScheduleReport run(const std::vector<PlannedCell>& cells, ScheduleOptions options = {.slots = 1}) {
    const OutLock lock(out_);
    Store store(out_, Store::Mode::kReadWrite);
    store.ingest();
    RunLog log(out_ / "pionbench.log");
    LocalExecutor executor(worker_);
    options.primary_metric = {{"toy", "evaluation/test/accuracy"}};
    return Scheduler(store, executor, display_, log, options).run(cells);
  }

  /// Runs while another thread interrupts as soon as the worker says that it is ready.
  ScheduleReport run_interrupted(const std::vector<PlannedCell>& cells, int times, double grace_s = 10) {
    std::atomic<int> interrupts{0};
    std::atomic<bool> over{false};
    std::thread user([&] {
      while (!over && !std::filesystem::exists(out_ / "ready")) ::usleep(5000);
      for (int i = 0; i < times; ++i) {
        ++interrupts;
        ::usleep(50000);
      }
    });
    const auto report = run(cells, {.slots = 1, .grace_s = grace_s, .interrupts = &interrupts});
    over = true;
    user.join();
    return report;
  }

  std::vector<RunRow> rows() const { return Store(out_, Store::Mode::kReadOnly).runs(); }
  std::vector<RunRow> rows_of(const std::string& cell) const {
    return Store(out_, Store::Mode::kReadOnly).runs_of_cells({cell});
  }
  std::string order() const { return read_file(out_ / "order.txt"); }

  std::filesystem::path out_, worker_;
  RecordingDisplay display_;
};

TEST_F(SchedulerTest, PrerequisitesRunFirstAndTheirArtifactsAreHandedOn) {
  const auto report = run(cells("ok"));
  EXPECT_EQ(report.total, 2);
  EXPECT_EQ(report.done, 2);
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(order(), "toy/base\ntoy\n");
  EXPECT_EQ(display_.ends.back().metric, "accuracy 0.79");
  EXPECT_EQ(display_.last.ended, 2);
}

TEST_F(SchedulerTest, ASecondRunDoesNothing) {
  run(cells("ok, diverge"));
  const auto before = rows().size();
  const auto report = run(cells("ok, diverge"));
  EXPECT_EQ(report.already, 3) << "a diverged run is a result";
  EXPECT_EQ(report.done + report.diverged, 0);
  EXPECT_EQ(rows().size(), before);
}

TEST_F(SchedulerTest, EveryWayToEndHasItsOutcomeAndReason) {
  const auto report = run(cells("diverge, fail, crash, silent, memory"));
  EXPECT_EQ(report.diverged, 1);
  ASSERT_EQ(report.failures.size(), 4u);
  EXPECT_EQ(report.failures[0].reason, "the cause");
  EXPECT_THAT(report.failures[0].stderr_tail, HasSubstr("line 29\nthe cause"));
  EXPECT_THAT(report.failures[0].stderr_tail, Not(HasSubstr("line 10\n"))) << "the last 20 lines";
  EXPECT_EQ(report.failures[1].reason, "killed by SIGKILL");
  EXPECT_EQ(report.failures[2].reason, "ended without run_finished");
  EXPECT_EQ(report.failures[3].state, "out of memory");
  std::vector<std::string> states;
  for (const auto& row : rows()) states.push_back(to_string(row.state));
  EXPECT_THAT(states, ElementsAre("done", "diverged", "failed", "failed", "failed", "out of memory"));
}

TEST_F(SchedulerTest, RunningAgainTriesOnlyTheFailedCell) {
  const auto planned = cells("ok, fail");
  EXPECT_EQ(run(planned).failures.size(), 1u);
  write_file_atomic(out_ / "mended", "");
  const auto report = run(planned);
  EXPECT_EQ(report.already, 2);
  EXPECT_EQ(report.done, 1);
  const auto tries = rows_of(planned.back().id);
  ASSERT_EQ(tries.size(), 2u);
  EXPECT_EQ(tries[0].run, planned.back().id.substr(0, 12) + ".1");
  EXPECT_EQ(tries[1].run, planned.back().id.substr(0, 12) + ".2");
  EXPECT_EQ(tries[0].state, RunState::kFailed);
  EXPECT_EQ(tries[1].state, RunState::kDone);
}

TEST_F(SchedulerTest, ACellWhosePrerequisiteFailedIsNotStarted) {
  const auto report = run(cells("ok", "width: 13"));
  ASSERT_EQ(report.not_started.size(), 1u);
  EXPECT_EQ(report.not_started[0].reason, "prerequisite toy/base failed");
  EXPECT_EQ(order(), "toy/base\n");
}

TEST_F(SchedulerTest, AWorkerHasItsThreadsItsOwnGroupAndNoInput) {
  const auto planned = cells("environment");
  run(planned, {.slots = 1000});
  EXPECT_EQ(read_file(out_ / "runs" / (planned.back().id.substr(0, 12) + ".1") / "stdout.log"), "1 1 1 True True\n");
}

TEST_F(SchedulerTest, AnInterruptedRunGoesOnFromItsCheckpoint) {
  const auto planned = cells("patient, ok");
  const auto stopped = run_interrupted(planned, 1);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.interrupted, 1);
  EXPECT_EQ(rows_of(planned[1].id).at(0).state, RunState::kInterrupted);
  EXPECT_TRUE(rows_of(planned[2].id).empty()) << "nothing new is started";

  EXPECT_EQ(run(planned).done, 2);
  const auto tries = rows_of(planned[1].id);
  ASSERT_EQ(tries.size(), 1u) << "the same run, one more attempt";
  EXPECT_EQ(tries[0].attempts, 2);
  EXPECT_EQ(tries[0].state, RunState::kDone);
}

TEST_F(SchedulerTest, TheSecondInterruptKillsTheWorkerAndItsHelpers) {
  const auto planned = cells("stubborn");
  const auto report = run_interrupted(planned, 2);
  EXPECT_EQ(report.interrupted, 1);
  EXPECT_EQ(rows_of(planned[1].id).at(0).reason, "killed by SIGKILL on request");
  const int helper = std::stoi(read_file(out_ / "ready"));
  for (int i = 0; i < 200 && is_alive(identify_process(helper)); ++i) ::usleep(5000);
  EXPECT_FALSE(is_alive(identify_process(helper)));
}

TEST_F(SchedulerTest, AWorkerThatIgnoresTheRequestIsKilledAfterTheGracePeriod) {
  EXPECT_EQ(run_interrupted(cells("stubborn"), 1, 0.05).interrupted, 1);
}

TEST_F(SchedulerTest, AMissingWorkerIsNamedWithWhatMendsIt) {
  worker_ = folder_ / "nowhere";
  try {
    run(cells("ok"));
    FAIL();
  } catch (const UserError& e) {
    EXPECT_THAT(e.what(), HasSubstr("no worker program at"));
    EXPECT_THAT(e.what(), HasSubstr("ci/build"));
  }
}

TEST_F(SchedulerTest, TwoOrchestratorsDoNotShareAnOutFolder) {
  const OutLock lock(out_);
  try {
    run(cells("ok"));
    FAIL();
  } catch (const UserError& e) {
    EXPECT_EQ(e.exit_code(), kInterrupted);
    EXPECT_THAT(e.what(), HasSubstr(std::to_string(::getpid())));
  }
}

TEST_F(SchedulerTest, ARunNameThatIsTakenIsPassedOver) {
  const auto planned = cells("ok");
  make_directories(out_ / "runs");
  std::ofstream(out_ / "runs" / (planned[0].id.substr(0, 12) + ".1")) << "";
  EXPECT_EQ(run(planned).done, 2);
}

// --- going on by itself ---

TEST_F(SchedulerTest, APreemptedRunGoesOnFromItsCheckpointByItself) {
  const auto planned = cells("preempted");
  const auto report = run(planned);
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(report.resumed, 1);
  const auto tries = rows_of(planned[1].id);
  ASSERT_EQ(tries.size(), 1u);
  EXPECT_EQ(tries[0].attempts, 2);
  EXPECT_EQ(display_.ends[1].outcome, "preempted");
  EXPECT_EQ(display_.ends[1].reason, "stopped from outside");
}

TEST_F(SchedulerTest, WhoIsPreemptedAgainAndAgainIsLeftAlone) {
  const auto report = run(cells("deaf"));
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].state, "preempted");
  EXPECT_EQ(report.failures[0].reason, "killed by SIGTERM from outside; that was the 10th time");
}

TEST_F(SchedulerTest, OutOfMemoryHalvesTheMicroBatchAndKeepsTheRun) {
  const auto planned = cells("greedy");
  const auto report = run(planned, {.slots = 1, .batch_setting = {{"toy", "width"}}});
  EXPECT_EQ(report.done, 2);
  const auto tries = rows_of(planned[1].id);
  ASSERT_EQ(tries.size(), 1u);
  EXPECT_EQ(tries[0].attempts, 3) << "one row for each attempt";
  EXPECT_EQ(tries[0].accumulation, 4) << "and the run says so for good";
  EXPECT_EQ(display_.ends[1].outcome, "out of memory");
  EXPECT_EQ(display_.ends[1].reason, "out of memory; goes on with micro-batch 8->4, effective batch kept");
  EXPECT_EQ(display_.ends[2].reason, "out of memory; goes on with micro-batch 4->2, effective batch kept");
}

TEST_F(SchedulerTest, TheLadderHasAnEndAndTheNextCommandBeginsAnew) {
  const auto planned = cells("greedy");
  const ScheduleOptions two{.slots = 1, .batch_setting = {{"toy", "width"}}, .memory_attempts = 2};
  const auto report = run(planned, two);
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].state, "out of memory");
  EXPECT_EQ(report.failures[0].reason, "out of memory; even with micro-batch 4");
  run(planned, two);
  EXPECT_EQ(rows_of(planned[1].id).size(), 2u);
}

TEST_F(SchedulerTest, ASuiteThatCannotSplitItsBatchIsNotTriedAgainUnchanged) {
  const auto planned = cells("greedy");
  EXPECT_EQ(run(planned).failures.size(), 1u);
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 1);
}

TEST_F(SchedulerTest, ATimeLimitAsksForACheckpointAndTheNextCommandGoesOn) {
  const auto planned = cells("patient");
  const auto report = run(planned, {.slots = 1, .time_limit_s = 3});
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].state, "timed out");
  EXPECT_EQ(report.failures[0].reason, "stopped at its time limit of 3.0 s");
  EXPECT_EQ(run(planned).done, 1);
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 2);
}

TEST_F(SchedulerTest, ProcessesThatDetachThemselvesEndWithTheirRun) {
  run(cells("daemons"));
  std::ifstream file(out_ / "daemons");
  for (int pid = 0; file >> pid;) EXPECT_FALSE(is_alive(identify_process(pid))) << pid;
}

TEST_F(SchedulerTest, WhatARunTookIsKnownToTheNextOfItsKind) {
  const auto planned = cells("ok");
  run(planned);
  EXPECT_GT(rows_of(planned[1].id).at(0).peak_memory, 1 << 20);
}

TEST_F(SchedulerTest, NoWorkerBeginsBeforeItsStartIsOnTheDisk) {
  const auto folder = out_ / "runs" / "x.1";
  const auto cell = cells("ok")[0];
  write_file_atomic(folder / "run.json", to_json(RunRequest{"x.1", cell.id, cell.config, {}, 1, 1}).dump());
  LocalExecutor executor(worker_);
  int pid = 0;
  const Launch launch{.run = "x.1", .folder = folder, .record = [&](const AttemptStart& start) {
                        pid = start.pid;
                        throw UserError("the disk is full");
                      }};
  EXPECT_THROW(executor.start(launch), UserError);
  EXPECT_GT(pid, 0);
  EXPECT_FALSE(is_alive(identify_process(pid)));
  EXPECT_FALSE(std::filesystem::exists(out_ / "order.txt")) << "the worker's first act";
}

TEST_F(SchedulerTest, AWorkerWhoseOrchestratorDiesBeforeTheRecordNeverBegins) {
  const auto folder = out_ / "runs" / "x.1";
  const auto cell = cells("ok")[0];
  write_file_atomic(folder / "run.json", to_json(RunRequest{"x.1", cell.id, cell.config, {}, 1, 1}).dump());
  const pid_t orchestrator = ::fork();
  if (orchestrator == 0) {
    LocalExecutor executor(worker_);
    executor.start(
        {.run = "x.1", .folder = folder, .record = [](const AttemptStart&) { ::kill(::getpid(), SIGKILL); }});
  }
  ::waitpid(orchestrator, nullptr, 0);
  ::usleep(300'000);
  EXPECT_FALSE(std::filesystem::exists(out_ / "order.txt"));
}

/// A place with no room until the test makes some.
class FullExecutor : public LocalExecutor {
 public:
  using LocalExecutor::LocalExecutor;
  Placement place(const Demand& demand) override {
    if (full) return {.waits = "waits: needs 3 anvils, 2 are free"};
    return LocalExecutor::place(demand);
  }
  std::atomic<bool> full{true};
};

TEST_F(SchedulerTest, AWaitingCellSaysWhatItWaitsFor) {
  const auto planned = cells("ok");
  const OutLock lock(out_);
  Store store(out_, Store::Mode::kReadWrite);
  RunLog log(out_ / "pionbench.log");
  FullExecutor executor(worker_);
  std::optional<QueueView> seen;
  std::thread user([&] {
    for (int i = 0; i < 1000 && !(seen = read_queue(out_)); ++i) ::usleep(5000);
    executor.full = false;
  });
  const auto report = Scheduler(store, executor, display_, log, {.slots = 1}).run(planned);
  user.join();
  EXPECT_EQ(report.done, 2);
  ASSERT_TRUE(seen.has_value());
  ASSERT_EQ(seen->waiting.size(), 2u);
  EXPECT_EQ(seen->waiting[0].reason, "waits: needs 3 anvils, 2 are free");
  EXPECT_EQ(seen->waiting[1].reason, "waits for its prerequisite toy/base");
  EXPECT_THAT(display_.messages, testing::Contains("waits: needs 3 anvils, 2 are free"));
  EXPECT_FALSE(std::filesystem::exists(out_ / "queue.json"));
}

// --- GPUs ---

class GpuSchedulerTest : public WithFakeNvidiaSmi<SchedulerTest> {
 protected:
  static inline const std::string kOneGpu = "0, GPU-aaaa, NVIDIA H100, 80000, 80000, Disabled, Default, 550";
  std::vector<PlannedCell> on_gpu(const std::string& behaviours, const std::string& resources = "gpus: 1") const {
    auto all = plan("name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ngrid: {note: [" + behaviours +
                    "]}\nresources: {" + resources + "}\n")
                   .cells;
    all[0].resources = {};
    return all;
  }
};

TEST_F(GpuSchedulerTest, AWorkerGetsItsDeviceByUuid) {
  says({kOneGpu});
  const auto planned = on_gpu("device");
  EXPECT_EQ(run(planned).done, 2);
  const auto row = rows_of(planned[1].id).at(0);
  EXPECT_THAT(row.devices, ElementsAre("GPU-aaaa"));
  EXPECT_EQ(read_file(out_ / "runs" / row.run / "stdout.log"), "GPU-aaaa PCI_BUS_ID\n");
}

TEST_F(GpuSchedulerTest, MoreDevicesThanThereAreIsSaidAtOnce) {
  says({kOneGpu});
  const auto report = run(on_gpu("ok", "gpus: 2"));
  ASSERT_EQ(report.not_started.size(), 1u);
  EXPECT_EQ(report.not_started[0].reason, "needs 2 GPUs, 1 can be used here");
}

TEST_F(GpuSchedulerTest, ATimedRunWaitsForAStrangerToLeave) {
  says({.gpus = kOneGpu, .processes = "GPU-aaaa, " + std::to_string(::getppid()) + ", 18432"});
  std::thread stranger([&] {
    const auto is_waited_for = [&] {
      const auto queue = read_queue(out_);
      return queue && !queue->waiting.empty() && queue->waiting[0].reason.find("for itself") != std::string::npos;
    };
    for (int i = 0; i < 1000 && !is_waited_for(); ++i) ::usleep(5000);
    says({kOneGpu});
  });
  EXPECT_EQ(run(on_gpu("ok", "gpus: 1, exclusive: true")).done, 2);
  stranger.join();
  EXPECT_THAT(display_.messages,
              testing::Contains("waits: needs a GPU for itself, on GPU 0 18.0 GiB are held by process " +
                                std::to_string(::getppid()) + " (not ours)"));
}

// --- orphans ---

class OrphanTest : public SchedulerTest {
 protected:
  /// A run as a killed orchestrator leaves it: begun, without an end.
  std::string leave_behind(const PlannedCell& cell, int pid, const std::string& events) {
    const std::string run = cell.id.substr(0, 12) + ".1";
    const auto folder = out_ / "runs" / run;
    write_file_atomic(folder / "run.json", to_json(RunRequest{run, cell.id, cell.config, {}, 1, 1}).dump());
    auto start = identify_process(pid);
    start.started_at = utc_now();
    append_attempt(folder, start);
    write_file_atomic(folder / "events.jsonl", events);
    return run;
  }
  /// The number of a process that has ended.
  static int gone_process() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
    return pid;
  }
};

const std::string kStarted =
    R"({"seq":0,"t":0,"type":"run_started","schema":1,"run":"r","cell":"c","attempt":1,"environment":{}})"
    "\n";

TEST_F(OrphanTest, ARunWhoseProcessIsGoneIsLostAndRunAnew) {
  const auto planned = cells("ok");
  leave_behind(planned[0], gone_process(), kStarted);
  EXPECT_EQ(run(planned).done, 2);
  const auto tries = rows_of(planned[0].id);
  ASSERT_EQ(tries.size(), 2u);
  EXPECT_EQ(tries[0].state, RunState::kLost);
  EXPECT_EQ(tries[0].reason, "its process vanished without an end");
}

TEST_F(OrphanTest, ARunThatFinishedUnseenCountsAsDone) {
  const auto planned = cells("ok");
  const auto run_name = leave_behind(planned[0], gone_process(),
                                     kStarted + R"({"seq":1,"t":2.5,"type":"run_finished","status":"done","step":3})"
                                                "\n");
  make_directories(out_ / "runs" / run_name / "artifacts");
  const auto report = run(planned);
  EXPECT_EQ(report.done, 1) << "only the cell that needed it";
  EXPECT_EQ(rows_of(planned[0].id).at(0).state, RunState::kDone);
}

TEST_F(OrphanTest, ALostRunWithACheckpointGoesOnFromIt) {
  const auto planned = cells("ok");
  const auto run_name = leave_behind(planned[0], gone_process(),
                                     kStarted + R"({"seq":1,"t":2,"type":"checkpoint","step":2,"path":"c.bin"})"
                                                "\n");
  std::ofstream(out_ / "runs" / run_name / "c.bin") << "";
  EXPECT_EQ(run(planned).done, 2);
  ASSERT_EQ(rows_of(planned[0].id).size(), 1u);
  EXPECT_EQ(rows_of(planned[0].id)[0].attempts, 2);
}

TEST_F(OrphanTest, ALiveWorkerIsAdoptedAndWaitedFor) {
  const auto planned = cells("ok");
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execlp("sleep", "sleep", "0.2", nullptr);
    ::_exit(127);
  }
  const auto run_name = leave_behind(planned[0], pid,
                                     kStarted + R"({"seq":1,"t":2,"type":"run_finished","status":"done","step":3})"
                                                "\n");
  make_directories(out_ / "runs" / run_name / "artifacts");
  const auto report = run(planned);
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(rows_of(planned[0].id).size(), 1u) << "no second run beside the live one";
  EXPECT_THAT(display_.messages.front(), HasSubstr("which an earlier pionbench started"));
  ::waitpid(pid, nullptr, 0);
}

TEST_F(OrphanTest, ALaterProcessWithTheSameNumberIsNotTheWorker) {
  auto start = identify_process(::getpid());
  EXPECT_TRUE(is_alive(start));
  start.pid_start -= 1;
  EXPECT_FALSE(is_alive(start));
  start.pid_start += 1;
  start.boot_id = "another boot";
  EXPECT_FALSE(is_alive(start));
}

}  // namespace
}  // namespace pionbench
