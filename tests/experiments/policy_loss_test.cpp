#include "experiments/rlvr/algorithm/policy_loss.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pionbench::rlvr {
namespace {

torch::Tensor row(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64).unsqueeze(0);
}

/// One sequence with unit mask.
PolicyLoss loss_of(const torch::Tensor& logp, const torch::Tensor& old, double advantage, PolicyLossOptions options) {
  return policy_loss(logp, old, old, torch::tensor({advantage}, torch::kFloat64), torch::ones_like(logp), options);
}

TEST(GroupAdvantages, SubtractTheMeanAndDivideByTheSampleDeviation) {
  // Rewards 1,0,0,1: mean .5, sample std √(1/3).
  const auto a = group_advantages(torch::tensor({{1.0, 0.0, 0.0, 1.0}, {1.0, 1.0, 1.0, 1.0}}));
  EXPECT_NEAR(a[0][0].item<double>(), 0.5 / (std::sqrt(1.0 / 3.0) + 1e-6), 1e-6);
  EXPECT_NEAR(a[0][1].item<double>(), -0.5 / (std::sqrt(1.0 / 3.0) + 1e-6), 1e-6);
  EXPECT_EQ(a[1].abs().max().item<double>(), 0);
  EXPECT_NEAR(group_advantages(torch::tensor({{1.0, 0.0}}), false)[0][0].item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(group_advantages(torch::tensor({{0.7}}))[0][0].item<double>(), 0.7, 1e-7);
}

TEST(PpoClip, MatchesHandComputedValues) {
  const PolicyLossOptions options;  // clip 0.2, dual 3
  // Ratio 1.5, A = 2: clipped at 1.2 -> −2.4.
  EXPECT_NEAR(loss_of(row({std::log(1.5)}), row({0.0}), 2, options).loss.item<double>(), -2.4, 1e-12);
  // Ratio 0.5, A = 2: min of the objective is the unclipped one -> −1.
  EXPECT_NEAR(loss_of(row({std::log(0.5)}), row({0.0}), 2, options).loss.item<double>(), -1.0, 1e-12);
  // Ratio 0.5, A = −1: clipped at 0.8 -> 0.8.
  EXPECT_NEAR(loss_of(row({std::log(0.5)}), row({0.0}), -1, options).loss.item<double>(), 0.8, 1e-12);
  // Ratio 5, A = −1: dual clip -> 3.
  EXPECT_NEAR(loss_of(row({std::log(5.0)}), row({0.0}), -1, options).loss.item<double>(), 3.0, 1e-12);
  // Two tokens: token mean of −1.2·1 and −0.9·1.
  const auto two = loss_of(row({std::log(1.5), std::log(0.9)}), row({0.0, 0.0}), 1, options);
  EXPECT_NEAR(two.loss.item<double>(), -(1.2 + 0.9) / 2, 1e-12);
  EXPECT_NEAR(two.clip_fraction, 0.5, 1e-12);
  EXPECT_NEAR(two.approximate_kl, -(std::log(1.5) + std::log(0.9)) / 2, 1e-12);
}

TEST(PpoClip, OnPolicyItsGradientIsThePolicyGradient) {
  const auto logp = row({-1.0, -2.0, -0.5}).requires_grad_(true);
  const auto result = policy_loss(logp, logp.detach(), {}, torch::tensor({1.5}, torch::kFloat64), row({1, 1, 0}), {});
  result.loss.backward();
  EXPECT_NEAR(result.loss.item<double>(), -1.5, 1e-12);
  EXPECT_TRUE(torch::allclose(logp.grad(), row({-0.75, -0.75, 0})));
}

TEST(PpoClip, AveragesOverAllTokensOfTheBatchAndNotPerSequence) {
  // Sequence 1 has one token with A = 1, sequence 2 has three with A = −1; ratios 1.
  const auto logp = torch::zeros({2, 3}, torch::kFloat64);
  const auto mask = torch::tensor({{1.0, 0.0, 0.0}, {1.0, 1.0, 1.0}}, torch::kFloat64);
  const auto result = policy_loss(logp, logp, logp, torch::tensor({1.0, -1.0}, torch::kFloat64), mask, {});
  EXPECT_NEAR(result.loss.item<double>(), (-1 + 3) / 4.0, 1e-12);
}

TEST(PpoClip, LeavingOutRowsWithoutAdvantageChangesNothingWhenTheyCount) {
  torch::manual_seed(2);
  const auto logp = torch::randn({4, 5}, torch::kFloat64) * 0.1,
             old = logp + torch::randn({4, 5}, torch::kFloat64) * 0.1;
  const auto advantages = torch::tensor({0.7, 0.0, -0.3, 0.0}, torch::kFloat64);
  const auto mask = torch::ones({4, 5}, torch::kFloat64);
  const auto rows = torch::tensor({0, 2});
  for (const auto kind : {PolicyLossKind::kPpoClip, PolicyLossKind::kGeometricMean}) {
    PolicyLossOptions options;
    options.kind = kind;
    const auto full = policy_loss(logp, old, old, advantages, mask, options);
    const auto part = policy_loss(logp.index_select(0, rows), old.index_select(0, rows), old.index_select(0, rows),
                                  advantages.index_select(0, rows), mask.index_select(0, rows), options, {20, 4});
    EXPECT_NEAR(full.loss.item<double>(), part.loss.item<double>(), 1e-12);
  }
}

TEST(GeometricMean, MatchesHandComputedValues) {
  PolicyLossOptions options;
  options.kind = PolicyLossKind::kGeometricMean;
  options.clip_low = options.clip_high = 0.4;
  // A = 1: log-ratios 1.0 (clipped to 0.4) and −0.6 (kept, it is the smaller): ratio e^(−0.1).
  EXPECT_NEAR(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), 1, options).loss.item<double>(), -std::exp(-0.1), 1e-12);
  // A = −2: log-ratios 1.0 (kept: pessimistic) and −0.6 (clipped to −0.4): ratio e^(0.3).
  EXPECT_NEAR(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), -2, options).loss.item<double>(), 2 * std::exp(0.3), 1e-12);
  // A = 0 gives 0.
  EXPECT_EQ(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), 0, options).loss.item<double>(), 0);
}

TEST(GeometricMean, DoesNotWeighSequencesByTheirLength) {
  PolicyLossOptions options;
  options.kind = PolicyLossKind::kGeometricMean;
  const auto logp = torch::zeros({2, 3}, torch::kFloat64);
  const auto mask = torch::tensor({{1.0, 0.0, 0.0}, {1.0, 1.0, 1.0}}, torch::kFloat64);
  const auto result = policy_loss(logp, logp, logp, torch::tensor({1.0, -1.0}, torch::kFloat64), mask, options);
  EXPECT_NEAR(result.loss.item<double>(), 0, 1e-12);
}

TEST(KlPenalty, IsTheK3Estimator) {
  PolicyLossOptions options;
  options.kl_coef = 0.5;
  const auto logp = row({-1.0, -2.0}), reference = row({-1.2, -1.5});
  const auto result =
      policy_loss(logp, logp, reference, torch::tensor({0.0}, torch::kFloat64), torch::ones_like(logp), options);
  const double expected = 0.5 * ((std::exp(-0.2) + 0.2 - 1) + (std::exp(0.5) - 0.5 - 1)) / 2;
  EXPECT_NEAR(result.loss.item<double>(), expected, 1e-12);
}

}  // namespace
}  // namespace pionbench::rlvr
