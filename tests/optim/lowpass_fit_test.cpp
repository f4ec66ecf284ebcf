/// LPMuon's coefficients: that the tool finds them again, and that they are a low-pass everywhere in [0, 1].

#include "optim/spectral/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/engine.h"
#include "tests/optim/spectra.h"

namespace pionbench::optim {
namespace {

const SpectralMap& shipped() {
  return find_coefficients("lpmuon").steps;
}

double farthest(const SpectralMap& a, const SpectralMap& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    out = std::max({out, std::abs(a[i].a - b[i].a), std::abs(a[i].b - b[i].b), std::abs(a[i].c - b[i].c)});
  return out;
}

TEST(LowPassFit, PolishingTheShippedSetDoesNotMoveIt) {
  const auto fit = polish_low_pass(shipped(), {});
  // Shipped to six decimals; c ≈ 11 is the least determined.
  EXPECT_LT(farthest(fit.steps, shipped()), 2e-5);
  EXPECT_NEAR(fit.loss.total(), low_pass_loss(shipped(), {}).total(), 1e-9);
  EXPECT_NEAR(fit.loss.total(), 2.129887e-3, 1e-8);
}

TEST(LowPassFit, AShiftedStartComesBackToTheShippedSet) {
  // Neighbouring minima lie close, 0.1 % worse: from 0.998 the descent ends in one of them.
  for (const double shift : {1.002, 1.01}) {
    auto start = shipped();
    for (auto& step : start) step = {step.a * shift, step.b * shift, step.c * shift};
    const auto fit = polish_low_pass(start, {});
    EXPECT_LT(farthest(fit.steps, shipped()), 1e-4) << "times " << shift << ", " << fit.iterations << " iterations";
  }
}

TEST(LowPassFit, AShortSearchFromRandomStartsComesNearTheShippedSetAndNotBelow) {
  const auto fit = fit_low_pass({}, 24, 3);
  EXPECT_GE(fit.loss.total(), low_pass_loss(shipped(), {}).total() * (1 - 1e-6));
  EXPECT_LT(fit.loss.total(), 0.01);  // 2.21e-3 here; other seeds need more than 24 starts
}

TEST(LowPassFit, TheSameSeedFindsTheSameChain) {
  EXPECT_EQ(fit_low_pass({}, 6, 3).steps, fit_low_pass({}, 6, 3).steps);
}

TEST(LowPassFit, TheLossIsItsFourTermsByDefinition) {
  // Five times the identity: f(s) = s.
  const SpectralMap identity(5, {1, 0, 0});
  const LowPassTarget target{.tau = 0.5, .transition = 0.2, .lowest = 0.1, .highest = 1.25};
  const auto loss = low_pass_loss(identity, target);
  double pass = 0, stop = 0, over = 0;
  for (int i = 0; i < 160; ++i) pass += std::pow(0.1 * std::pow(4.0, i / 159.0) - 1, 2) / 160;
  for (int i = 0; i < 80; ++i) {
    const double s = 0.6 + 0.65 * i / 79.0;
    stop += s * s / 80;
    over += s > 1 ? (s - 1) * (s - 1) / 319 : 0;  // 160 + 80 + 39 + 40 samples
  }
  EXPECT_NEAR(loss.pass, pass, 1e-12);
  EXPECT_NEAR(loss.stop, stop, 1e-12);
  EXPECT_NEAR(loss.overshoot, over, 1e-12);
  EXPECT_EQ(loss.negativity, 0);
  // −s: every sample is negative by s.
  const SpectralMap mirrored = {{-1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}};
  EXPECT_GT(low_pass_loss(mirrored, target).negativity, 0.1);
}

TEST(LowPassFit, UnitPeaksLeaveTheResponseAndBoundEveryStep) {
  SpectralMap scaled = shipped();
  scaled[1] = {scaled[1].a * 3, scaled[1].b * 3, scaled[1].c * 3};
  scaled[2] = {scaled[2].a / 3, scaled[2].b / 27, scaled[2].c / 243};
  const auto canonical = with_unit_peaks(scaled);
  EXPECT_LT(farthest(canonical, shipped()), 1e-5);
  for (double s = 0; s <= 1; s += 1e-3) {
    EXPECT_NEAR(evaluate(canonical, s), evaluate(scaled, s), 1e-12);
    double x = s;
    for (const auto& step : canonical) EXPECT_LE(std::abs(x = step(x)), 1.03) << "at " << s;
  }
}

TEST(LowPassFit, ATargetWithoutRoomForItsBandsIsRefused) {
  EXPECT_THAT([] { low_pass_loss(shipped(), {.tau = 0.5, .transition = 0.16, .lowest = 0.45}); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("need 0 < lowest < tau - transition/2")));
  EXPECT_THAT([] { polish_low_pass(muon_map(4), {}); },
              testing::ThrowsMessage<UserError>(testing::HasSubstr("5 steps is needed, got 4")));
}

TEST(LowPassResponse, StaysWithinItsStatedBoundsOnTheWholeInterval) {
  for (int i = 0; i <= 200000; ++i) {
    const double s = i / 200000.0, f = evaluate(shipped(), s);
    EXPECT_GT(f, -0.041) << s;
    EXPECT_LT(f, 1.025) << s;
    if (s >= 0.003 && s <= 0.42) {
      EXPECT_GT(f, 0.845) << s;
    }
    if (s >= 0.004 && s <= 0.42) {
      EXPECT_GT(f, 0.972) << s;
    }
    if (s >= 0.58) {
      EXPECT_LT(std::abs(f), 0.105) << s;
    }
    if (s >= 0.6) {
      EXPECT_LT(std::abs(f), 0.044) << s;
    }
    if (testing::Test::HasFailure()) break;
  }
  // Half-way at τ, and nearly as steep as Muon at 0.
  EXPECT_GT(evaluate(shipped(), 0.5), 0.9);
  EXPECT_LT(evaluate(shipped(), 0.56), 0.4);
  EXPECT_NEAR(evaluate(shipped(), 1e-6) / 1e-6, 346, 1);
}

TEST(LowPassResponse, RisesFromZeroToThePassBandWithoutAGap) {
  // A fit that samples its pass band from 0.05 up leaves 0.048 at 0.02; this one has nothing to dip into.
  double before = 0;
  for (double s = 1e-5; s < 0.005; s *= 1.01) {
    EXPECT_GT(evaluate(shipped(), s), before) << s;
    before = evaluate(shipped(), s);
  }
}

TEST(LPMuon, KeepsTheBulkAndTakesAwayTheLeadingDirection) {
  torch::manual_seed(1);
  // 0.8 of the norm in one direction, the rest spread evenly.
  std::vector<double> spectrum(16, 0.6 / std::sqrt(15.0));
  spectrum[0] = 0.8;
  const auto g = with_spectrum(16, 40, spectrum).to(torch::kFloat32);
  std::vector<Parameter> model = {{"w", torch::zeros_like(g).set_requires_grad(true), Role::kMatrix}};
  model[0].tensor.mutable_grad() = g.clone();
  make_optimizer("lpmuon", model, {{"lr", 1.0}, {"weight_decay", 0.0}, {"scale_rule", std::string("none")}})->step();
  const auto step = -model[0].tensor.detach();
  const auto [u, s, vh] = torch::linalg_svd(g.to(torch::kFloat64), false);
  const auto inner = torch::matmul(torch::matmul(u.t(), step.to(torch::kFloat64)), vh.t());
  EXPECT_LT(std::abs(inner[0][0].item<double>()), 0.05);
  for (int i = 1; i < 16; ++i) EXPECT_NEAR(inner[i][i].item<double>(), 1, 0.03) << i;
}

TEST(LPMuon, IsAboutMuonMinusPion) {
  // Where Pion's k_p = 1 filter passes a direction and where it does not, low-pass and high-pass add up to one.
  for (double s = 0.01; s <= 1.0; s += 1e-3) {
    if (s > 0.4 && s < 0.62) continue;
    EXPECT_NEAR(evaluate(shipped(), s) + evaluate(pion_map(1), s), 1, 0.05) << s;
  }
}

}  // namespace
}  // namespace pionbench::optim
