#include "results/gate/gate.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.h"
#include "results/stats/aggregate.h"
#include "tests/results/synthetic.h"

namespace pionbench::gate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Noise = std::function<double(stats::Random&)>;  // of log time

double gauss(stats::Random& random) {
  return 0.01 * random.normal();
}
double bimodal(stats::Random& random) {
  return 0.005 * random.normal() + (random.uniform() < 0.1 ? 0.04 : 0.0);
}
double heavy(stats::Random& random) {
  double chi_square = 0;
  for (int i = 0; i < 3; ++i) {
    const double x = random.normal();
    chi_square += x * x;
  }
  return 0.01 * random.normal() / std::sqrt(chi_square / 3);
}

/// One sample per process, each with noise of its own.
std::vector<double> processes(double level, const Noise& noise, stats::Random& random, int n = 9) {
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(level * std::exp(noise(random)));
  return out;
}

Sitting sitting(int number, std::vector<BenchmarkSeries> series) {
  char name[16];
  std::snprintf(name, sizeof name, "s%06d", number);
  return {name, name, "r" + std::to_string(number), "machine", {}, std::move(series)};
}

constexpr const char* kTime = "step/pion:real_time";

std::vector<Sitting> history_of(int n, const Noise& noise, stats::Random& random, double level = 100) {
  std::vector<Sitting> out;
  for (int i = 0; i < n; ++i) out.push_back(sitting(i, {{kTime, "us", processes(level, noise, random)}}));
  return out;
}

/// Measures again with the head `factor` times the baseline.
Remeasure again(double factor, const Noise& noise, stats::Random& random, double level = 100) {
  return [=, &random](const std::vector<std::string>& series) {
    std::map<std::string, Samples> out;
    for (const auto& name : series)
      out[name] = {processes(level * factor, noise, random), processes(level, noise, random)};
    return out;
  };
}

Verdict verdict_of(const Result& result, const std::string& series = kTime) {
  for (const auto& s : result.series)
    if (s.name == series) return s.verdict;
  throw std::logic_error("no such series");
}

/// Share of `trials` in which a head `factor` times its history ends with `wanted`.
double rate(double factor, const Noise& noise, Verdict wanted, int trials, const std::string& key) {
  stats::Random random(key);
  int hits = 0;
  for (int i = 0; i < trials; ++i) {
    const auto history = history_of(30, noise, random);
    const auto head = sitting(99, {{kTime, "us", processes(100 * factor, noise, random)}});
    hits += run(history, head, again(factor, noise, random), {}).verdict == wanted;
  }
  return hits / static_cast<double>(trials);
}

TEST(Gate, FindsAPlantedSlowdownOf5Percent) {
  EXPECT_GE(rate(1.05, gauss, Verdict::kRegressed, 200, "slow"), 0.99);
}

TEST(Gate, FindsASlowdownOf3PercentThatOneProcessPerRevisionWouldMiss) {
  EXPECT_GE(rate(1.03, gauss, Verdict::kRegressed, 200, "slower"), 0.9);
}

TEST(Gate, CallsASpeedUpAnImprovement) {
  EXPECT_GE(rate(0.95, gauss, Verdict::kImproved, 100, "fast"), 0.99);
}

// The rates that docs/gate.md quotes.
struct FalseAlarmCase {
  const char* name;
  Noise noise;
  double most_suspects;  ///< of 100 revisions
};
class FalseAlarmRate : public ::testing::TestWithParam<FalseAlarmCase> {};
INSTANTIATE_TEST_SUITE_P(Noises, FalseAlarmRate,
                         ::testing::Values(FalseAlarmCase{"gauss", gauss, 4}, FalseAlarmCase{"bimodal", bimodal, 9},
                                           FalseAlarmCase{"heavy_tails", heavy, 9}),
                         [](const auto& info) { return info.param.name; });

