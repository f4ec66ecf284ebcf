#include "experiments/rlvr/algorithm/policy_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/rlvr_data/support.h"

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
  // verl divides by n + 1e-8.
  EXPECT_NEAR(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), 1, options).loss.item<double>(), -std::exp(-0.1), 2e-8);
  // A = −2: log-ratios 1.0 (kept: pessimistic) and −0.6 (clipped to −0.4): ratio e^(0.3).
  EXPECT_NEAR(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), -2, options).loss.item<double>(), 2 * std::exp(0.3), 2e-8);
  // A = 0 gives 0.
  EXPECT_EQ(loss_of(row({1.0, -0.6}), row({0.0, 0.0}), 0, options).loss.item<double>(), 0);
}

TEST(GeometricMean, DoesNotWeighSequencesByTheirLength) {
  PolicyLossOptions options;
  options.kind = PolicyLossKind::kGeometricMean;
  const auto logp = torch::zeros({2, 3}, torch::kFloat64);
  const auto mask = torch::tensor({{1.0, 0.0, 0.0}, {1.0, 1.0, 1.0}}, torch::kFloat64);
  const auto result = policy_loss(logp, logp, logp, torch::tensor({1.0, -1.0}, torch::kFloat64), mask, options);
  EXPECT_NEAR(result.loss.item<double>(), 0, 2e-8);
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

nlohmann::json rows_of(const torch::Tensor& x) {
  auto out = nlohmann::json::array();
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const auto row = x[i].contiguous();
    out.push_back(std::vector<double>(row.data_ptr<double>(), row.data_ptr<double>() + row.numel()));
  }
  return out;
}

TEST(PolicyLoss, ValuesAndGradientsAreThoseOfVerlsFormulasDifferentiatedInPython) {
  struct Named {
    const char* name;
    Aggregation aggregation;
  };
  const std::vector<Named> aggregations = {{"token-mean", Aggregation::kTokenMean},
                                           {"seq-mean-token-mean", Aggregation::kSequenceMean},
                                           {"seq-mean-token-sum", Aggregation::kSequenceSum},
                                           {"seq-mean-token-sum-norm", Aggregation::kSequenceSumByWidth}};
  struct Case {
    torch::Tensor logp, old, reference, advantages, mask;
    PolicyLossOptions options;
  };
  torch::manual_seed(11);
  std::vector<Case> cases;
  auto asked = nlohmann::json::array();
  const auto f64 = torch::TensorOptions(torch::kFloat64);
  for (int trial = 0; trial < 12; ++trial)
    for (const auto& aggregation : aggregations)
      for (const auto kind : {PolicyLossKind::kPpoClip, PolicyLossKind::kGeometricMean}) {
        const std::int64_t rows = 1 + trial % 6, width = 1 + (trial * 5) % 9;
        Case c;
        c.logp = -torch::rand({rows, width}, f64) * 4;
        // Small moves, moves across the clip range, and some beyond the clamp at 20.
        c.old = c.logp + torch::randn({rows, width}, f64) * (trial % 3 == 0 ? 0.05 : trial % 3 == 1 ? 0.8 : 15.0);
        c.reference = c.logp + torch::randn({rows, width}, f64) * (trial % 4 == 3 ? 15.0 : 0.5);
        c.advantages = torch::randn({rows}, f64);
        if (rows > 2) c.advantages[1] = 0;
        const auto lengths = torch::randint(1, width + 1, {rows, 1});
        if (rows > 3) lengths[2][0] = 0;  // a sequence without tokens
        c.mask = (torch::arange(width).unsqueeze(0) < lengths).to(torch::kFloat64);
        c.options.kind = kind;
        c.options.aggregation = aggregation.aggregation;
        c.options.clip_low = trial % 2 ? 0.2 : 0.4;
        c.options.clip_high = trial % 2 ? 0.28 : 0.4;
        c.options.kl_coef = trial % 2 ? 0.001 * trial : 0.0;
        asked.push_back({{"kind", kind == PolicyLossKind::kPpoClip ? "ppo_clip" : "geo_mean"},
                         {"aggregation", aggregation.name},
                         {"clip_low", c.options.clip_low},
                         {"clip_high", c.options.clip_high},
                         {"dual_clip", c.options.dual_clip},
                         {"kl_coef", c.options.kl_coef},
                         {"logp", rows_of(c.logp)},
                         {"old", rows_of(c.old)},
                         {"reference", rows_of(c.reference)},
                         {"advantages", rows_of(c.advantages.unsqueeze(0))[0]},
                         {"mask", rows_of(c.mask)}});
        cases.push_back(c);
      }
  const auto rewards = torch::randint(0, 3, {5, 8}, f64);
  asked.push_back({{"rewards", rows_of(rewards)}});
  write_file_atomic(scratch("losses.json"), asked.dump());
  const auto code =
      run_tool("policy_loss_reference.py", scratch("losses.json").string() + " " + scratch("answers.json").string());
  if (!code) GTEST_SKIP() << "no Python with torch at PIONBENCH_PYTHON; ci/setup makes one";
  ASSERT_EQ(*code, 0);
  const auto answers = nlohmann::json::parse(read_file(scratch("answers.json")));
  ASSERT_EQ(answers.size(), cases.size() + 1);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto& c = cases[i];
    c.logp.set_requires_grad(true);
    const auto ours = policy_loss(c.logp, c.old, c.reference, c.advantages, c.mask, c.options);
    ours.loss.backward();
    const auto& theirs = answers[i];
    const auto what = asked[i]["kind"].get<std::string>() + " " + asked[i]["aggregation"].get<std::string>();
    const double scale = std::max(1.0, std::abs(theirs["loss"].get<double>()));
    EXPECT_NEAR(ours.loss.item<double>(), theirs["loss"].get<double>(), 1e-12 * scale) << what << " " << i;
    for (std::int64_t r = 0; r < c.logp.size(0); ++r)
      for (std::int64_t t = 0; t < c.logp.size(1); ++t)
        EXPECT_NEAR(c.logp.grad()[r][t].item<double>(),
                    theirs["grad"][static_cast<std::size_t>(r)][static_cast<std::size_t>(t)].get<double>(),
                    1e-12 * scale)
            << what << " " << i;
    EXPECT_NEAR(ours.clip_fraction, theirs["clip_fraction"].get<double>(), 1e-12) << what;
    EXPECT_NEAR(ours.clip_fraction_lower, theirs["clip_fraction_lower"].get<double>(), 1e-12) << what;
    EXPECT_NEAR(ours.approximate_kl, theirs["approximate_kl"].get<double>(), 1e-9) << what;
  }
  const auto advantages = group_advantages(rewards), centred = group_advantages(rewards, false);
  for (std::size_t p = 0; p < 5; ++p)
    for (std::size_t n = 0; n < 8; ++n) {
      const auto row = static_cast<std::int64_t>(p), column = static_cast<std::int64_t>(n);
      EXPECT_NEAR(advantages[row][column].item<double>(), answers.back()["advantages"][p][n].get<double>(), 1e-6);
      EXPECT_NEAR(centred[row][column].item<double>(), answers.back()["centred"][p][n].get<double>(), 1e-6);
    }
}

}  // namespace
}  // namespace pionbench::rlvr
