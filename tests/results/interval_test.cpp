#include "results/stats/interval.h"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <vector>

namespace pionbench {
namespace {

// Expected values: mpmath 1.3 at 20 digits, the quantile by root finding on the regularised incomplete beta function.
TEST(MeanInterval, OfThreeValuesMatchesAnIndependentComputation) {
  const auto interval = mean_interval(std::vector<double>{1, 2, 4});
  EXPECT_NEAR(interval.mean, 2.3333333333333333, 1e-14);
  EXPECT_NEAR(*interval.sd, 1.5275252316519467, 1e-14);
  EXPECT_NEAR(*interval.low, -1.4612497002634279, 1e-12);
  EXPECT_NEAR(*interval.high, 6.1279163669300945, 1e-12);
  EXPECT_EQ(interval.n, 3);
  EXPECT_TRUE(interval.is_approximate);
}

TEST(MeanInterval, OfFiveValuesMatchesAnIndependentComputation) {
  const std::vector<double> sample = {0.61, 0.58, 0.64, 0.60, 0.57};
  const auto interval = mean_interval(sample);
  EXPECT_NEAR(*interval.low, 0.5659956309670872, 1e-14);
  EXPECT_NEAR(*interval.high, 0.6340043690329128, 1e-14);
  EXPECT_FALSE(interval.is_approximate);
  const auto narrower = mean_interval(sample, 0.90);
  EXPECT_NEAR(*narrower.low, 0.5738903158185379, 1e-14);
  EXPECT_NEAR(*narrower.high, 0.6261096841814621, 1e-14);
}

TEST(MeanInterval, OfOneValueHasNoWidthToClaim) {
  const auto interval = mean_interval(std::vector<double>{0.5});
  EXPECT_EQ(interval.mean, 0.5);
  EXPECT_FALSE(interval.sd);
  EXPECT_FALSE(interval.low);
  EXPECT_TRUE(interval.is_approximate);
}

TEST(MeanInterval, OfNothingIsOurOwnMistake) {
  EXPECT_THROW(mean_interval({}), std::logic_error);
}

// 4 000 samples of 4: the binomial standard error of the coverage is 0.0034, the band is 4 of them.
TEST(MeanInterval, CoversTheMeanOfANormalAsOftenAsItSays) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(3, 2);
  int covered = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<double> sample(4);
    for (auto& x : sample) x = normal(random);
    const auto interval = mean_interval(sample);
    covered += *interval.low <= 3 && 3 <= *interval.high;
  }
  EXPECT_NEAR(covered / 4000.0, 0.95, 0.0138);
}

}  // namespace
}  // namespace pionbench
