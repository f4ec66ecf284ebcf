#include "harness/slurm/executor.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "common/subprocess.h"
#include "core/run_request.h"
#include "harness/schedule/process.h"
#include "harness/schedule/run_folder.h"
#include "harness/schedule/scheduler.h"
#include "harness/schedule/stop_request.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class QuietDisplay : public Display {
 public:
  void message(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    messages.push_back(line);
  }
  bool has_said(const std::string& words) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(messages, [&](const auto& line) { return line.find(words) != line.npos; });
  }
  void ended(const EndView&, const Totals&) override {}
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
  std::vector<std::string> messages;

 private:
  std::mutex mutex_;
};

/// Runs plans on a cluster made of one script (fake_slurm.py); its tasks are real processes.
class SlurmTest : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    const char *home = std::getenv("PIONBENCH_HOME"), *bin = std::getenv("PIONBENCH_BIN");
    if (!home || !bin) GTEST_SKIP() << "PIONBENCH_HOME and PIONBENCH_BIN are not set (ctest sets them)";
    out_ = folder_ / "out";
    cluster_ = folder_ / "cluster";
    make_directories(out_);
    make_directories(cluster_);
    make_directories(folder_ / "bin");
    const std::filesystem::path tests = std::filesystem::path(home) / "tests";
    for (const char* name : {"sbatch", "squeue", "scancel", "scontrol"})
      std::filesystem::create_symlink(tests / "slurm/fake_slurm.py", folder_ / "bin" / name);
    programs_ = {tests / "schedule/fake_worker.py", std::filesystem::path(bin) / "pionbench-node"};
    path_before_ = std::getenv("PATH");
    ::setenv("PATH", ((folder_ / "bin").string() + ":" + path_before_).c_str(), 1);
    ::setenv("FAKE_SLURM", cluster_.c_str(), 1);
    site_.poll_s = 0.2;
    site_.file_delay_s = 0.3;
    site_.silence_s = 1;
  }
  void TearDown() override {
    if (IsSkipped()) return PlanTest::TearDown();
    ::setenv("PATH", path_before_.c_str(), 1);
    // Tasks that a test left running.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "cluster"))
      if (entry.path().extension() == ".pid") {
        std::ifstream file(entry.path());
        if (int pid = 0; file >> pid) ::kill(pid, SIGKILL);
      }
    PlanTest::TearDown();
  }

  std::vector<PlannedCell> cells(const std::string& behaviours, const std::string& more = "") const {
    return plan("name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ndefaults: {" + more + "}\ngrid: {note: [" +
                behaviours + "]}\n")
        .cells;
  }

  /// An executor of its own, as a new orchestrator has it.
  ScheduleReport run(const std::vector<PlannedCell>& cells, const std::atomic<int>* interrupts = nullptr) {
    const OutLock lock(out_);
    Store store(out_, Store::Mode::kReadWrite);
    store.ingest();
    RunLog log(out_ / "pionbench.log");
    SlurmExecutor executor(out_, programs_, site_, [&](const std::string& line) { log.info(line); });
    ScheduleOptions options;
    options.interrupts = interrupts;
    return Scheduler(store, executor, display_, log, options).run(cells);
  }

  /// Runs in the background of `act`, which sees the cluster at work.
  template <typename Act>
  ScheduleReport run_while(const std::vector<PlannedCell>& cells, const Act& act) {
    std::thread hand([&] {
      try {
        act();
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
      }
    });
    const auto report = run(cells);
    hand.join();
    return report;
  }
  /// Detaches once `file` is in the out folder.
  ScheduleReport run_and_leave(const std::vector<PlannedCell>& cells, const std::string& file) {
    std::atomic<int> interrupts{0};
    std::thread hand([&] {
      wait_for(out_ / file);
      ++interrupts;
    });
    const auto report = run(cells, &interrupts);
    hand.join();
    return report;
  }
  static void wait_for(const std::filesystem::path& file) {
    for (int i = 0; i < 24000 && !std::filesystem::exists(file); ++i) ::usleep(5000);
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
  }
  void wait_for_call(const std::string& words) const {
    for (int i = 0; i < 24000 && calls().find(words) == std::string::npos; ++i) ::usleep(5000);
    ASSERT_THAT(calls(), HasSubstr(words));
  }

  std::string calls() const {
    return std::filesystem::exists(cluster_ / "calls.log") ? read_file(cluster_ / "calls.log") : "";
  }
  int count_calls(const std::string& program) const {
    int n = 0;
    std::istringstream lines(calls());
    for (std::string line; std::getline(lines, line);) n += line.starts_with(program + " --parsable");
    return n;
  }
  void put(const std::string& file, const std::string& text = "") const { write_file_atomic(cluster_ / file, text); }
  void take_away(const std::string& file) const { std::filesystem::remove(cluster_ / file); }
  Json job(const std::string& id) const { return Json::parse(read_file(cluster_ / "jobs" / (id + ".json"))); }
  void change_job(const std::string& id, const Json& changes) const {
    Json now = job(id);
    now.update(changes);
    write_file_atomic(cluster_ / "jobs" / (id + ".json"), now.dump());
  }

  std::vector<RunRow> rows() const { return Store(out_, Store::Mode::kReadOnly).runs(); }
  std::vector<RunRow> rows_of(const std::string& cell) const {
    return Store(out_, Store::Mode::kReadOnly).runs_of_cells({cell});
  }
  std::filesystem::path folder_of(const PlannedCell& cell, int n = 1) const {
    return out_ / "runs" / (cell.id.substr(0, 12) + "." + std::to_string(n));
  }

  std::filesystem::path out_, cluster_;
  SlurmExecutor::Programs programs_;
  SlurmSite site_;
  QuietDisplay display_;
  std::string path_before_;
};

