/// The statistics against SciPy: stats_reference.json was written by tests/tools/stats_reference.py, which is run again
/// here where SciPy is installed, so that the file cannot go stale.

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "results/stats/aggregate.h"
#include "results/stats/bootstrap.h"
#include "results/stats/difference.h"
#include "results/stats/multiple.h"
#include "results/stats/permutation.h"
#include "results/stats/proportion.h"
#include "results/stats/random.h"
#include "results/stats/rank.h"
#include "results/stats/survival.h"

namespace pionbench::stats {
namespace {

using Json = nlohmann::json;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Json bounds(const std::optional<Bounds>& interval) {
  return interval ? Json{interval->low, interval->high} : Json();
}

std::vector<TimeToTarget> runs_of(const Json& json) {
  std::vector<TimeToTarget> runs;
  for (const auto& run : json) runs.push_back({run[0], run[1]});
  return runs;
}

Count count_of(const Json& json) {
  return {json[0], json[1]};
}

Json t_summary(const Estimate& estimate) {
  const auto interval = t_interval(estimate);
  return {{"p", t_test(estimate)}, {"df", estimate.df}, {"low", interval->low}, {"high", interval->high}};
}

/// Our answer to a case of the reference.
Json answer(const std::string& function, const Json& in) {
  const auto list = [&](const char* key) { return in.at(key).get<std::vector<double>>(); };
  const auto strata = [&](const char* key) { return in.at(key).get<Strata>(); };
  if (function == "median") return median(list("x"));
  if (function == "mad") return median_absolute_deviation(list("x"));
  if (function == "iqm") return interquartile_mean(list("x"));
  if (function == "quantile") return quantile(list("x"), in["q"]);
  if (function == "probability_of_improvement") return probability_of_improvement(list("a"), list("b"));
  if (function == "expected_best_of") return expected_best_of(list("x"), in["k"]);
  if (function == "permutation") return permutation_test(strata("a"), strata("b"), Random("t")).p;
  if (function == "paired_permutation") return paired_permutation_test(strata("differences"), Random("t")).p;
  if (function == "pooled_difference") return t_summary(pooled_difference(strata("a"), strata("b")));
  if (function == "paired_difference") return t_summary(paired_difference(strata("differences")));
  if (function == "equivalence") return equivalence_test(paired_difference(strata("differences")), in["margin"]);
  if (function == "prediction_interval") return bounds(prediction_interval(list("x"), in["future"]));
  if (function == "power_of_t_test") return power_of_t_test(in["effect"], in["standard_error"], in["df"]);
  if (function == "minimum_detectable_effect")
    return *minimum_detectable_effect({.value = 0, .standard_error = 1, .df = in["df"]}, 0.05, in["power"]);
  if (function == "runs_needed") return runs_needed(in["effect"], in["sd"], {1, in["is_paired"]});
  if (function == "wilson") return bounds(wilson_interval({in["successes"], in["trials"]}));
  if (function == "newcombe") return bounds(newcombe_interval(count_of(in["a"]), count_of(in["b"])));
  if (function == "mcnemar") return mcnemar_test(in["only_a"], in["only_b"]);
  if (function == "mann_whitney") return mann_whitney(list("a"), list("b")).p;
  if (function == "benjamini_hochberg") return benjamini_hochberg(list("p"));
  if (function == "log_rank") return log_rank_test(runs_of(in["a"]), runs_of(in["b"]));
  if (function == "restricted_mean") return restricted_mean_time(kaplan_meier(runs_of(in["runs"])), in["horizon"]);
  if (function == "kaplan_meier") {
    Json curve = Json::array();
    for (const auto& step : kaplan_meier(runs_of(in["runs"]))) curve.push_back({step.time, step.not_reached});
    return curve;
  }
  if (function == "greenwood") {
    for (const auto& step : kaplan_meier(runs_of(in["runs"])))
      if (step.time == in["time"]) return step.standard_error;
  }
  return "no such function in the test";
}

void expect_close(const Json& ours, const Json& theirs, const std::string& what) {
  const Json flat_ours = ours.flatten(), flat_theirs = theirs.flatten();
  ASSERT_EQ(flat_ours.size(), flat_theirs.size()) << what << ": " << ours << " against " << theirs;
  for (const auto& [key, value] : flat_theirs.items()) {
    ASSERT_TRUE(flat_ours.contains(key) && flat_ours[key].is_number()) << what << key << ": " << ours;
    // SciPy's own noncentral t is good to about 1e-9.
    EXPECT_NEAR(flat_ours[key].get<double>(), value.get<double>(), 1e-8 * std::max(1.0, std::abs(value.get<double>())))
        << what << key;
  }
}

std::string reference_file() {
  return variable("PIONBENCH_HOME") + "/tests/results/stats_reference.json";
}

TEST(Statistics, AgreeWithSciPyOnEveryStoredCase) {
  std::ifstream in(reference_file());
  ASSERT_TRUE(in) << reference_file();
  const Json cases = Json::parse(in);
  ASSERT_GT(cases.size(), 70u);
  for (const auto& c : cases) {
    const std::string function = c["function"];
    expect_close(answer(function, c["input"]), c["output"], function + " " + c["input"].dump());
  }
}

TEST(Statistics, StoredCasesAreWhatSciPySaysToday) {
  const std::string command = variable("PIONBENCH_PYTHON") + " " + variable("PIONBENCH_HOME") +
                              "/tests/tools/stats_reference.py --check " + reference_file() + " >&2";
  const int status = std::system(command.c_str());
  if (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 127) GTEST_SKIP() << "no SciPy at PIONBENCH_PYTHON";
  EXPECT_EQ(status, 0);
}

// The vectors of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, IsAFunctionOfItsKeyAlone) {
  Random first("store 12ab, fig6"), again("store 12ab, fig6"), other("store 12ab, fig7");
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto x = first.word64();
    EXPECT_EQ(x, again.word64());
    equal += x == other.word64();
  }
  EXPECT_EQ(equal, 0);
}

