/// Oracles for the optimizers whose direction is more than a chain of quintics.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/metrics.h"

namespace pionbench::optim {
namespace {

using namespace std::string_literals;

/// The change of one [m, n] weight by one step of `name` with learning rate 1 and no decay, from gradient `g`.
torch::Tensor one_step(const std::string& name, const torch::Tensor& g, Values hyper) {
  std::vector<Parameter> model = {{"w", torch::zeros_like(g).set_requires_grad(true), Role::kMatrix}};
  hyper.insert({{"lr", 1.0}, {"weight_decay", 0.0}});
  const auto optimizer = make_optimizer(name, model, hyper);
  model[0].tensor.mutable_grad() = g.clone();
  optimizer->step();
  return -model[0].tensor.detach();
}

/// U diag(f(s)) Vᵀ by a float64 SVD, f on the plain singular values.
template <typename F>
torch::Tensor by_svd(const torch::Tensor& x, F&& f) {
  const auto [u, s, vh] = torch::linalg_svd(x.to(torch::kFloat64), /*full_matrices=*/false);
  auto mapped = s.clone();
  auto* values = mapped.data_ptr<double>();
  for (std::int64_t i = 0; i < s.numel(); ++i) values[i] = f(values[i], i);
  return torch::matmul(u * mapped, vh);
}

double error(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

TEST(LowRankMuon, KeepsTheStrongestDirectionsAtOneAndDropsTheRest) {
  torch::manual_seed(1);
  for (const auto& shape : {std::pair{12, 30}, std::pair{30, 12}, std::pair{16, 16}}) {
    const auto g = torch::randn({shape.first, shape.second}, torch::kFloat64);
    const auto step = one_step("lowrank_muon", g, {{"rank", std::int64_t{4}}, {"scale_rule", "none"s}});
    EXPECT_LT(error(step, by_svd(g, [](double, std::int64_t i) { return i < 4 ? 1.0 : 0.0; })), 1e-8);
  }
}

TEST(LowRankMuon, ARankAboveTheMatrixsOwnAddsNothing) {
  torch::manual_seed(2);
  const auto g = torch::matmul(torch::randn({10, 2}, torch::kFloat64), torch::randn({2, 14}, torch::kFloat64));
  const auto step = one_step("lowrank_muon", g, {{"rank", std::int64_t{9}}, {"scale_rule", "none"s}});
  EXPECT_LT(error(step, by_svd(g, [](double, std::int64_t i) { return i < 2 ? 1.0 : 0.0; })), 1e-6);
}

TEST(LowRankMuon, TheSketchSpansALowRankMatrixAndIsTheSameFromTheSameSeed) {
  torch::manual_seed(3);
  const auto g = torch::matmul(torch::randn({20, 3}), torch::randn({3, 40}));
  const Values hyper = {{"rank", std::int64_t{6}}, {"method", "sketch"s}, {"scale_rule", "none"s}};
  const auto step = one_step("lowrank_muon", g, hyper);
  // Rank 3 lies in the span of 6 random directions: the result is Newton–Schulz of the matrix itself.
  EXPECT_LT(error(step, apply_spectral_map(g, muon_map())), 1e-3);
  EXPECT_TRUE(torch::equal(step, one_step("lowrank_muon", g, hyper)));
}

TEST(NorMuon, BringsRowsToLikeSizeAndKeepsTheNorm) {
  torch::manual_seed(4);
  const auto g = torch::randn({8, 20}) * torch::linspace(0.1, 3, 8).unsqueeze(1);
  const auto plain = one_step("muon", g, {{"scale_rule", "none"s}});
  const auto step = one_step("normuon", g, {{"scale_rule", "none"s}});
  // After one step v is proportional to the rows' own mean squares, so all rows come out alike.
  const auto rows = step.square().mean(1);
  EXPECT_LT((rows.max() / rows.min()).item<double>(), 1 + 1e-4);
  EXPECT_NEAR(step.norm().item<double>(), plain.norm().item<double>(), 1e-4);
}

TEST(DynMuon, TheExactTransformRaisesEverySingularValueToThePower) {
  torch::manual_seed(5);
  const auto g = torch::randn({9, 14}, torch::kFloat64);
  // p_min = p_max holds p still.
  for (const double p : {1.0, 0.5, 0.0, -0.25}) {
    const auto step = one_step("dynmuon", g,
                               {{"transform", "exact"s},
                                {"p_min", p},
                                {"p_max", p},
                                {"scale_rule", "none"s},
                                {"momentum_rule", "sum"s},
                                {"nesterov", false}});
    EXPECT_LT(error(step, by_svd(g, [&](double s, std::int64_t) { return std::pow(s, p); })), 1e-7) << "p = " << p;
  }
}

TEST(DynMuon, TheReleasedTransformIsMomentumThenNewtonSchulzThenItsTaylorForm) {
  torch::manual_seed(6);
  const auto g = torch::randn({9, 14}, torch::kFloat64);
  const auto step = [&](double p) {
    return one_step(
        "dynmuon", g,
        {{"p_min", p}, {"p_max", p}, {"scale_rule", "none"s}, {"momentum_rule", "sum"s}, {"nesterov", false}});
  };
  EXPECT_LT(error(step(0.3), g), 1e-12);
  const auto map = take_steps(find_coefficients("you"), 5);
  const double norm = g.norm().item<double>();
  EXPECT_LT(error(step(0.1), by_svd(g, [&](double s, std::int64_t) { return evaluate(map, s / norm); })), 1e-5);
  const double p = -0.25, delta = p / 2;
  const auto taylor = [&](double s, std::int64_t) {
    const double e = s * s / norm / norm - 1;
    return std::pow(norm, p) * (1 + delta * e + 0.5 * delta * (delta - 1) * e * e) * evaluate(map, s / norm);
  };
  EXPECT_LT(error(step(p), by_svd(g, taylor)), 1e-5);
}

TEST(Dion, AtFullRankItsPowerIterationFindsThePolarFactor) {
  torch::manual_seed(7);
  const auto g = torch::randn({8, 8}, torch::kFloat64);
  std::vector<Parameter> model = {{"w", torch::zeros({8, 8}, torch::kFloat64).set_requires_grad(true), Role::kMatrix}};
  // μ = 0 takes out all that was stepped along: M is G in every step and Q converges to right singular vectors.
  const auto dion = make_optimizer("dion", model, {{"lr", 1.0}, {"weight_decay", 0.0}, {"momentum", 0.0}});
  torch::Tensor before;
  for (int i = 0; i < 200; ++i) {
    before = model[0].tensor.detach().clone();
    model[0].tensor.mutable_grad() = g.clone();
    dion->step();
  }
  const auto step = before - model[0].tensor.detach();
  EXPECT_LT(error(step, by_svd(g, [](double, std::int64_t) { return 1.0; })), 1e-2);
}

TEST(Dion, ItsUpdateHasTheRankAskedForAndErrorFeedbackKeepsTheRest) {
  torch::manual_seed(8);
  const auto g = torch::randn({12, 20}, torch::kFloat64);
  const auto step = one_step("dion", g, {{"rank_fraction", 0.25}});
  EXPECT_EQ((singular_values(step) > 1e-3).sum().item<std::int64_t>(), 3);
  std::vector<Parameter> model = {{"w", torch::zeros_like(g).set_requires_grad(true), Role::kMatrix}};
  const auto dion = make_optimizer("dion", model, {{"rank_fraction", 0.25}, {"momentum", 0.0}});
  model[0].tensor.mutable_grad() = g.clone();
  dion->step();
  // What is left in M is G without its part in the span of P.
  EXPECT_LT(dion->momentum(model[0].tensor).norm().item<double>(), g.norm().item<double>());
  EXPECT_GT(dion->momentum(model[0].tensor).norm().item<double>(), 0.5 * g.norm().item<double>());
}

TEST(Coefficients, EverySetPullsSingularValuesTowardsOne) {
  for (const auto& set : coefficient_sets()) {
    // The row rescaling of "aol" keeps what it maps below the end of its range: presets_test.cpp.
    if (set.response != Response::kOrthogonal || set.normalisation != Normalisation::kFrobenius) continue;
    const auto map = take_steps(set, static_cast<std::int64_t>(set.steps.size()));
    for (double s = 0.05; s <= 1.0; s += 1e-3) {
      const double f = evaluate(map, s / set.norm_factor);
      EXPECT_GT(f, 0.6) << set.name << " at " << s;
      EXPECT_LT(f, 1.31) << set.name << " at " << s;
    }
  }
}

TEST(Coefficients, AChainIsCutAndItsLastStepRepeats) {
  const auto& set = find_coefficients("polar-express");
  EXPECT_EQ(take_steps(set, 2).size(), 2u);
  EXPECT_EQ(take_steps(set, 7).back(), set.steps.back());
  EXPECT_THAT([] { find_coefficients("polar-expres"); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("did you mean \"polar-express\"?")));
}

TEST(GramForm, AgreesWithTheStandardFormInExactArithmetic) {
  torch::manual_seed(9);
  for (const auto& set : coefficient_sets())
    for (const auto& shape : {std::pair{16, 64}, std::pair{64, 16}, std::pair{20, 20}}) {
      const auto x = torch::randn({2, shape.first, shape.second}, torch::kFloat64);
      EngineOptions standard{0, EpsRule::kAdd, Precision::kFloat64, set.norm_factor, Form::kStandard};
      EngineOptions gram = standard;
      gram.form = Form::kGram;
      gram.restarts = set.restarts;
      EXPECT_LT(error(apply_spectral_map(x, set.steps, standard), apply_spectral_map(x, set.steps, gram)), 1e-9)
          << set.name;
    }
}

TEST(GramForm, InFloat32StaysWithinItsStatedErrorOnHardSpectra) {
  torch::manual_seed(10);
  // Log-spaced from 1 to 1e-6, the worst of the published table; float32 Gram without restart: 2e-4 relative there.
  const auto u = std::get<0>(torch::linalg_qr(torch::randn({64, 64}, torch::kFloat64)));
  const auto v = std::get<0>(torch::linalg_qr(torch::randn({256, 64}, torch::kFloat64)));
  const auto x = torch::matmul(u * torch::logspace(0, -6, 64, 10.0, torch::kFloat64), v.t());
  for (const char* name : {"muon", "polar-express", "you"}) {
    const auto& set = find_coefficients(name);
    EngineOptions exact{0, EpsRule::kAdd, Precision::kFloat64, set.norm_factor, Form::kStandard};
    EngineOptions gram{0, EpsRule::kAdd, Precision::kFloat32, set.norm_factor, Form::kGram, set.restarts};
    const auto expected = apply_spectral_map(x, set.steps, exact);
    const auto off =
        (apply_spectral_map(x.to(torch::kFloat32), set.steps, gram).to(torch::kFloat64) - expected).norm() /
        expected.norm();
    EXPECT_LT(off.item<double>(), 5e-3) << name;
  }
}

TEST(SpectralMetrics, ConditionPassedAndOrthogonalityFollowTheirDefinitions) {
  const auto s = torch::tensor({4.0, 1.0, 0.25}, torch::kFloat64);
  EXPECT_NEAR(condition_number(s).item<double>(), 16, 1e-12);
  EXPECT_EQ(directions_passed(s).item<double>(), 2);
  EXPECT_TRUE(std::isinf(condition_number(torch::tensor({1.0, 0.0}, torch::kFloat64)).item<double>()));
  EXPECT_EQ(condition_number(torch::zeros({3}, torch::kFloat64)).item<double>(), 0);
  EXPECT_NEAR(orthogonality_error(torch::eye(5, 9)).item<double>(), 0, 1e-12);
  EXPECT_NEAR(orthogonality_error(2 * torch::eye(4)).item<double>(), 3, 1e-12);  // (4 − 1)·√4 / √4
}

TEST(SpectralMetrics, GradientSnrIsUnbiasedOnGaussianGradients) {
  torch::manual_seed(11);
  // Signal ‖m‖² = 4, noise per sample E‖·‖² = 100·0.25 = 25: SNR 0.16. Mean of many estimates from 4 samples each.
  const auto signal = torch::full({100}, 0.2, torch::kFloat64);
  double ratio = 0;
  constexpr int kTrials = 2000;
  for (int i = 0; i < kTrials; ++i) ratio += gradient_snr(signal + 0.5 * torch::randn({4, 100}, torch::kFloat64));
  EXPECT_NEAR(ratio / kTrials, 4.0 / 25.0, 0.01);
  EXPECT_TRUE(std::isinf(gradient_snr(torch::ones({3, 4}))));
  EXPECT_THROW(gradient_snr(torch::ones({1, 4})), std::invalid_argument);
}

TEST(SpectralMetrics, CrossHeadVarianceIsThatOfTheBlocksNorms) {
  const auto blocks = torch::stack({torch::full({2, 2}, 1.0), torch::full({2, 2}, 2.0), torch::full({2, 2}, 3.0)});
  EXPECT_NEAR(cross_head_variance(blocks), 4.0, 1e-12);  // norms 2, 4, 6
  EXPECT_EQ(cross_head_variance(blocks.narrow(0, 0, 1)), 0);
}

}  // namespace
}  // namespace pionbench::optim
