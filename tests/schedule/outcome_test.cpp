#include "harness/schedule/outcome.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "harness/schedule/expected.h"
#include "harness/schedule/progress.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

EventFacts finished(const std::string& status) {
  EventFacts facts;
  facts.finished = status;
  return facts;
}

TEST(Outcome, FollowsTheExitCodeContract) {
  EXPECT_EQ(classify({.exit_code = 0}, finished("done"), {}).outcome, "done");
  EXPECT_EQ(classify({.exit_code = 77}, finished("diverged"), {}).outcome, "diverged");
  EXPECT_EQ(classify({.exit_code = 0}, {}, {}).reason, "ended without run_finished");
  EXPECT_EQ(classify({.exit_code = 77}, {}, {}).outcome, "failed");
  EXPECT_EQ(classify({.exit_code = 75}, {}, {.stop_requested = true}).outcome, "interrupted");
  EXPECT_EQ(classify({.exit_code = 75}, {}, {}).outcome, "preempted") << "we did not ask";
  EXPECT_EQ(classify({.exit_code = 75}, {}, {.time_limit_s = 60}).outcome, "timed out");
  EXPECT_EQ(classify({.exit_code = 76}, {}, {}).outcome, "out of memory");
  EXPECT_EQ(classify({.exit_code = 64}, {}, {.stderr_tail = "a\nerror: bad\n\n"}).reason, "error: bad");
  EXPECT_EQ(classify({.exit_code = 3}, {}, {}).reason, "exit code 3");
  EXPECT_EQ(classify({.exit_code = 70}, finished("done"), {}).outcome, "failed") << "it broke after its last word";
}

TEST(Outcome, NamesTheSignalAlsoBehindAShell) {
  EXPECT_EQ(classify({.signal = SIGSEGV}, {}, {}).reason, "killed by SIGSEGV");
  EXPECT_EQ(classify({.exit_code = 137}, {}, {}).reason, "exit code 137, killed by SIGKILL");
  EXPECT_EQ(classify({.signal = SIGABRT}, {}, {.stderr_tail = "assert"}).reason, "killed by SIGABRT: assert");
}

TEST(Outcome, TellsMemoryAndRequestsFromCrashes) {
  EXPECT_EQ(classify({.signal = SIGKILL}, {}, {.memory_kill = true}).outcome, "out of memory");
  EXPECT_EQ(classify({.signal = SIGSEGV}, {}, {.memory_kill = true}).outcome, "failed");
  EXPECT_EQ(classify({.signal = SIGTERM}, {}, {.stop_requested = true}).outcome, "interrupted");
}

TEST(Outcome, TellsMemoryFromTheWordsOfForeignPrograms) {
  EXPECT_EQ(
      classify({.exit_code = 1}, {}, {.stderr_tail = "torch.OutOfMemoryError: CUDA out of memory. Tried"}).outcome,
      "out of memory");
  EXPECT_EQ(classify({.signal = SIGABRT}, {}, {.stderr_tail = "what():  std::bad_alloc"}).outcome, "out of memory");
}

TEST(Outcome, ARunThatSaidItsLastWordIsDoneWhoeverEndsItThen) {
  EXPECT_EQ(classify({.signal = SIGKILL}, finished("done"), {}).outcome, "done");
  EXPECT_EQ(classify({.signal = SIGTERM}, finished("diverged"), {.stop_requested = true}).outcome, "diverged");
  EXPECT_EQ(classify({.signal = SIGSEGV}, finished("done"), {}).outcome, "failed") << "a crash is another matter";
}

TEST(Outcome, ATermFromOutsideIsAPreemption) {
  EXPECT_EQ(classify({.signal = SIGTERM}, {}, {}).outcome, "preempted");
  EXPECT_EQ(classify({}, {}, {.stop_requested = true}).outcome, "interrupted") << "adopted, and asked to stop";
}

TEST(Outcome, AVanishedProcessIsJudgedByItsEvents) {
  EXPECT_EQ(classify({}, finished("done"), {}).outcome, "done");
  EXPECT_EQ(classify({}, {}, {}).outcome, "lost");
}

using RunFolderTest = FolderTest;

TEST_F(RunFolderTest, TheTailHasTheLastLinesFromTheOffsetOn) {
  const auto file = folder_ / "stderr.log";
  std::ofstream(file) << "old\na\nb\nc\n\n";
  EXPECT_EQ(tail_of(file, 0, 2), "b\nc");
  EXPECT_EQ(tail_of(file, 4), "a\nb\nc") << "an earlier attempt's lines do not count";
  EXPECT_EQ(tail_of(file, 4, 3), "a\nb\nc");
  EXPECT_EQ(tail_of(file, 1000), "");
  EXPECT_EQ(tail_of(folder_ / "missing", 0), "");
  EXPECT_EQ(last_line("a\nb\n  \n"), "b");
  EXPECT_EQ(last_line("\n"), "");
}

TEST_F(RunFolderTest, RunNamesCountUpPastFoldersThatExist) {
  const std::string cell(64, 'a');
  EXPECT_EQ(next_run_name(folder_, cell), "aaaaaaaaaaaa.1");
  std::filesystem::create_directory(folder_ / "aaaaaaaaaaaa.1");
  EXPECT_EQ(next_run_name(folder_, cell), "aaaaaaaaaaaa.2");
  EXPECT_EQ(run_number("aaaaaaaaaaaa.12"), 12);
  EXPECT_EQ(run_number("by-hand"), 0);
}

TEST_F(RunFolderTest, ATornOrForeignLineIsPassedOver) {
  std::ofstream(folder_ / "events.jsonl")
      << "not json run_finished\n[1]\n"
      << R"({"seq":2,"t":4.5,"type":"run_finished","status":"diverged","reason":"NaN"})"
      << "\n"
      << R"({"seq":3,"type":"checkpo)";
  const auto facts = read_event_facts(folder_);
  EXPECT_EQ(facts.finished, "diverged");
  EXPECT_EQ(facts.reason, "NaN");
  EXPECT_DOUBLE_EQ(facts.last_t, 4.5);
  EXPECT_FALSE(facts.checkpoint);
}

TEST_F(RunFolderTest, ACheckpointCountsOnlyWhileItsFileIsThere) {
  std::ofstream(folder_ / "events.jsonl") << R"({"seq":0,"t":1,"type":"checkpoint","step":1,"path":"c.bin"})"
                                          << "\n";
  EXPECT_FALSE(read_event_facts(folder_).checkpoint);
  std::ofstream(folder_ / "c.bin") << "";
  EXPECT_TRUE(read_event_facts(folder_).checkpoint);
}

TEST(ExpectedSeconds, PreferTheSameOptimizerThenTheSameSuite) {
  RunRow row;
  row.suite = "toy";
  row.optimizer = "sgd";
  row.state = RunState::kDone;
  row.phase_seconds = {{"train", 3}, {"evaluate", 1}};
  RunRow failed = row;
  failed.state = RunState::kFailed;
  failed.phase_seconds = {{"train", 1000}};
  ExpectedSeconds expected({row, failed});
  expected.add("toy", "muon", 8);
  EXPECT_DOUBLE_EQ(*expected.of("toy", "sgd"), 4);
  EXPECT_DOUBLE_EQ(*expected.of("toy", "pion"), 6);
  EXPECT_FALSE(expected.of("maps", "").has_value());
}

TEST(Progress, DurationsReadLikeSpeech) {
  EXPECT_EQ(duration_text(4.24), "4.2 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace pionbench