TEST(Random, BelowIsUniformAndNormalIsNormal) {
  Random random("uniform");
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 4 * 93);  // four binomial standard deviations
  double sum = 0, squares = 0, tail = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    tail += std::abs(x) > 1.959963984540054;
  }
  EXPECT_NEAR(sum / 1e5, 0, 0.013);
  EXPECT_NEAR(squares / 1e5, 1, 0.018);
  EXPECT_NEAR(tail / 1e5, 0.05, 0.0028);
}

TEST(Bootstrap, IsTheSameForTheSameKeyAndOrdersItsBounds) {
  const Strata strata = {{0.1, 0.4, 0.3}, {0.7, 0.9, 0.8, 0.6}};
  const auto first = bootstrap(strata, stratified_mean, Random("a"));
  const auto again = bootstrap(strata, stratified_mean, Random("a"));
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_LT(first.low, first.estimate);
  EXPECT_LT(first.estimate, first.high);
}

// The mean of n values has the exact bootstrap standard deviation sd_n/√n (divisor n).
TEST(Bootstrap, OfAMeanHasItsKnownWidth) {
  std::vector<double> x;
  for (int i = 0; i < 50; ++i) x.push_back(i);
  const auto interval = bootstrap({x}, stratified_mean, Random("width"), {.resamples = 20'000});
  EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * std::sqrt((50.0 * 50 - 1) / 12 / 50), 0.2);
}

TEST(Bootstrap, OfNestedEpisodesIsWiderThanOfPooledOnes) {
  // Seeds differ far more than episodes within a seed: pooling would claim 4 times the information.
  const Strata seeds = {{1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 1, 0}, {0, 0, 0, 1}};
  std::vector<double> pooled;
  for (const auto& seed : seeds) pooled.insert(pooled.end(), seed.begin(), seed.end());
  const auto nested = nested_bootstrap(seeds, Random("nested"));
  const auto flat = bootstrap({pooled}, stratified_mean, Random("nested"));
  EXPECT_EQ(nested.estimate, 0.5);
  EXPECT_GT(nested.high - nested.low, 1.4 * (flat.high - flat.low));
}

TEST(PermutationTest, KnowsTheLeastPThatItsSizesCanReach) {
  const Random random("floor");
  const auto independent = permutation_test({{1, 2, 3}}, {{7, 8, 9}}, random);
  EXPECT_TRUE(independent.is_exact);
  EXPECT_DOUBLE_EQ(independent.least_p, 0.1);
  EXPECT_DOUBLE_EQ(independent.p, 0.1);
  const auto paired = paired_permutation_test({{6, 6.5, 7}}, random);
  EXPECT_DOUBLE_EQ(paired.least_p, 0.25);
  EXPECT_DOUBLE_EQ(paired.p, 0.25);
  EXPECT_DOUBLE_EQ(paired_permutation_test({{6, 7, 8}, {6, 7, 8}}, random).p, 2.0 / 64);
}

TEST(PermutationTest, TreatsEqualSumsAsEqual) {
  // In binary 0.1 + 0.2 ≠ 0.3; every arrangement of equal values is as extreme as the one observed.
  EXPECT_DOUBLE_EQ(permutation_test({{0.3, 0.1 + 0.2}}, {{0.1 + 0.2, 0.3}}, Random("ties")).p, 1);
}

TEST(PermutationTest, SampledAgreesWithExact) {
  const Strata a = {{0.61, 0.58, 0.64, 0.60, 0.57}, {0.3, 0.5, 0.2, 0.4}};
  const Strata b = {{0.55, 0.57, 0.59, 0.52, 0.56}, {0.3, 0.1, 0.2, 0.25}};
  const auto exact = permutation_test(a, b, Random("x"));
  const auto sampled = permutation_test(a, b, Random("x"), {.exact_up_to = 0});
  ASSERT_TRUE(exact.is_exact);
  ASSERT_FALSE(sampled.is_exact);
  EXPECT_NEAR(sampled.p, exact.p, 4 * std::sqrt(exact.p / 99'999));
}

TEST(MannWhitney, ResolvesTiesTowardsNoDifference) {
  const std::vector<double> same(9, 1.0), larger(9, 1.1);
  EXPECT_EQ(mann_whitney(same, same).p, 1);
  EXPECT_NEAR(mann_whitney(same, larger).p, 2.0 / 48620, 1e-12);
  const std::vector<double> a = {1, 2, 3, 4, 5}, b = {5, 6, 7, 8, 9}, apart = {5.5, 6, 7, 8, 9};
  EXPECT_GT(mann_whitney(a, b).p, mann_whitney(a, apart).p);
}

TEST(MannWhitney, KnowsTheLeastPThatItsSizesCanReach) {
  const auto floor = [](std::size_t n) {
    return mann_whitney(std::vector<double>(n, 0), std::vector<double>(n, 1)).least_p;
  };
  EXPECT_NEAR(floor(3), 0.10, 1e-9);
  EXPECT_NEAR(floor(4), 2.0 / 70, 1e-9);
  EXPECT_NEAR(floor(5), 2.0 / 252, 1e-9);
  EXPECT_NEAR(floor(7), 2.0 / 3432, 1e-9);
}

TEST(TrialsNeeded, ForThreePointsAtSeventyPercentAreThousands) {
  EXPECT_EQ(trials_needed(0.7, 0.03), 3663);
  const auto fifty = wilson_interval({35, 50});
  EXPECT_NEAR((fifty.high - fifty.low) / 2, 0.125, 0.005);
}

TEST(RunsNeeded, AlsoWaitsUntilThePermutationTestCanReachAlpha) {
  // A difference of 100 standard deviations: a t-test would do with two runs, labels of 2 + 2 runs have p ≥ 1/3.
  EXPECT_EQ(runs_needed(100, 1, {1, false}), 4);
  EXPECT_EQ(runs_needed(100, 1, {1, true}), 6);
  EXPECT_EQ(runs_needed(100, 1, {2, true}), 3);
}

TEST(TTest, SaysNothingWithoutASpread) {
  const auto estimate = pooled_difference({{1.0}}, {{2.0}});
  EXPECT_EQ(t_test(estimate), 1);
  EXPECT_FALSE(t_interval(estimate));
  EXPECT_FALSE(minimum_detectable_effect(estimate));
  EXPECT_EQ(equivalence_test(estimate, 0.1), 1);
}

TEST(PowerOfTTest, IsTheInverseOfTheMinimumDetectableEffect) {
  for (const double df : {2.0, 8.0, 40.0}) {
    const Estimate estimate{.value = 0, .standard_error = 0.7, .df = df};
    EXPECT_NEAR(power_of_t_test(*minimum_detectable_effect(estimate), 0.7, df), 0.8, 1e-9);
  }
  EXPECT_NEAR(power_of_t_test(1e6, 1, 10), 1, 1e-12);
}

TEST(TimeToTarget, OfRunsThatNeverCameIsNotDropped) {
  const std::vector<TimeToTarget> runs = {{10, true}, {60, false}, {60, false}};
  EXPECT_FALSE(median_time(kaplan_meier(runs)));
  EXPECT_NEAR(restricted_mean_time(kaplan_meier(runs), 60), 10 + 50 * 2.0 / 3, 1e-12);
  const std::vector<TimeToTarget> nobody = {{60, false}};
  EXPECT_TRUE(kaplan_meier(nobody).empty());
  EXPECT_EQ(log_rank_test(nobody, nobody), 1);
}

TEST(PerformanceScores, GiveNoCreditBeyondTauMaxAndForMisses) {
  const double never = std::numeric_limits<double>::infinity();
  const auto scores = performance_scores({{10, 10, never}, {20, never, never}, {41, 10, never}});
  EXPECT_THAT(scores, Pointwise(DoubleNear(1e-12), {2.0 / 3, (2.0 / 3) / 3, 1.0 / 3}));
}

}  // namespace
}  // namespace pionbench::stats