TEST_P(FalseAlarmRate, OfUnchangedCodeIsBelowOneInAHundredOnceConfirmed) {
  constexpr int kSeries = 40, kRevisions = 60;
  stats::Random random(std::string("false alarms ") + GetParam().name);
  int judged = 0, suspects = 0, regressed = 0, unknown = 0;
  for (int i = 0; i < kSeries; ++i) {
    auto history = history_of(kRevisions, GetParam().noise, random);
    for (int at = 25; at < kRevisions; ++at, ++judged) {
      const std::vector<Sitting> before(history.begin(), history.begin() + at);
      const auto judgement =
          screen(gate::history_of(before, kTime), stats::median(history[at].series[0].samples), metric_kind(kTime), {});
      if (!judgement.is_suspect) continue;
      ++suspects;
      const auto verdict = run(before, history[at], again(1, GetParam().noise, random), {}).verdict;
      regressed += verdict == Verdict::kRegressed;
      unknown += verdict == Verdict::kUnknown;
    }
  }
  RecordProperty("judged", judged);
  RecordProperty("suspects", suspects);
  RecordProperty("regressed", regressed);
  RecordProperty("unknown", unknown);
  EXPECT_LE(100.0 * suspects / judged, GetParam().most_suspects);
  EXPECT_LE(regressed, judged / 200);
  EXPECT_LE(unknown, judged / 100);
}

TEST(Gate, ReplaysItselfOnItsHistory) {
  stats::Random random("replay");
  const auto history = history_of(200, gauss, random);
  const auto alarms = replay(history, {});
  EXPECT_EQ(alarms.screened, 195);
  EXPECT_LE(alarms.suspects, 12);
  EXPECT_EQ(alarms.confirmed, 0);
  EXPECT_LT(alarms.upper, 0.02);
}

TEST(Gate, JudgesANumericalFaultLikeASlowdown) {
  // What the Muon chain makes of the largest singular value, with two digits of one coefficient swapped.
  const auto mapped = [](double b) {
    double s = 1;
    for (int i = 0; i < 5; ++i) s = testing::odd_quintic(3.4445, b, 2.0315, s);
    return s;
  };
  const char* series = "map/muon:value_at_1";
  const auto measured = [&](double b) { return std::vector<double>(9, mapped(b)); };
  std::vector<Sitting> history;
  for (int i = 0; i < 30; ++i) history.push_back(sitting(i, {{series, "", measured(-4.7750)}}));
  const Remeasure remeasure = [&](const auto&) {
    return std::map<std::string, Samples>{{series, {measured(-4.7570), measured(-4.7750)}}};
  };
  const auto faulty = run(history, sitting(99, {{series, "", measured(-4.7570)}}), remeasure, {});
  EXPECT_EQ(faulty.verdict, Verdict::kRegressed);
  EXPECT_EQ(exit_code(faulty.verdict), 1);
  EXPECT_EQ(run(history, sitting(99, {{series, "", measured(-4.7750)}}), remeasure, {}).verdict, Verdict::kPass);
}

TEST(Gate, JudgesAccuracyOverSeedsByTheSameRule) {
  const char* series = "gate.quick/Pion:evaluation/test/sampled";
  stats::Random random("accuracy");
  const auto seeds = [&](double level) {
    std::vector<double> out;
    for (int i = 0; i < 8; ++i) out.push_back(level + 0.01 * random.normal());
    return out;
  };
  std::vector<Sitting> history;
  for (int i = 0; i < 20; ++i) history.push_back(sitting(i, {{series, "", seeds(0.78)}}));
  const auto worse = run(history, sitting(99, {{series, "", seeds(0.70)}}),
                         [&](const auto&) {
                           return std::map<std::string, Samples>{{series, {seeds(0.70), seeds(0.78)}}};
                         },
                         {});
  EXPECT_EQ(worse.verdict, Verdict::kRegressed);
  EXPECT_LT(worse.series[0].decision->change, -0.05);
}

TEST(Gate, OfDeterministicNumbersThatDidNotMovePasses) {
  const std::vector<double> values = {0.71, 0.64, 0.69};
  const char* series = "gate.quick/Pion:evaluation/test/sampled";
  const std::vector<Sitting> history = {sitting(0, {{series, "", values}})};
  // One sitting is too little history, three seeds too few for a test; but the numbers are the very same.
  const auto result = run(history, sitting(1, {{series, "", values}}),
                          [&](const auto&) {
                            return std::map<std::string, Samples>{{series, {values, values}}};
                          },
                          {});
  EXPECT_EQ(result.verdict, Verdict::kPass);
}

