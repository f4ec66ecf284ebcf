#include "optim/spectral/polynomial.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace pionbench::optim {
namespace {

double derivative(const OddQuintic& p, double s) {
  return p.a + s * s * (3 * p.b + 5 * p.c * s * s);
}

TEST(Polynomial, PromotionAndSuppressionFixOneWithZeroSlopeAndAreMonotone) {
  for (const auto& p : {kPromotionStep, kSuppressionStep}) {
    EXPECT_DOUBLE_EQ(p(1.0), 1.0);
    EXPECT_NEAR(derivative(p, 1.0), 0.0, 1e-15);
    for (int i = 0; i <= 1000; ++i) EXPECT_GE(derivative(p, i / 1000.0), -1e-12) << "at s = " << i / 1000.0;
  }
  EXPECT_DOUBLE_EQ(derivative(kSuppressionStep, 0.0), 0.0);
}

TEST(Polynomial, PromotionHasTheSteepestSlopeThatStaysMonotone) {
  // The family a + b + c = 1, a + 3b + 5c = 0 has one free parameter: its slope a at 0.
  const auto family = [](double a) { return OddQuintic{a, (5 - 4 * a) / 2, (2 * a - 3) / 2}; };
  EXPECT_EQ(family(1.875), kPromotionStep);
  const auto steeper = family(1.88);
  double least = 1;
  for (int i = 0; i <= 10000; ++i) least = std::min(least, derivative(steeper, i / 10000.0));
  EXPECT_LT(least, 0);
}

TEST(Polynomial, MuonLiftsEverythingFromFivePercentIntoItsBand) {
  const auto map = muon_map();
  for (double s = 0.05; s <= 1.0; s += 1e-4) {
    EXPECT_GE(evaluate(map, s), 0.68);
    EXPECT_LE(evaluate(map, s), 1.21);
  }
  // Golden values, double precision, from the published coefficients.
  EXPECT_NEAR(evaluate(map, 0.35), 1.075, 5e-4);
  EXPECT_NEAR(evaluate(map, 1.0), 0.696, 5e-4);
}

struct Cutoff {
  int k_p;
  double low, half, high;  // where f = 0.01, 0.5, 0.99
};

TEST(Polynomial, PionIsAHighPassWhoseCutoffFallsWithEveryPromotion) {
  for (const auto& [k_p, low, half, high] :
       {Cutoff{0, 0.748, 0.798, 0.846}, Cutoff{1, 0.416, 0.492, 0.575}, Cutoff{2, 0.187, 0.263, 0.352},
        Cutoff{3, 0.066, 0.131, 0.214}, Cutoff{4, 0.013, 0.060, 0.135}}) {
    const auto map = pion_map(k_p);
    const auto at = [&](double target) {
      double a = 0, b = 1;
      for (int i = 0; i < 60; ++i) (evaluate(map, (a + b) / 2) < target ? a : b) = (a + b) / 2;
      return a;
    };
    EXPECT_NEAR(at(0.01), low, 1e-3) << "k_p = " << k_p;
    EXPECT_NEAR(at(0.5), half, 1e-3) << "k_p = " << k_p;
    EXPECT_NEAR(at(0.99), high, 1e-3) << "k_p = " << k_p;
  }
}

TEST(Polynomial, SuppressionRepelsFromTheRootOfTwoThirds) {
  const double fixed = std::sqrt(2.0 / 3.0);
  EXPECT_NEAR(kSuppressionStep(fixed), fixed, 1e-15);
  EXPECT_LT(evaluate(pion_map(0), fixed - 1e-3), fixed - 1e-3);
  EXPECT_GT(evaluate(pion_map(0), fixed + 1e-3), fixed + 1e-3);
}

TEST(Polynomial, MorePromotionsThanStepsAreRefusedWithTheAllowedRange) {
  EXPECT_THROW(
      {
        try {
          pion_map(6, 5);
        } catch (const UserError& e) {
          EXPECT_STREQ(e.what(), "setting \"k_p\": got 6, allowed: integer in [0, steps], steps is 5");
          throw;
        }
      },
      UserError);
}

}  // namespace
}  // namespace pionbench::optim
