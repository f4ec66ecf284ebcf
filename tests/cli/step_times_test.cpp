/// `reproduce` and the times that claim C5 is judged by; a program with drawn times stands for optim_bench.

#include <gmock/gmock.h>

#include "tests/cli/sandbox.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class StepTimesCli : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    write("exp.yaml",
          "name: exp\ntitle: Toy\nsuite: toy\narms: {SGD: {optimizer: sgd}}\ngrid: {seed: 0}\n"
          "scales: {quick: {steps: 40}}\n");
    fs::create_directories(folder_ / "build");
    fs::create_symlink(integration::home() / "tests/cli/worker.py", folder_ / "build/pionbench-worker");
  }
  /// Beside the worker, as in a build.
  void build_benchmark(const std::string& plant = "") const {
    const auto program = integration::home() / "tests/verbs/fake_benchmark.py";
    write("build/optim_bench", "#!/bin/sh\nexec " + program.string() + " " + (folder_ / "calls").string() +
                                   " model=qwen3/ " + plant + " \"$@\"\n");
    fs::permissions(folder_ / "build/optim_bench", fs::perms::owner_all);
  }
  integration::Result reproduce(const std::string& arguments = "") const {
    // A home without git, so that the revision says nothing.
    return shell(environment() + " PIONBENCH_HOME=" + folder_.string() +
                 " PIONBENCH_WORKER=" + (folder_ / "build/pionbench-worker").string() + " " +
                 (integration::bin() / "pionbench").string() + " reproduce " + arguments);
  }
  std::string processes() const { return integration::slurp(folder_ / "calls"); }
  Json c5() const {
    const auto result = pb("claims C5 --json");
    return Json::parse(result.output, nullptr, false)["claims"][0];
  }
};

TEST_F(StepTimesCli, AreTakenOnceAndNotForExperimentsByName) {
  build_benchmark();
  const auto named = reproduce("--only exp");
  ASSERT_EQ(named.code, 0) << named.errors;
  EXPECT_EQ(processes(), "");
  EXPECT_EQ(c5()["verdict"], "NOT RUN");
  EXPECT_THAT(c5()["why"].get<std::string>(), HasSubstr("pionbench reproduce"));

  const auto first = reproduce();
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.errors, HasSubstr("timing optimizer steps"));
  EXPECT_EQ(processes(), "5");
  const auto verdict = c5();
  EXPECT_EQ(verdict["verdict"], "REPRODUCED") << verdict;
  EXPECT_EQ(verdict["n"], 5);
  EXPECT_THAT(verdict["why"].get<std::string>(),
              MatchesRegex("sitting .*cores, threads 1, other work took .* % of .*"));

  const auto again = reproduce("--json");
  EXPECT_EQ(processes(), "5") << "measured twice: " << again.errors;
  EXPECT_EQ(Json::parse(again.output)["step_times"]["measured_now"], false);
}

TEST_F(StepTimesCli, AreTakenAgainWhenAnOptimizersVersionRises) {
  build_benchmark();
  ASSERT_EQ(reproduce().code, 0);
  Catalog raised = fixture_catalog();
  for (auto& optimizer : raised.optimizers)
    if (optimizer.name == "muon") ++optimizer.version;
  set_catalog(raised);
  build_benchmark("slower=0.5");
  ASSERT_EQ(reproduce().code, 0);
  EXPECT_EQ(processes(), "10");
  EXPECT_EQ(c5()["verdict"], "DIFFERS");
  EXPECT_THAT(c5()["why"].get<std::string>(), HasSubstr("Pion against Muon: slower"));
}

TEST_F(StepTimesCli, ThatCannotBeTakenStopNothingElseAndSayWhy) {
  const auto lacking = reproduce();
  EXPECT_EQ(lacking.code, 0) << lacking.errors;
  EXPECT_THAT(lacking.errors, HasSubstr("C5: this build has no optim_bench"));
  build_benchmark("fail");
  const auto failing = reproduce("--json");
  EXPECT_EQ(failing.code, 0) << failing.errors;
  EXPECT_THAT(Json::parse(failing.output)["left_out"].get<std::string>(),
              AllOf(HasSubstr("C5: steps could not be timed"), HasSubstr("a benchmark of nothing")));
  EXPECT_EQ(c5()["verdict"], "NOT RUN");
}

TEST_F(StepTimesCli, ADryRunTakesNoneAndSaysSo) {
  build_benchmark();
  const auto dry = reproduce("--dry-run");
  EXPECT_EQ(dry.code, 0) << dry.errors;
  EXPECT_THAT(dry.output, HasSubstr("would time optimizer steps"));
  EXPECT_EQ(processes(), "");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  ASSERT_EQ(reproduce().code, 0);
  EXPECT_THAT(reproduce("--dry-run").output, Not(HasSubstr("would time")));
}

TEST_F(StepTimesCli, AreNotTakenWhereJobsAreHandedIn) {
  build_benchmark();
  const auto dry = reproduce("--dry-run --backend slurm");
  EXPECT_EQ(dry.code, 0) << dry.errors;
  EXPECT_THAT(dry.output, AllOf(HasSubstr("on a node: pionbench bench"), Not(HasSubstr("would time"))));
}

}  // namespace
}  // namespace pionbench