TEST(Gate, IsUndecidedWithoutTheMeansToDecide) {
  stats::Random random("undecided");
  const auto history = history_of(30, gauss, random);
  const auto head = sitting(99, {{kTime, "us", processes(110, gauss, random)}});
  const auto unconfirmed = run(history, head, nullptr, {});
  EXPECT_EQ(unconfirmed.verdict, Verdict::kUnknown);
  EXPECT_EQ(exit_code(unconfirmed.verdict), 3);
  EXPECT_THAT(to_plain(unconfirmed), HasSubstr("nothing to measure it again with"));

  const auto too_few = run(history, head,
                           [&](const std::vector<std::string>&) {
                             return std::map<std::string, Samples>{{kTime, {{110}, {100}}}};
                           },
                           {});
  EXPECT_EQ(too_few.verdict, Verdict::kUnknown);
  EXPECT_THAT(to_plain(too_few), HasSubstr("too few samples"));
}

TEST(Gate, OfASeriesWithoutHistoryAndBaselineIsNewAndPasses) {
  stats::Random random("new");
  const auto result = run({}, sitting(0, {{kTime, "us", processes(100, gauss, random)}}), nullptr, {});
  EXPECT_EQ(result.verdict, Verdict::kNew);
  EXPECT_EQ(exit_code(result.verdict), 0);
}

TEST(Gate, WithoutHistoryComparesWithTheBaseline) {
  stats::Random random("first");
  const auto head = sitting(0, {{kTime, "us", processes(105, gauss, random)}});
  EXPECT_EQ(run({}, head, again(1.05, gauss, random), {}).verdict, Verdict::kRegressed);
  EXPECT_EQ(run({}, head, again(1.00, gauss, random), {}).verdict, Verdict::kPass);
}

TEST(Gate, NoticesASeriesThatIsNoLongerMeasured) {
  stats::Random random("gone");
  const auto history = history_of(30, gauss, random);
  const auto result = run(history, sitting(99, {}), nullptr, {});
  EXPECT_EQ(result.verdict, Verdict::kUnknown);
  EXPECT_THAT(to_plain(result), HasSubstr("not measured now"));
}

TEST(Gate, OfOneProgramMissesNothingOfAnother) {
  stats::Random random("two programs");
  auto history = history_of(30, gauss, random);
  history.push_back(sitting(30, {{"simulator:real_time", "us", {5}}, {"frames:real_time", "us", {7}}}));
  const auto result = run(history, sitting(99, {{kTime, "us", processes(100, gauss, random)}}), nullptr, {});
  EXPECT_EQ(result.verdict, Verdict::kPass) << to_plain(result);
  // Of the same program the one that is gone is missed, whatever was measured since.
  const auto lost = run(history, sitting(100, {{"frames:real_time", "us", {7}}}), nullptr, {});
  EXPECT_EQ(lost.verdict, Verdict::kUnknown);
  EXPECT_THAT(to_plain(lost), HasSubstr("simulator"));
}

TEST(Gate, LearnsNothingFromRegressionsAndStartsAnewAtAcceptedChanges) {
  std::vector<Sitting> history;
  for (int i = 0; i < 4; ++i) history.push_back(sitting(i, {{kTime, "us", {100.0 + i}}}));
  history.push_back(sitting(4, {{kTime, "us", {150}, "changed"}}));
  EXPECT_THAT(gate::history_of(history, kTime), ElementsAre(100, 101, 102, 103));
  history.push_back(sitting(5, {{kTime, "us", {151}, "accepted"}}));
  history.push_back(sitting(6, {{kTime, "us", {152}}}));
  EXPECT_THAT(gate::history_of(history, kTime), ElementsAre(151, 152));
}

TEST(Gate, AdviceNeverBlocks) {
  stats::Random random("advice");
  const auto history = history_of(30, gauss, random);
  const auto head = sitting(99, {{kTime, "us", processes(110, gauss, random)}});
  Options options;
  options.advise = {"step/*"};
  const auto result = run(history, head, again(1.1, gauss, random), options);
  EXPECT_EQ(verdict_of(result), Verdict::kRegressed);
  EXPECT_EQ(result.verdict, Verdict::kPass);
  EXPECT_THAT(to_junit(result), Not(HasSubstr("<failure")));
  EXPECT_THAT(to_plain(result), HasSubstr("REGRESSED (advice)"));
}