TEST_F(SlurmTest, WhatIsReadyTogetherGoesInAsOneArray) {
  const auto report = run(cells("a, b, c, d, e"));
  EXPECT_EQ(report.done, 6);
  EXPECT_EQ(count_calls("sbatch"), 2) << "the shared prerequisite, then all that waited for it";
  EXPECT_THAT(calls(), HasSubstr("--array=0-4"));
  for (const auto& row : rows()) {
    EXPECT_EQ(row.state, RunState::kDone);
    EXPECT_EQ(row.attempts, 1);
  }
}

TEST_F(SlurmTest, ArraysAreCutToWhatTheControllerTakes) {
  put("max", "2");
  EXPECT_EQ(run(cells("a, b, c, d, e")).done, 6);
  EXPECT_THAT(calls(), AllOf(HasSubstr("--array=0-1"), Not(HasSubstr("--array=0-2"))));
  EXPECT_EQ(count_calls("sbatch"), 4) << "1, then 2 + 2 + 1";
}

TEST_F(SlurmTest, TheAttemptNamesItsJobAndThenItsNode) {
  const auto planned = cells("ok");
  run(planned);
  const auto lines = read_file(folder_of(planned[1]) / "attempts.jsonl");
  EXPECT_THAT(lines, HasSubstr("\"job\":\"slurm:"));
  EXPECT_THAT(lines, HasSubstr("\"pid\":0")) << "at the time of sbatch nobody knows where";
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);
  EXPECT_THAT(lines, HasSubstr("\"host\":\"" + read_node_facts(folder_of(planned[1])).starts.at(1).host));
}

TEST_F(SlurmTest, EveryWayToEndIsKnownWithoutAccounting) {
  const auto report = run(cells("diverge, fail, crash, memory, ok"));
  EXPECT_EQ(report.diverged, 1);
  EXPECT_EQ(report.done, 2);
  std::map<std::string, std::string> states;
  for (const auto& failure : report.failures) states[failure.state] = failure.reason;
  EXPECT_EQ(states["out of memory"].empty(), false);
  EXPECT_THAT(states["failed"], testing::AnyOf("the cause", "killed by SIGKILL"));
}

TEST_F(SlurmTest, APreemptedRunGoesBackIntoTheQueueAndOnFromItsCheckpoint) {
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    ::kill(job("2_0")["pid"], SIGUSR2);
  });
  EXPECT_EQ(report.done, 2);
  const auto row = rows_of(planned[1].id).at(0);
  EXPECT_EQ(row.attempts, 2) << "the same run";
  EXPECT_THAT(calls(), HasSubstr("scontrol requeue 2_0"));
  EXPECT_EQ(count_calls("sbatch"), 2) << "the job was not handed in again";
}

TEST_F(SlurmTest, WhereTheClusterDoesNotRequeueTheRunIsHandedInAgain) {
  site_.requeue = false;
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    ::kill(job("2_0")["pid"], SIGUSR2);
  });
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 2);
  EXPECT_EQ(count_calls("sbatch"), 3);
}

