#include "harness/slurm/queue.h"

#include <gmock/gmock.h>

#include "core/error.h"

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Slurm 22.05.8, word for word, from the command of queue_query(): two arrays of ours, one job of somebody else whose
// comment holds the separator.
constexpr const char* kRealAnswer =
    "1|0|COMPLETED|2026-11-24T06:43:41|vm|None|pionbench-0a1b2c3d4e5f|pionbench:0a1b2c3d4e5f\n"
    "4|1|COMPLETING|2026-11-24T06:43:42|vm|None|pionbench-deadbeef0001|pionbench:deadbeef0001\n"
    "1|1|FAILED|2026-11-24T06:43:41|vm|NonZeroExitCode|pionbench-0a1b2c3d4e5f|pionbench:0a1b2c3d4e5f\n"
    "4|0|PENDING|2026-11-24T06:45:44||BeginTime|pionbench-deadbeef0001|pionbench:deadbeef0001\n"
    "4|5|PENDING|2027-11-24T06:43:42||Resources|pionbench-deadbeef0001|pionbench:deadbeef0001\n"
    "5|N/A|PENDING|2027-11-24T06:43:42||Priority|other|mine|yours\n"
    "6|N/A|RUNNING|2026-11-24T06:43:42|vm|None|wrap|(null)\n"
    "4|2|RUNNING|2026-11-24T06:43:42|vm|None|pionbench-deadbeef0001|pionbench:deadbeef0001\n";

TEST(Queue, ReadsRealSqueueAndKeepsOurJobsAlone) {
  const auto rows = parse_queue(kRealAnswer);
  std::vector<std::string> seen;
  for (const auto& row : rows) seen.push_back(row.batch + " " + row.job + " " + row.state + " " + row.reason);
  EXPECT_THAT(seen, ElementsAre("0a1b2c3d4e5f 1_0 COMPLETED None", "deadbeef0001 4_1 COMPLETING None",
                                "0a1b2c3d4e5f 1_1 FAILED NonZeroExitCode", "deadbeef0001 4_0 PENDING BeginTime",
                                "deadbeef0001 4_5 PENDING Resources", "deadbeef0001 4_2 RUNNING None"));
  EXPECT_EQ(rows[5].task, 2);
  EXPECT_EQ(rows[5].nodes, "vm");
  EXPECT_EQ(rows[5].start, "2026-11-24T06:43:42");
}

TEST(Queue, TellsWaitingRunningAndEndedApart) {
  const auto rows = parse_queue(kRealAnswer);
  EXPECT_TRUE(is_over(rows[0]) && is_over(rows[2]));
  EXPECT_FALSE(is_over(rows[1])) << "a completing job still holds its node";
  EXPECT_TRUE(is_pending(rows[3]) && is_pending(rows[4]));
  EXPECT_FALSE(is_pending(rows[5]) || is_over(rows[5]));
}

TEST(Queue, KnowsAJobByItsNameWhereThePlaceForCommentsIsTaken) {
  const auto rows = parse_queue("9|3|RUNNING|N/A|n1|None|pionbench-abc|charged to physics\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].batch, "abc");
}

TEST(Queue, PassesOverWhatItCannotRead) {
  EXPECT_TRUE(parse_queue("").empty());
  EXPECT_TRUE(parse_queue("slurm_load_jobs error\n1|2|3\n").empty());
  EXPECT_TRUE(parse_queue("9|0-11%4|PENDING|N/A||None|pionbench-abc|pionbench:abc\n").empty()) << "not one task";
}

TEST(Subprocess, KeepsOutputErrorsAndTheExitCode) {
  const auto result = run_program({"sh", "-c", "echo out; echo 'first' >&2; echo 'the cause' >&2; exit 3"}, 10);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.complaint(), "the cause");
  EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"}, 10).exit_code, 137);
  EXPECT_EQ(run_program({"pionbench-no-such-program"}, 10).exit_code, 127);
}

TEST(Subprocess, EndsWhatTakesTooLongWithAllItsChildren) {
  const auto result = run_program({"sh", "-c", "sleep 1000 & sleep 1000"}, 0.05);
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_EQ(result.complaint(), "no answer in time");
}

TEST(Subprocess, HandsOnNoVariablesOfAnEnclosingJob) {
  ::setenv("SLURM_MEM_PER_NODE", "1", 1);
  ::setenv("SLURM_CONF_FOR_TEST", "kept", 1);
  const auto result = run_program({"env"}, 10, slurm_job_variables());
  ::unsetenv("SLURM_MEM_PER_NODE");
  ::unsetenv("SLURM_CONF_FOR_TEST");
  EXPECT_THAT(result.output, Not(HasSubstr("SLURM_MEM_PER_NODE")));
  EXPECT_THAT(result.output, HasSubstr("SLURM_CONF_FOR_TEST=kept"));
}

}  // namespace
}  // namespace pionbench
