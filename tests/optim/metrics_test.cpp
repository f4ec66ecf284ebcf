/// Spectral metrics against LAPACK's SVD, closed forms and direct sums.

#include "optim/spectral/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "optim/matrix_optimizer.h"
#include "tests/optim/spectra.h"

namespace pionbench::optim {
namespace {

TEST(SpectralSummary, AgreesWithDefinitionsOnTheSingularValuesOfAnSvd) {
  torch::manual_seed(71);
  for (const auto& [name, x] : hard_inputs()) {
    const auto summary = spectral_summary(x, 3);
    const auto exact = std::get<1>(torch::linalg_svd(x, false));
    double total = 0, energy = 0, top = 0, entropy = 0, passed = 0;
    const auto* s = exact.data_ptr<double>();
    for (std::int64_t i = 0; i < exact.numel(); ++i) {
      total += s[i];
      energy += s[i] * s[i];
      if (i < 3) top += s[i] * s[i];
      passed += s[i] > 0.5;
    }
    for (std::int64_t i = 0; i < exact.numel(); ++i)
      if (s[i] > 0) entropy -= s[i] / total * std::log(s[i] / total);
    EXPECT_NEAR(summary.frobenius_norm.item<double>() / std::sqrt(energy), 1, 1e-10) << name;
    EXPECT_NEAR(summary.spectral_norm.item<double>() / s[0], 1, 1e-10) << name;
    // Null directions carry 1e-8 of the largest each, where the SVD has 1e-16.
    EXPECT_NEAR(summary.effective_rank.item<double>() / std::exp(entropy), 1, 1e-5) << name;
    EXPECT_NEAR(summary.stable_rank.item<double>(), energy / (s[0] * s[0]), 1e-8) << name;
    EXPECT_NEAR(summary.top_energy.item<double>(), top / energy, 1e-10) << name;
    // Of a matrix of size 1e15 the Gram matrix cannot tell 0 from ½.
    if (name != "huge") {
      EXPECT_EQ(summary.directions_passed.item<double>(), passed) << name;
    }
  }
}

TEST(SpectralSummary, TreatsBatchesAndTransposesAlike) {
  torch::manual_seed(73);
  const auto batch = torch::randn({2, 3, 7, 12});
  const auto together = spectral_summary(batch), turned = spectral_summary(batch.transpose(-2, -1));
  ASSERT_EQ(together.effective_rank.sizes(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_LT(largest_difference(together.effective_rank, turned.effective_rank), 1e-10);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      EXPECT_NEAR(together.condition_number[i][j].item<double>(),
                  spectral_summary(batch[i][j]).condition_number.item<double>(), 1e-8);
}

TEST(SpectralSummary, IsZeroForAZeroMatrixAndInfiniteConditionForADeficientOne) {
  const auto zero = spectral_summary(torch::zeros({4, 6}));
  for (const auto& value : {zero.frobenius_norm, zero.spectral_norm, zero.effective_rank, zero.stable_rank,
                            zero.condition_number, zero.top_energy, zero.directions_passed})
    EXPECT_EQ(value.item<double>(), 0);
  torch::manual_seed(79);
  EXPECT_TRUE(std::isinf(spectral_summary(with_spectrum(5, 8, {1, 0.5})).condition_number.item<double>()));
  EXPECT_NEAR(spectral_summary(with_spectrum(3, 8, {1, 0.5, 1e-4})).condition_number.item<double>(), 1e4, 1);
}

TEST(DirectionsPassed, CountsWhatPionsFilterLetsThrough) {
  torch::manual_seed(83);
  // Normalised, 0.6, 0.55 and five of 0.26 make 1: k_p = 1 cuts at 0.523, k_p = 2 at 0.296, k_p = 3 at 0.16.
  const double rest = std::sqrt((1 - 0.36 - 0.3025) / 5);
  const auto x = with_spectrum(16, 20, {0.6, 0.55, rest, rest, rest, rest, rest});
  const auto exact = engine_for(find_coefficients("pion-promotion"), Precision::kFloat64);
  for (const auto& [k_p, passed] : {std::pair{0, 0}, std::pair{1, 2}, std::pair{2, 2}, std::pair{3, 7}})
    EXPECT_EQ(directions_passed(singular_values(apply_spectral_map(x, pion_map(k_p), exact))).item<double>(), passed)
        << k_p;
  EXPECT_EQ(directions_passed(torch::tensor({0.9, 0.6, 0.2}), 0.7).item<double>(), 1);
}

TEST(OrthogonalityError, IsTheRelativeDistanceOfTheGramMatrixFromTheIdentity) {
  torch::manual_seed(89);
  const std::vector<double> s = {1.1, 1.0, 0.9, 0.5};
  double expected = 0;
  for (const double v : s) expected += (v * v - 1) * (v * v - 1);
  expected = std::sqrt(expected / 4);
  EXPECT_NEAR(orthogonality_error(with_spectrum(4, 9, s)).item<double>(), expected, 1e-12);
  EXPECT_NEAR(orthogonality_error(with_spectrum(9, 4, s)).item<double>(), expected, 1e-12);
}

TEST(GradientSnr, OneSampleAtATimeEqualsTheDirectEstimate) {
  torch::manual_seed(97);
  const auto samples = 3 + torch::randn({6, 4, 5}, torch::kFloat64);
  GradientSnr snr;
  for (std::int64_t i = 0; i < 6; ++i) snr.add(samples[i]);
  const auto mean = samples.mean(0);
  const double variance = (samples - mean).square().sum().item<double>() / 5;
  const double expected = (mean.square().sum().item<double>() - variance / 6) / variance;
  EXPECT_NEAR(snr.value(), expected, 1e-10 * expected);
  EXPECT_NEAR(gradient_snr(samples), expected, 1e-10 * expected);
  EXPECT_EQ(snr.samples(), 6);
}

TEST(GradientSnr, RefusesTooFewSamplesAndOtherShapes) {
  GradientSnr snr;
  EXPECT_THROW(snr.value(), std::invalid_argument);
  snr.add(torch::ones({2, 3}));
  EXPECT_THROW(snr.value(), std::invalid_argument);
  EXPECT_THAT(
      [&] {
        snr.add(torch::ones({3, 2}));
      },
      testing::ThrowsMessage<std::invalid_argument>(
          testing::HasSubstr("got shape [3, 2], earlier samples have [2, 3]")));
}

TEST(CrossHeadVariance, IsTheSampleVarianceOfHeadNormsOnBothSides) {
  torch::manual_seed(101);
  const auto w = torch::randn({12, 20}, torch::kFloat64) * torch::linspace(1, 3, 12, torch::kFloat64).unsqueeze(1);
  for (const auto side : {HeadSide::kOutput, HeadSide::kInput}) {
    double sum = 0, squares = 0;
    for (const auto& head : w.chunk(4, side == HeadSide::kOutput ? 0 : 1)) {
      const double norm = head.norm().item<double>();
      sum += norm;
      squares += norm * norm;
    }
    EXPECT_NEAR(cross_head_variance(head_blocks(w, 4, side)), (squares - sum * sum / 4) / 3, 1e-10);
  }
}

TEST(Updates, RmsAndRelativeChangeFollowTheirDefinitions) {
  const auto before = torch::tensor({3.0, 4.0}), after = torch::tensor({3.0, 4.5});
  EXPECT_NEAR(rms(after - before), 0.5 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(relative_change(before, after), 0.1, 1e-12);
  EXPECT_EQ(relative_change(torch::zeros({2}), torch::zeros({2})), 0);
  EXPECT_TRUE(std::isinf(relative_change(torch::zeros({2}), torch::ones({2}))));
}

}  // namespace
}  // namespace pionbench::optim
