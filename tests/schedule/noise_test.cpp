#include "harness/schedule/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pionbench {
namespace {

TEST(NoiseFloor, IsStudentsQuantileTimesTheSpreadOfRatios) {
  // log ratios −0.1, 0, 0.1: sd 0.1; t(0.975, 2) = 4.302653 (any table).
  const std::vector<double> a = {1, 1, 1}, b = {std::exp(-0.1), 1, std::exp(0.1)};
  const auto noise = noise_floor(a, b);
  EXPECT_EQ(noise.pairs, 3);
  EXPECT_NEAR(noise.relative_sd, 0.1, 1e-12);
  EXPECT_NEAR(noise.floor, 0.4302653, 1e-6);
  EXPECT_NEAR(noise.seconds, 1, 1e-12);
}

TEST(NoiseFloor, CoversNinetyFiveOfAHundredPairsOfIdenticalWork) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> seconds(0, 0.02);
  int covered = 0, told = 0;
  for (int experiment = 0; experiment < 400; ++experiment) {
    const auto noise = measure_noise(10, [&] { return seconds(random); });
    for (int i = 0; i < 50; ++i, ++told) covered += std::abs(std::log(seconds(random) / seconds(random))) < noise.floor;
  }
  // t's floor is of one more pair like those measured, so its coverage is 0.95 up to the mean's share (1 + 1/n).
  EXPECT_NEAR(static_cast<double>(covered) / told, 0.95, 0.015);
}

TEST(NoiseFloor, DriftFallsOnBothAlike) {
  double now = 0;
  const auto noise = measure_noise(20, [&] { return 1 + 1e-3 * now++; });
  EXPECT_LT(noise.floor, 0.01) << "a machine that slows down by 4 % meanwhile";
}

TEST(NoiseFloor, TheKernelTakesAMeasurableTime) {
  EXPECT_GT(time_kernel(), 1e-4);
}

}  // namespace
}  // namespace pionbench