TEST_F(SlurmTest, ANodeThatFailedCostsTheRunItsWorkSinceTheLastCheckpoint) {
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    // The node is gone in the midst of work, and Slurm puts the job back.
    std::ofstream(folder_of(planned[1]) / "events.jsonl", std::ios::app)
        << R"({"seq":2,"t":1,"type":"checkpoint","step":1,"path":"run.json"})"
        << "\n";
    const int task = job("2_0")["pid"], worker = read_node_facts(folder_of(planned[1])).starts.at(1).pid;
    ::kill(task, SIGKILL);
    ::kill(worker, SIGKILL);
    change_job("2_0", {{"state", "PENDING"}, {"reason", "Resources"}, {"restarts", 1}});
  });
  EXPECT_EQ(report.done, 2);
  const auto row = rows_of(planned[1].id).at(0);
  EXPECT_EQ(row.attempts, 2);
  EXPECT_THAT(read_file(folder_of(planned[1]) / "attempts.jsonl"), HasSubstr("its node failed"));
}

TEST_F(SlurmTest, ANodeThatFailedAndARunThatIsDoneAgainBeforeAnybodyLooksAreTwoAttempts) {
  site_.poll_s = 4;  // the second attempt takes a fraction of it
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    ::usleep(2500000);  // the first attempt has been seen at work
    std::ofstream(folder_of(planned[1]) / "events.jsonl", std::ios::app)
        << R"({"seq":2,"t":1,"type":"checkpoint","step":1,"path":"run.json"})"
        << "\n";
    const int task = job("2_0")["pid"], worker = read_node_facts(folder_of(planned[1])).starts.at(1).pid;
    ::kill(task, SIGKILL);
    ::kill(worker, SIGKILL);
    change_job("2_0", {{"state", "PENDING"}, {"reason", "Resources"}, {"restarts", 1}});
  });
  EXPECT_EQ(report.done, 2);
  const auto row = rows_of(planned[1].id).at(0);
  EXPECT_EQ(row.attempts, 2) << read_file(folder_of(planned[1]) / "attempts.jsonl");
  EXPECT_EQ(row.state, RunState::kDone);
}

TEST_F(SlurmTest, ANodeThatFailedBeforeTheFirstCheckpointCostsTheWholeRun) {
  const auto planned = cells("hang");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    put("hold");
    const int task = job("2_0")["pid"], worker = read_node_facts(folder_of(planned[1])).starts.at(1).pid;
    ::kill(task, SIGKILL);
    ::kill(worker, SIGKILL);
    change_job("2_0", {{"state", "PENDING"}, {"reason", "Resources"}, {"restarts", 1}});
    wait_for(folder_of(planned[1], 2));
    take_away("hold");
  });
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(rows_of(planned[1].id).size(), 2u) << "a new run: lost work is in no clock";
}

TEST_F(SlurmTest, AJobThatTheControllerForgotIsHandedInAgainAndTheOldOneNeverBegins) {
  put("hold");
  const auto planned = cells("ok");
  std::string script;
  const auto report = run_while(planned, [&] {
    wait_for(cluster_ / "jobs/1_0.json");
    wait_for_call("squeue");
    script = job("1_0")["script"];
    std::filesystem::remove(cluster_ / "jobs/1_0.json");
    take_away("hold");
  });
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(rows_of(planned[0].id).size(), 1u);
  EXPECT_EQ(rows_of(planned[0].id).at(0).attempts, 1) << "it never began, so it is no second attempt";
  // The forgotten job is run after all.
  const auto before = read_file(folder_of(planned[0]) / "node.jsonl");
  ::setenv("SLURM_ARRAY_JOB_ID", "1", 1);
  ::setenv("SLURM_ARRAY_TASK_ID", "0", 1);
  EXPECT_EQ(run_program({"bash", script}, 20).exit_code, 0);
  ::unsetenv("SLURM_ARRAY_JOB_ID");
  ::unsetenv("SLURM_ARRAY_TASK_ID");
  EXPECT_EQ(read_file(folder_of(planned[0]) / "node.jsonl"), before);
}

TEST_F(SlurmTest, AForgottenJobThatIsAtWorkIsNotGivenUp) {
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    const Json forgotten = job("2_0");
    std::filesystem::remove(cluster_ / "jobs/2_0.json");
    ::usleep(1800000);  // longer than silence_s: its heartbeat is all that speaks for it
    EXPECT_TRUE(is_alive(identify_process(forgotten["pid"])));
    ::kill(forgotten["pid"], SIGTERM);
  });
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 2) << "the end that it wrote down counts";
}

