#include "harness/schedule/run_pace.h"

#include <gtest/gtest.h>

namespace pionbench {
namespace {

TEST(RunPace, SaysNothingBeforeAStepWasSeen) {
  RunPace pace;
  EXPECT_FALSE(pace.remaining(10));
  pace.saw(10, 5, 100);
  EXPECT_FALSE(pace.remaining(60)) << "the first five steps may be of an earlier attempt";
}

TEST(RunPace, CountsFromWhereARunWasFirstSeen) {
  RunPace pace;
  pace.saw(100, 80, 100);
  pace.saw(130, 90, 100);
  EXPECT_DOUBLE_EQ(*pace.remaining(130), 30);
  EXPECT_DOUBLE_EQ(pace.seen_part(), 0.1);
}

TEST(RunPace, KnowsNoEndWhereTheNumberOfStepsIsUnknown) {
  RunPace pace;
  pace.saw(0, 0, 0);
  pace.saw(10, 10, 0);
  EXPECT_FALSE(pace.remaining(10));
  EXPECT_EQ(pace.seen_part(), 0);
}

TEST(RunPace, IsAtItsEndAfterTheLastStep) {
  RunPace pace;
  pace.saw(0, 0, 10);
  pace.saw(10, 10, 10);
  EXPECT_EQ(*pace.remaining(15), 0);
}

}  // namespace
}  // namespace pionbench
