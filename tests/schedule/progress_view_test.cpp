#include "harness/schedule/progress_view.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

namespace pionbench {
namespace {

using testing::HasSubstr;

ActiveView run(const std::string& label, std::int64_t step, double elapsed_s, std::vector<double> history = {}) {
  return {label, step, 60, elapsed_s, history.empty() ? "" : "sampled 0.42", std::move(history)};
}

TEST(ProgressView, ASparklineGoesFromItsLowestToItsHighest) {
  EXPECT_EQ(sparkline({0, 1, 0.5}, 12, true), "▁█▅");
  EXPECT_EQ(sparkline({0, 1, 0.5}, 12, false), "_#=");
  EXPECT_EQ(sparkline({9, 9, 0, 7}, 2, true), "▁█") << "the last ones";
  EXPECT_EQ(sparkline({3, 3}, 12, true), "▅▅") << "a flat line is no division by zero";
  EXPECT_EQ(sparkline({3}, 12, true), "");
  EXPECT_EQ(sparkline({0, std::nan(""), 1}, 12, true), "▁█");
}

TEST(ProgressView, ABarFillsByEighthsAndKeepsItsWidth) {
  EXPECT_EQ(progress_bar(0, 4, true), "    ");
  EXPECT_EQ(progress_bar(0.5, 4, true), "██  ");
  EXPECT_EQ(progress_bar(1.0 / 32, 4, true), "▏   ");
  EXPECT_EQ(progress_bar(2, 4, true), "████");
  EXPECT_EQ(progress_bar(0.5, 4, false), "##--");
  for (int i = 0; i <= 100; ++i) EXPECT_EQ(columns(progress_bar(i / 100.0, 10, true)), 10);
}

TEST(ProgressView, LongLabelsLoseTheirMiddle) {
  EXPECT_EQ(shortened("Muon lr=0.003 seed=0", 11, true), "Muon …eed=0");
  EXPECT_EQ(shortened("α…ω", 3, true), "α…ω") << "characters, not bytes";
  EXPECT_EQ(shortened("abcdef", 4, false), "a..f");
}

TEST(ProgressView, ARunLineHasBarLabelTimesMetricAndItsCourse) {
  RunClock clock;
  const Totals totals{.total = 12, .ended = 3, .failed = 1, .elapsed_s = 65, .eta_s = 30};
  const BlockStyle style{100, 24, true};
  progress_block({run("Muon lr=0.003 seed=0", 0, 1)}, totals, clock, style);
  const auto lines = progress_block({run("Muon lr=0.003 seed=0", 30, 16, {0.1, 0.3, 0.42})}, totals, clock, style);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], HasSubstr("3/12  1 min 05 s, about 30.0 s left  1 failed"));
  EXPECT_EQ(lines[1], "  █████      30/60  Muon lr=0.003 seed=0  16.0 s, 15.0 s left  sampled 0.42 ▁▅█");
}

TEST(ProgressView, ARunThatWentOnFromACheckpointIsJudgedByItsOwnSpeed) {
  RunClock clock;
  EXPECT_FALSE(clock.remaining(run("a", 40, 2)).has_value()) << "forty steps in two seconds are not its own";
  EXPECT_DOUBLE_EQ(*clock.remaining(run("a", 44, 10)), 32.0) << "4 steps in 8 s, 16 to go";
  clock.keep_only({});
  EXPECT_FALSE(clock.remaining(run("a", 50, 1)).has_value()) << "another run of that name begins anew";
}

TEST(ProgressView, TheBlockFitsTheTerminal) {
  std::vector<ActiveView> many;
  for (int i = 0; i < 40; ++i)
    many.push_back(run("a label that is much too long for the terminal " + std::to_string(i), i, 1, {0, 1}));
  for (const int width : {20, 40, 79})
    for (const int height : {4, 10, 60}) {
      RunClock clock;
      const auto lines = progress_block(many, {.total = 40}, clock, {width, height, true});
      EXPECT_LE(static_cast<int>(lines.size()), std::max(3, height - 2));
      for (const auto& line : lines) EXPECT_LE(columns(line), width) << line;
    }
  RunClock clock;
  EXPECT_EQ(progress_block(many, {.total = 40}, clock, {79, 10, true}).back(), "  and 34 more");
}

TEST(ProgressView, TheLastLineSaysWhyOthersWait) {
  RunClock clock;
  const Totals totals{.total = 12, .waiting = 9, .waits = "waits: needs 4 cores, 2 of 2 are taken"};
  EXPECT_EQ(progress_block({run("a", 1, 1)}, totals, clock, {79, 24, true}).back(),
            "  9 wait: needs 4 cores, 2 of 2 are taken");
  std::vector<ActiveView> many(40, run("a", 1, 1));
  const auto small = progress_block(many, totals, clock, {79, 6, true});
  EXPECT_EQ(small.size(), 4u) << "it takes a run's line where the terminal is low";
  EXPECT_THAT(small.back(), HasSubstr("9 wait"));
}

TEST(ProgressView, WithoutUtf8EverythingIsAscii) {
  RunClock clock;
  for (const auto& line :
       progress_block({run(std::string(100, 'x'), 30, 1, {0, 1})}, {.total = 2}, clock, {60, 24, false}))
    EXPECT_TRUE(std::ranges::all_of(line, [](unsigned char c) { return c < 128; })) << line;
}

}  // namespace
}  // namespace pionbench