TEST_F(SlurmTest, AControllerThatDoesNotAnswerIsWaitedFor) {
  const auto planned = cells("patient, ok");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    put("down");
    for (int i = 0; i < 600 && !display_.has_said("Unable to contact"); ++i) ::usleep(100000);
    ::kill(job("2_0")["pid"], SIGTERM);
    take_away("down");
  });
  EXPECT_EQ(report.done, 3);
  EXPECT_THAT(display_.messages, Contains(HasSubstr("Unable to contact slurm controller")));
  EXPECT_THAT(display_.messages, Contains(HasSubstr("answers again")));
}

TEST_F(SlurmTest, AnAnswerThatWasLostDoesNotHandABatchInTwice) {
  put("lose-answer");
  put("hold");
  const auto report = run_while(cells("ok"), [&] {
    wait_for(cluster_ / "jobs/1_0.json");
    take_away("hold");
  });
  EXPECT_EQ(report.done, 2);
  EXPECT_EQ(count_calls("sbatch"), 2);
}

TEST_F(SlurmTest, ARefusedJobEndsTheSessionWithSlurmsWords) {
  put("refuse", "Batch job submission failed: Invalid partition name specified");
  try {
    run(cells("ok"));
    FAIL();
  } catch (const UserError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("Invalid partition name specified"), HasSubstr("--mem=4G"),
                                HasSubstr("mend the site file")));
  }
  EXPECT_THAT(read_file(folder_of(cells("ok")[0]) / "attempts.jsonl"), HasSubstr("\"outcome\":\"interrupted\""))
      << "nothing looks as if it were in the queue";
  take_away("refuse");
  EXPECT_EQ(run(cells("ok")).done, 2);
}

TEST_F(SlurmTest, LeavingLetsTheJobsGoOnAndComingBackTakesThemUp) {
  const auto planned = cells("patient, ok");
  const auto left = run_and_leave(planned, "ready");
  EXPECT_TRUE(left.stopped);
  EXPECT_TRUE(is_alive(identify_process(job("2_0")["pid"])));
  ::kill(job("2_0")["pid"], SIGUSR2);  // preempted while nobody looks, and requeued
  const auto report = run(planned);
  EXPECT_EQ(report.done + report.already, 3);
  EXPECT_EQ(rows_of(planned[1].id).size(), 1u);
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 2);
  EXPECT_EQ(count_calls("sbatch"), 2) << "nothing was handed in a second time";
}

TEST_F(SlurmTest, AScriptThatFailsBeforeTheRunBeginsSaysWhy) {
  site_.setup = "module() { echo \"module: command not found\" >&2; exit 1; }; module load cuda";
  const auto report = run(cells("ok"));
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0].reason, HasSubstr("before the run began: module: command not found"));
}

TEST_F(SlurmTest, ANodeThatFailsWhileAJobBeginsCostsNothing) {
  const std::string once = (cluster_ / "node-failed").string();
  site_.setup = "if [ ! -e " + once + " ]; then touch " + once +
                "; echo 'slurmstepd: error: *** JOB 1 ON vm CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE, SEE "
                "SLURMCTLD LOG FOR DETAILS ***' >&2; exit 1; fi";
  const auto report = run(cells("ok"));
  EXPECT_EQ(report.done, 2);
  EXPECT_TRUE(report.failures.empty());
}

TEST_F(SlurmTest, AJobThatItsUserCancelledIsInterrupted) {
  const auto planned = cells("patient");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    run_program({"scancel", "--name=" + std::string(job("2_0")["name"]), "2_0"}, 10);
  });
  EXPECT_EQ(report.interrupted, 1) << "it is not handed in behind its user's back";
  EXPECT_EQ(rows_of(planned[1].id).at(0).reason, "cancelled in Slurm");
  EXPECT_EQ(run(planned).done, 1) << "asked for again, it goes on from its checkpoint";
  EXPECT_EQ(rows_of(planned[1].id).at(0).attempts, 2);
}

TEST_F(SlurmTest, StoppingOneRunLeavesTheOthers) {
  const auto planned = cells("patient, ok");
  const auto report = run_while(planned, [&] {
    wait_for(out_ / "ready");
    write_stop_request(folder_of(planned[1]), StopRequest::kStop);
  });
  EXPECT_EQ(report.interrupted, 1);
  EXPECT_EQ(report.done, 2);
  EXPECT_THAT(calls(), Not(HasSubstr("scontrol requeue"))) << "stopped on request it does not come back";
}

TEST_F(SlurmTest, MissingProgramsAreNamed) {
  programs_.node = folder_ / "nowhere";
  EXPECT_THROW(run(cells("ok")), UserError);
}

}  // namespace
}  // namespace pionbench
