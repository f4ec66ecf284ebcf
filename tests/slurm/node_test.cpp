#include "harness/slurm/node_task.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "common/subprocess.h"
#include "harness/schedule/process.h"
#include "harness/slurm/batch.h"
#include "harness/slurm/node_spool.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

/// One run of the fake worker, as task 0 of a batch.
class NodeTest : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    const char *home = std::getenv("PIONBENCH_HOME"), *bin = std::getenv("PIONBENCH_BIN");
    if (!home || !bin) GTEST_SKIP() << "PIONBENCH_HOME and PIONBENCH_BIN are not set (ctest sets them)";
    worker_ = std::filesystem::path(home) / "tests/schedule/fake_worker.py";
    node_ = std::filesystem::path(bin) / "pionbench-node";
    run_ = folder_ / "out/runs/r.1";
    batch_ = folder_ / "out/slurm/b";
  }

  void prepare(const std::string& behaviour, int attempt = 1) {
    RunRequest request{"r.1", std::string(64, 'c'), {}, {}, attempt, 1};
    request.config.suite = "toy";
    request.config.settings["note"] = behaviour;
    write_file_atomic(run_ / "run.json", to_json(request).dump());
    write_batch(batch_, {"b", worker_, /*requeue=*/false, {{"r.1", run_}}});
    write_lease(run_, {"b", 0, false});
  }

  pid_t start() const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setenv("SLURM_ARRAY_JOB_ID", "22", 1);
      ::setenv("SLURM_ARRAY_TASK_ID", "0", 1);
      ::setenv("PIONBENCH_HEARTBEAT_S", "0.05", 1);
      ::execl(node_.c_str(), node_.c_str(), "task", batch_.c_str(), nullptr);
      ::_exit(126);
    }
    return pid;
  }
  static int end_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  int run(const std::string& behaviour) {
    prepare(behaviour);
    return end_of(start());
  }
  void wait_for(const std::filesystem::path& file) const {
    for (int i = 0; i < 2000 && !std::filesystem::exists(file); ++i) ::usleep(5000);
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
  }
  std::filesystem::path out() const { return folder_ / "out"; }

  std::filesystem::path worker_, node_, run_, batch_;
};

TEST_F(NodeTest, WritesDownHowTheRunBeganAndEnded) {
  EXPECT_EQ(run("ok"), 0);
  const auto facts = read_node_facts(run_);
  ASSERT_TRUE(facts.starts.contains(1) && facts.ends.contains(1));
  EXPECT_EQ(facts.starts.at(1).job, "22_0");
  EXPECT_EQ(facts.starts.at(1).host, identify_process(::getpid()).host);
  EXPECT_EQ(facts.ends.at(1).exit_code, 0);
  EXPECT_GT(facts.ends.at(1).wall_seconds, 0);
  EXPECT_GE(read_heartbeat(run_), 1);
}

TEST_F(NodeTest, PassesTheWorkersEndOnToSlurmButADivergedRunIsNoFailedJob) {
  EXPECT_EQ(run("fail"), 70);
  EXPECT_EQ(read_node_facts(run_).ends.at(1).exit_code, 70);
  std::filesystem::remove_all(run_);
  EXPECT_EQ(run("crash"), 137);
  EXPECT_EQ(read_node_facts(run_).ends.at(1).signal, SIGKILL);
  std::filesystem::remove_all(run_);
  EXPECT_EQ(run("diverge"), 0);
  EXPECT_EQ(read_node_facts(run_).ends.at(1).exit_code, 77);
}

TEST_F(NodeTest, SlurmsSignalReachesTheWorkerAsARequestToStop) {
  prepare("patient");
  const pid_t pid = start();
  wait_for(out() / "ready");
  ::kill(pid, SIGUSR2);
  EXPECT_EQ(end_of(pid), 75);
  EXPECT_EQ(read_node_facts(run_).ends.at(1).told, "USR2");
}

