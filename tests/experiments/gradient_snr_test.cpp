#include "experiments/rlvr/gradient_snr.h"

#include <gtest/gtest.h>

#include <cmath>

#include "optim/spectral/metrics.h"

namespace pionbench::rlvr {
namespace {

TEST(GradientSnrMeter, EqualsTheEstimateOverAllParametersTogether) {
  torch::manual_seed(4);
  const auto a = torch::randn({7, 3, 5}) + 0.4, b = torch::randn({7, 11});
  GradientSnrMeter meter;
  for (std::int64_t i = 0; i < 7; ++i) meter.add({a[i], b[i]});
  const double expected = optim::gradient_snr(torch::cat({a.reshape({7, -1}), b}, 1));
  EXPECT_NEAR(meter.value(), expected, 1e-5 * std::abs(expected));
}

TEST(GradientSnrMeter, IsUnbiasedWhereThereIsNoSignal) {
  torch::manual_seed(5);
  double sum = 0;
  const int rounds = 400;
  for (int round = 0; round < rounds; ++round) {
    GradientSnrMeter meter;
    for (int i = 0; i < 4; ++i) meter.add({torch::randn({200})});
    sum += meter.value();
  }
  // One estimate has a deviation of about 1/(k √(n/2)) = .025; without the correction the mean would be 1/k = .25.
  EXPECT_NEAR(sum / rounds, 0, 4 * 0.025 / std::sqrt(rounds));
}

TEST(GradientSnrMeter, SaysWhenThereIsNothingToMeasure) {
  GradientSnrMeter silent, certain;
  for (int i = 0; i < 3; ++i) silent.add({torch::zeros({4})}), certain.add({torch::ones({4})});
  EXPECT_TRUE(std::isnan(silent.value()));
  EXPECT_TRUE(std::isinf(certain.value()));
  GradientSnrMeter one;
  one.add({torch::ones({4})});
  EXPECT_THROW(one.value(), std::logic_error);
}

}  // namespace
}  // namespace pionbench::rlvr
