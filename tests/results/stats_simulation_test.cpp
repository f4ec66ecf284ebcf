/// How often the intervals cover and the tests cry wolf, on data whose truth is known. The rates in the comments are
/// those of an independent simulation with NumPy (1 500 trials for intervals, 800 for decisions); docs/statistics.md
/// quotes ours. Bands are four binomial standard errors of both simulations together, unless a rate is exact.

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "results/stats/bootstrap.h"
#include "results/stats/difference.h"
#include "results/stats/multiple.h"
#include "results/stats/permutation.h"
#include "results/stats/proportion.h"
#include "results/stats/rank.h"
#include "results/stats/survival.h"

namespace pionbench::stats {
namespace {

using Noise = std::function<double(Random&)>;

double gauss(Random& random) {
  return random.normal();
}

/// Student's t with 3 degrees of freedom: heavy tails.
double heavy(Random& random) {
  double chi_square = 0;
  for (int i = 0; i < 3; ++i) {
    const double x = random.normal();
    chi_square += x * x;
  }
  return random.normal() / std::sqrt(chi_square / 3);
}

Strata draw(int tasks, int n, const Noise& noise, Random& random) {
  Strata strata(static_cast<std::size_t>(tasks));
  for (std::size_t t = 0; t < strata.size(); ++t)
    for (int i = 0; i < n; ++i) strata[t].push_back(static_cast<double>(t) + noise(random));
  return strata;
}

double band(double rate, int ours, int theirs) {
  return 4 * std::sqrt(rate * (1 - rate) * (1.0 / ours + 1.0 / theirs));
}

struct CoverageCase {
  const char* name;
  Noise noise;
  int tasks, n;
  double boot_mean, boot_iqm, pooled_t;
};

class Coverage : public ::testing::TestWithParam<CoverageCase> {};

INSTANTIATE_TEST_SUITE_P(Cases, Coverage,
                         ::testing::Values(CoverageCase{"gauss_4_tasks_3_seeds", gauss, 4, 3, .85, .82, .94},
                                           CoverageCase{"gauss_4_tasks_5_seeds", gauss, 4, 5, .91, .88, .95},
                                           CoverageCase{"gauss_4_tasks_10_seeds", gauss, 4, 10, .92, .92, .94},
                                           CoverageCase{"gauss_8_tasks_3_seeds", gauss, 8, 3, .88, .87, .96},
                                           CoverageCase{"heavy_4_tasks_3_seeds", heavy, 4, 3, .84, .79, .97}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Coverage, OfNominal95PercentIntervalsIsAsSimulatedElsewhere) {
  const auto& c = GetParam();
  constexpr int kTrials = 1500;
  Random random(std::string("coverage ") + c.name);
  const double true_mean = (c.tasks - 1) / 2.0;
  // Tasks lie one unit apart and noise is symmetric: the middle half is symmetric, too.
  int mean_covered = 0, iqm_covered = 0, t_covered = 0;
  const BootstrapOptions options{.resamples = 500};
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto strata = draw(c.tasks, c.n, c.noise, random);
    const auto covers = [&](double low, double high) { return low <= true_mean && true_mean <= high; };
    const Random own(7, static_cast<std::uint64_t>(trial));
    const auto by_mean = bootstrap(strata, stratified_mean, own, options);
    const auto by_iqm = bootstrap(strata, stratified_iqm, own, options);
    const auto by_t = t_interval(pooled_mean(strata));
    mean_covered += covers(by_mean.low, by_mean.high);
    iqm_covered += covers(by_iqm.low, by_iqm.high);
    t_covered += covers(by_t->low, by_t->high);
  }
  const auto rate = [](int covered) { return covered / static_cast<double>(kTrials); };
  RecordProperty("boot_mean", std::to_string(rate(mean_covered)));
  RecordProperty("boot_iqm", std::to_string(rate(iqm_covered)));
  RecordProperty("pooled_t", std::to_string(rate(t_covered)));
  EXPECT_NEAR(rate(mean_covered), c.boot_mean, band(c.boot_mean, kTrials, 1500));
  EXPECT_NEAR(rate(t_covered), c.pooled_t, band(c.pooled_t, kTrials, 1500));
  EXPECT_NEAR(rate(iqm_covered), c.boot_iqm,
              band(c.boot_iqm, kTrials, 1500) + 0.02);  // how far tasks lay apart is not given
}

struct DecisionCase {
  const char* name;
  int n;
  double boot_false, permutation_false, pooled_t_false, power;
};

class Decision : public ::testing::TestWithParam<DecisionCase> {};

// Six tasks, nominal 5 %; power for a difference of 0.6 standard deviations (0.03 at 0.05).
INSTANTIATE_TEST_SUITE_P(Cases, Decision,
                         ::testing::Values(DecisionCase{"three_seeds", 3, .134, .050, .050, .41},
                                           DecisionCase{"five_seeds", 5, .079, .044, .049, .65},
                                           DecisionCase{"eight_seeds", 8, .062, .041, .045, .83}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Decision, ByPermutationKeepsItsLevelWhereTheBootstrapDoesNot) {
  const auto& c = GetParam();
  constexpr int kTrials = 1000;
  constexpr double kAlpha = 0.05;
  Random random(std::string("decision ") + c.name);
  const auto rejects = [&](const Strata& a, const Strata& b, std::uint64_t trial) {
    return permutation_test(a, b, Random(8, trial), {.exact_up_to = 0, .random_arrangements = 999}).p <= kAlpha;
  };
  const auto difference = [](const Strata& a, const Strata& b) { return stratified_mean(a) - stratified_mean(b); };
  int boot = 0, permutation = 0, pooled_t = 0, found = 0, found_by_t = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto stream = static_cast<std::uint64_t>(trial);
    const auto a = draw(6, c.n, gauss, random), b = draw(6, c.n, gauss, random);
    auto better = a;
    for (auto& stratum : better)
      for (auto& x : stratum) x += 0.6;
    permutation += rejects(a, b, stream);
    found += rejects(better, b, stream);
    pooled_t += t_test(pooled_difference(a, b)) <= kAlpha;
    found_by_t += t_test(pooled_difference(better, b)) <= kAlpha;
    const auto interval = bootstrap(a, b, difference, Random(9, stream), {.resamples = 500});
    boot += interval.low > 0 || interval.high < 0;
  }
  const auto rate = [](int hits) { return hits / static_cast<double>(kTrials); };
  RecordProperty("bootstrap_false", std::to_string(rate(boot)));
  RecordProperty("permutation_false", std::to_string(rate(permutation)));
  RecordProperty("pooled_t_false", std::to_string(rate(pooled_t)));
  RecordProperty("power", std::to_string(rate(found)));
  EXPECT_NEAR(rate(permutation), c.permutation_false, band(c.permutation_false, kTrials, 800));
  EXPECT_NEAR(rate(pooled_t), c.pooled_t_false, band(c.pooled_t_false, kTrials, 800));
  EXPECT_NEAR(rate(boot), c.boot_false, band(c.boot_false, kTrials, 800));
  EXPECT_NEAR(rate(found), c.power, band(c.power, kTrials, 800));
  // What the noncentral t promises.
  const double promised = power_of_t_test(0.6, std::sqrt(2.0 / c.n / 6), 6 * 2 * (c.n - 1));
  EXPECT_NEAR(rate(found_by_t), promised, 4 * std::sqrt(promised * (1 - promised) / kTrials));
}

// Seeds that collapse together: the paired test keeps its level under a shared, asymmetric cause.
TEST(Simulation, PairedPermutationKeepsItsLevelWhenSeedsCollapse) {
  constexpr int kTrials = 2000;
  Random random("collapse");
  int rejected = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> differences;
    for (int i = 0; i < 8; ++i) {
      const auto value = [&] { return random.uniform() < 0.15 ? 0.0 : 0.7 + 0.05 * random.normal(); };
      const double a = value(), b = value();
      differences.push_back(a - b);
    }
    rejected += paired_permutation_test({differences}, Random(1)).p <= 0.05;
  }
  EXPECT_LE(rejected / static_cast<double>(kTrials), 0.05 + 4 * std::sqrt(.05 * .95 / kTrials));
  EXPECT_GE(rejected / static_cast<double>(kTrials), 0.02);
}

// Exact: the sum of the binomial's probabilities over the counts whose interval holds p.
TEST(Simulation, WilsonIntervalsCoverOnAverageWhatTheySay) {
  double sum = 0;
  int points = 0;
  for (double p = 0.05; p < 0.96; p += 0.01, ++points) {
    double covered = 0, probability = std::pow(1 - p, 50);
    for (std::int64_t k = 0; k <= 50; ++k) {
      const auto interval = wilson_interval({k, 50});
      if (interval.low <= p && p <= interval.high) covered += probability;
      probability *= static_cast<double>(50 - k) / static_cast<double>(k + 1) * p / (1 - p);
    }
    EXPECT_GT(covered, 0.90) << p;
    sum += covered;
  }
  EXPECT_NEAR(sum / points, 0.95, 0.005);
}

TEST(Simulation, NewcombeIntervalsCoverTheDifference) {
  Random random("newcombe");
  int covered = 0;
  constexpr int kTrials = 4000;
  const auto count = [&](double p) {
    Count out{0, 60};
    for (int i = 0; i < 60; ++i) out.successes += random.uniform() < p;
    return out;
  };
  for (int i = 0; i < kTrials; ++i) {
    const auto interval = newcombe_interval(count(0.9), count(0.7));
    covered += interval.low <= 0.2 && 0.2 <= interval.high;
  }
  EXPECT_NEAR(covered / static_cast<double>(kTrials), 0.95, 0.017);
}

TEST(Simulation, ExactTestsOfCountsAndRanksNeverExceedTheirLevel) {
  Random random("exact");
  constexpr int kTrials = 4000;
  int mcnemar = 0, rank = 0, rounded = 0;
  for (int i = 0; i < kTrials; ++i) {
    int only_a = 0, only_b = 0;
    for (int k = 0; k < 40; ++k) {
      const double hard = random.uniform();  // items differ in difficulty, policies do not
      const bool a = random.uniform() < hard, b = random.uniform() < hard;
      only_a += a && !b;
      only_b += b && !a;
    }
    mcnemar += mcnemar_test(only_a, only_b) <= 0.05;
    std::vector<double> x, y, coarse_x, coarse_y;
    for (int k = 0; k < 9; ++k) {
      x.push_back(random.normal());
      y.push_back(random.normal());
      coarse_x.push_back(std::round(x.back()));
      coarse_y.push_back(std::round(y.back()));
    }
    rank += mann_whitney(x, y).p <= 0.05;
    rounded += mann_whitney(coarse_x, coarse_y).p <= 0.05;
  }
  const double most = 0.05 + 4 * std::sqrt(.05 * .95 / kTrials);
  EXPECT_LE(mcnemar / static_cast<double>(kTrials), most);
  EXPECT_LE(rank / static_cast<double>(kTrials), most);
  EXPECT_GE(rank / static_cast<double>(kTrials), 0.03);
  EXPECT_LE(rounded, rank / 2) << "ties are resolved towards no difference";
}

TEST(Simulation, EquivalenceIsClaimedWronglyAtMostAtItsLevel) {
  Random random("tost");
  constexpr int kTrials = 4000;
  int at_the_margin = 0, equal = 0;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<double> differences;
    for (int k = 0; k < 8; ++k) differences.push_back(random.normal());
    equal += equivalence_test(paired_difference({differences}), 1.5) <= 0.05;
    for (auto& d : differences) d += 1.5;
    at_the_margin += equivalence_test(paired_difference({differences}), 1.5) <= 0.05;
  }
  EXPECT_NEAR(at_the_margin / static_cast<double>(kTrials), 0.05, 0.014);
  EXPECT_GT(equal / static_cast<double>(kTrials), 0.9);
}