TEST_F(NodeTest, AStopInTheLeaseReachesTheWorkerWithoutSlurm) {
  prepare("patient");
  const pid_t pid = start();
  wait_for(out() / "ready");
  write_lease(run_, {"b", 0, true});
  EXPECT_EQ(end_of(pid), 75);
}

TEST_F(NodeTest, ATaskWhoseRunWasGivenToAnotherOneStopsAndALateOneNeverBegins) {
  prepare("patient");
  const pid_t pid = start();
  wait_for(out() / "ready");
  write_lease(run_, {"another", 0, false});
  EXPECT_EQ(end_of(pid), 75);
  const auto before = read_file(run_ / "node.jsonl");
  EXPECT_EQ(end_of(start()), 0);
  EXPECT_EQ(read_file(run_ / "node.jsonl"), before) << "no trace";
}

TEST_F(NodeTest, TheSecondTimeItGoesOnAsTheNextAttempt) {
  prepare("patient");
  const pid_t pid = start();
  wait_for(out() / "ready");
  ::kill(pid, SIGTERM);
  EXPECT_EQ(end_of(pid), 75);
  EXPECT_EQ(end_of(start()), 0) << "the second attempt of a patient worker finishes";
  EXPECT_EQ(read_node_facts(run_).ends.at(2).exit_code, 0);
  EXPECT_THAT(read_file(run_ / "run.json"), HasSubstr("\"attempt\": 2"));
}

TEST_F(NodeTest, BackFromTheQueueWithoutACheckpointItLeavesTheRunToANewOne) {
  prepare("ok");
  append_node(run_, NodeStart{1, "b", 0, "22_0", "", "", "", 1, 1});
  EXPECT_EQ(end_of(start()), 75);
  const auto facts = read_node_facts(run_);
  EXPECT_THAT(facts.ends.at(2).reason, HasSubstr("without a checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(run_ / "events.jsonl")) << "the worker has not begun";
}

TEST_F(NodeTest, WhatTheWorkerLeftBehindIsEndedEvenADaemon) {
  prepare("daemon");
  EXPECT_EQ(end_of(start()), 0);
  const int daemon = std::stoi(read_file(out() / "daemon.pid"));
  EXPECT_FALSE(is_alive(identify_process(daemon)));
}

TEST_F(NodeTest, AMissingWorkerIsInTheRunsOwnLog) {
  worker_ = folder_ / "nowhere";
  EXPECT_EQ(run("ok"), 70);
  EXPECT_THAT(read_file(run_ / "stderr.log"), HasSubstr("cannot start " + worker_.string()));
}

TEST_F(NodeTest, OutsideAnArrayItSaysWhatIsMissing) {
  const auto result = run_program({node_.string(), "task", batch_.string()}, 10, {"SLURM_"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("SLURM_ARRAY_TASK_ID"));
}

TEST_F(NodeTest, AsksNothingOfANodeThatOnlyTheOrchestratorNeeds) {
  const auto result = run_program({"ldd", node_.string()}, 10);
  if (!result.ok()) GTEST_SKIP() << "no ldd here";
  for (const char* library : {"sqlite", "yaml", "spdlog", "boost", "torch"})
    EXPECT_THAT(result.output, testing::Not(HasSubstr(library)));
}

TEST(NodeSpool, DamagedAndTornLinesArePassedOver) {
  std::string pattern = (std::filesystem::temp_directory_path() / "pionbench-test-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  std::ofstream(folder / "node.jsonl") << "{\"type\":\"node_started\"}\nrubbish\n{\"type\":\"node_en";
  EXPECT_EQ(read_node_facts(folder).last(), 0);
  append_node(folder, NodeEnd{.attempt = 3, .exit_code = 0});
  EXPECT_TRUE(read_node_facts(folder).ends.contains(3)) << "the torn line is ended first";
  EXPECT_EQ(read_heartbeat(folder), -1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pionbench
