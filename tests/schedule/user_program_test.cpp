#include "harness/schedule/user_program.h"

#include <gmock/gmock.h>

#include <thread>

#include "harness/schedule/local_executor.h"
#include "harness/schedule/scheduler.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

class QuietDisplay : public Display {
 public:
  void message(const std::string&) override {}
  void ended(const EndView&, const Totals&) override {}
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
};

/// Programs in shell, run by the scheduler.
class UserProgramTest : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    if (!std::filesystem::exists(node_program())) GTEST_SKIP() << "no " << node_program() << "; build pionbench-node";
    // Says what it was given, and that it is done.
    write_file_atomic(
        folder_ / "tool.sh",
        "#!/bin/sh\necho \"$PWD|$*|$GREETING\"\ncd \"$PIONBENCH_RUN_FOLDER\"\n"
        "echo '{\"seq\":0,\"t\":0,\"type\":\"run_finished\",\"status\":\"done\",\"step\":1}' >events.jsonl\n");
    std::filesystem::permissions(folder_ / "tool.sh", std::filesystem::perms::owner_all);
  }
  std::vector<PlannedCell> cells(const std::string& argv = "[./tool.sh, '{lr}', 'a b', '{run_folder}']") const {
    return plan("name: mine\nsuite: command\ncommand:\n  argv: " + argv +
                "\n  env: {GREETING: 'lr is {lr}'}\n  files: [tool.sh]\n  parameters: {lr: 0.5}\n")
        .cells;
  }
  ScheduleReport run(const std::vector<PlannedCell>& cells) const {
    const OutLock lock(folder_ / "out");
    Store store(folder_ / "out", Store::Mode::kReadWrite);
    RunLog log(folder_ / "out/pionbench.log");
    LocalExecutor executor("/bin/true", 1);  // a worker that is never asked
    QuietDisplay display;
    return Scheduler(store, executor, display, log, {.slots = 1}).run(cells);
  }
  std::filesystem::path folder_of(const PlannedCell& cell) const {
    return folder_ / "out/runs" / (cell.id.substr(0, 12) + ".1");
  }
};

TEST_F(UserProgramTest, HasItsArgumentsVariablesAndWorkingFolder) {
  const auto planned = cells();
  EXPECT_EQ(run(planned).done, 1);
  const auto folder = folder_of(planned[0]);
  EXPECT_EQ(read_file(folder / "stdout.log"), folder_.string() + "|0.5 a b " + folder.string() + "|lr is 0.5\n");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "artifacts"));
}

TEST_F(UserProgramTest, AFileThatChangedAfterThePlanFailsTheRunAndSaysWhich) {
  const auto planned = cells();
  write_file_atomic(folder_ / "tool.sh", "#!/bin/sh\nexit 0\n");
  const auto report = run(planned);
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0].reason, HasSubstr("tool.sh has changed in " + folder_.string()));
}

TEST_F(UserProgramTest, AProgramThatIsNotThereIsNamed) {
  const auto report = run(cells("[no-such-program]"));
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0].reason, HasSubstr("cannot start \"no-such-program\""));
  EXPECT_THAT(report.failures[0].reason, HasSubstr("is it on PATH?"));
}

TEST_F(UserProgramTest, AProgramThatSaysNothingIsNoResult) {
  const auto report = run(cells("['true']"));
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].reason, "ended without run_finished");
}

}  // namespace
}  // namespace pionbench