TEST(Simulation, PredictionIntervalsHoldTheNextMean) {
  Random random("prediction");
  constexpr int kTrials = 4000;
  int held = 0;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<double> sample;
    for (int k = 0; k < 5; ++k) sample.push_back(random.normal());
    const auto interval = *prediction_interval(sample, 3);
    const double next = (random.normal() + random.normal() + random.normal()) / 3;
    held += interval.low <= next && next <= interval.high;
  }
  EXPECT_NEAR(held / static_cast<double>(kTrials), 0.95, 0.014);
}

TEST(Simulation, BenjaminiHochbergBoundsTheShareOfFalseFindings) {
  Random random("bh");
  double share = 0;
  int true_findings = 0;
  constexpr int kTrials = 1000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> p;
    for (int i = 0; i < 20; ++i) {
      const double z = random.normal() + (i < 5 ? 4 : 0);  // five real effects
      p.push_back(std::erfc(std::abs(z) / std::sqrt(2.0)));
    }
    const auto adjusted = benjamini_hochberg(p);
    int hits = 0, false_hits = 0;
    for (std::size_t i = 0; i < adjusted.size(); ++i) {
      hits += adjusted[i] <= 0.05;
      false_hits += adjusted[i] <= 0.05 && i >= 5;
    }
    share += hits ? false_hits / static_cast<double>(hits) : 0;
    true_findings += hits - false_hits;
  }
  EXPECT_NEAR(share / kTrials, 0.05 * 15 / 20, 0.012);
  EXPECT_GT(true_findings / (5.0 * kTrials), 0.85);
}

TEST(Simulation, TimeToTargetRecoversTheTruthUnderCensoring) {
  Random random("survival");
  constexpr int kTrials = 1000;
  int rejected = 0;
  double area = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<TimeToTarget> a, b;
    for (auto* arm : {&a, &b})
      for (int i = 0; i < 20; ++i) {
        const double time = -30 * std::log(1 - random.uniform());
        arm->push_back({std::min(time, 60.0), time <= 60});
      }
    rejected += log_rank_test(a, b) <= 0.05;
    area += restricted_mean_time(kaplan_meier(a), 60);
  }
  EXPECT_NEAR(rejected / static_cast<double>(kTrials), 0.05, 0.028);
  EXPECT_NEAR(area / kTrials, 30 * (1 - std::exp(-2.0)), 0.6);  // ∫₀⁶⁰ exp(−t/30) dt
}

}  // namespace
}  // namespace pionbench::stats