TEST(Gate, GivesTheSameAnswerForTheSameInput) {
  stats::Random random("same"), first("again"), second("again");
  const auto history = history_of(30, gauss, random);
  const auto head = sitting(99, {{kTime, "us", processes(106, gauss, random)}});
  EXPECT_EQ(to_json(run(history, head, again(1.06, gauss, first), {})).dump(),
            to_json(run(history, head, again(1.06, gauss, second), {})).dump());
}

TEST(Gate, WritesReportsThatNameTheSeriesAndEscapeIt) {
  stats::Random random("report");
  const std::string name = "map<a&b>:real_time";
  std::vector<Sitting> history;
  for (int i = 0; i < 30; ++i) history.push_back(sitting(i, {{name, "us", processes(100, gauss, random)}}));
  const auto result =
      run(history, sitting(99, {{name, "us", processes(120, gauss, random)}}), again(1.2, gauss, random), {});
  const auto junit = to_junit(result);
  EXPECT_THAT(junit, HasSubstr("failures=\"1\""));
  EXPECT_THAT(junit, HasSubstr("map&lt;a&amp;b&gt;:real_time"));
  EXPECT_THAT(junit, Not(HasSubstr("map<a")));
  const auto markdown = to_markdown(result, "abc", "def");
  EXPECT_THAT(markdown, HasSubstr("REGRESSED: 1 REGRESSED"));
  EXPECT_THAT(markdown, HasSubstr("False alarms of this gate, replayed on 25 good measurements"));
  EXPECT_EQ(to_json(result).at("series").at(0).at("magnitude"), 4);  // 20 % is ten floors of 2 %
}

TEST(MetricKind, IsReadFromTheNameAndCanBeOverridden) {
  EXPECT_EQ(metric_kind("step/pion:real_time").better, Better::kLower);
  EXPECT_EQ(metric_kind("f.quick/Pion:evaluation/test/sampled").better, Better::kHigher);
  EXPECT_FALSE(metric_kind("evaluation/test/sampled").is_relative);
  EXPECT_EQ(metric_kind("evaluation/test/loss").better, Better::kLower);
  // Measured at an evaluation and no share of successes.
  EXPECT_EQ(metric_kind("evaluation/validation/error_cm").better, Better::kLower);
  EXPECT_EQ(metric_kind("evaluation/test/diverged").better, Better::kLower);
  EXPECT_EQ(metric_kind("evaluation/test/completion_length").better, Better::kNeither);
  EXPECT_TRUE(metric_kind("evaluation/test/episode_length").is_relative);
  EXPECT_EQ(metric_kind("spectral/grad_effective_rank").better, Better::kNeither);
  EXPECT_EQ(metric_kind("map/muon:error").better, Better::kLower);
  EXPECT_EQ(metric_kind("x:items_per_second").better, Better::kHigher);
  const std::vector<KindOverride> rules = {parse_kind_override("map/*=higher"), parse_kind_override("*error=0.5"),
                                           parse_kind_override("*error=0.01abs")};
  const auto kind = metric_kind("map/muon:error", rules);
  EXPECT_EQ(kind.better, Better::kHigher);
  EXPECT_EQ(kind.floor, 0.01);
  EXPECT_FALSE(kind.is_relative);
  for (const char* bad : {"x", "=lower", "x=", "x=lwoer", "x=-1", "x=1e400", "x=abs"})
    EXPECT_THROW(parse_kind_override(bad), UserError) << bad;
}

TEST(MetricKind, TurnsChangesIntoDirections) {
  const MetricKind time{Better::kLower, 0.02, true}, accuracy{Better::kHigher, 0.01, false};
  EXPECT_DOUBLE_EQ(change_of(100, 105, time), 0.05);
  EXPECT_DOUBLE_EQ(change_of(-2, -1, {}), 0.5);
  EXPECT_NEAR(change_of(0.7, 0.6, accuracy), -0.1, 1e-12);
  EXPECT_EQ(change_of(0, 0, time), 0);
  EXPECT_TRUE(std::isinf(change_of(0, 1, time)));
  EXPECT_EQ(direction_of(0.05, time), 1);
  EXPECT_EQ(direction_of(0.05, accuracy), -1);
  EXPECT_EQ(direction_of(-0.05, {}), 1);
}

}  // namespace
}  // namespace pionbench::gate
