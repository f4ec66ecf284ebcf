#include "harness/spec/search.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "common/hash.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

const Dimension kRate{"lr", Range{1e-5, 1e-1, true}, {}};
const Dimension kScale{"update_scale", Range{0, 10, false}, {}};
const Dimension kPromotions{"k_p", {}, {std::int64_t{0}, std::int64_t{1}, std::int64_t{2}}};

TEST(Search, ALargerBudgetKeepsThePointsItHad) {
  for (const auto method : {SearchMethod::kHalton, SearchMethod::kRandom}) {
    const auto few = draw(method, 7, {kRate, kScale}, 5), many = draw(method, 7, {kRate, kScale}, 50);
    EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin())) << to_string(method);
  }
}

TEST(Search, TheOrderOfDimensionsMovesNothingAndTheSeedEverything) {
  for (const auto method : {SearchMethod::kHalton, SearchMethod::kRandom}) {
    const auto points = draw(method, 0, {kRate, kScale}, 20);
    EXPECT_EQ(draw(method, 0, {kScale, kRate}, 20), points) << to_string(method);
    const auto other = draw(method, 1, {kRate, kScale}, 20);
    for (std::size_t i = 0; i < points.size(); ++i) EXPECT_NE(other[i], points[i]) << to_string(method);
  }
}

TEST(Search, HaltonFillsEveryPartOfEveryAxisEvenly) {
  // Van der Corput: p^2 consecutive points that begin at a multiple of p^2 have one in each 1/p^2, up to the shift.
  const std::vector<std::string> names = {"a", "b", "c"};
  const auto u = coordinates(SearchMethod::kHalton, 3, names, 200);
  const int primes[] = {2, 3, 5};
  for (std::size_t d = 0; d < names.size(); ++d) {
    const int parts = primes[d] * primes[d];
    std::vector<double> block(u[d].begin() + parts - 1, u[d].begin() + 2 * parts - 1);  // points p^2 to 2p^2 - 1
    std::ranges::sort(block);
    for (std::size_t i = 1; i < block.size(); ++i)
      EXPECT_NEAR(block[i] - block[i - 1], 1.0 / parts, 1e-9) << "base " << primes[d];
  }
}

TEST(Search, RandomCoordinatesAreUniformAndIndependent) {
  const auto u = coordinates(SearchMethod::kRandom, 0, {"a", "b"}, 4000);
  double product = 0;
  for (const auto& axis : u) {
    const double mean = std::accumulate(axis.begin(), axis.end(), 0.0) / 4000;
    EXPECT_NEAR(mean, 0.5, 4 * std::sqrt(1.0 / 12 / 4000));
    for (const double x : axis) ASSERT_TRUE(x >= 0 && x < 1);
  }
  for (std::size_t i = 0; i < 4000; ++i) product += (u[0][i] - 0.5) * (u[1][i] - 0.5);
  EXPECT_NEAR(product / 4000, 0, 4.0 / 12 / std::sqrt(4000.0));
}

TEST(Search, AlgoperfPointsAreThoseOfItsOwnProgram) {
  // algoperf/halton.py at 2c90454: generate_sequence(5, 4, shuffle_sequence=False), NumPy 1.26.
  const double golden[5][4] = {{0.6914475933545885, 0.13714606964468423, 0.27397443726533632, 0.28612427728381884},
                               {0.92213760365324959, 0.80654218018716106, 0.99116670583095168, 0.8300193327833143},
                               {0.3505619084936204, 0.25690041969586108, 0.23023079535282354, 0.36079632571974196},
                               {0.50298209386952153, 0.17501710342155219, 0.37570383706187749, 0.47482256184486826},
                               {0.33820351508476354, 0.16989939615440774, 0.47539864886248795, 0.87441892915062003}};
  const auto u = coordinates(SearchMethod::kAlgoperf, 0, {"a", "b", "c", "d"}, 5);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t d = 0; d < 4; ++d) EXPECT_DOUBLE_EQ(u[d][i], golden[i][d]) << i << " " << d;
}

TEST(Search, ValuesCoverTheRangeInItsOwnScale) {
  EXPECT_EQ(value_at(kRate, 0), Value(1e-5));
  EXPECT_EQ(value_at(kRate, 0.5), Value(1e-3));
  EXPECT_EQ(value_at(kScale, 0.25), Value(2.5));
  const Dimension beta{"beta1", Range{0.02, 0.5, true}, {}, /*complement=*/true};
  EXPECT_EQ(value_at(beta, 0), Value(1 - 0.02));
  EXPECT_EQ(value_at(beta, 0.5), Value(1 - 0.1));
}

TEST(Search, WholeNumbersAreEquallyLikelyUpToBothEnds) {
  for (const bool logarithmic : {false, true}) {
    const Dimension steps{"steps", Range{1, 4, logarithmic}, {}, false, /*whole=*/true};
    EXPECT_EQ(value_at(steps, 0), Value(std::int64_t{1}));
    EXPECT_EQ(value_at(steps, 0.999999), Value(std::int64_t{4}));
  }
  const Dimension linear{"steps", Range{1, 4, false}, {}, false, true};
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[std::get<std::int64_t>(value_at(linear, i / 1000.0))];
  for (const auto& [value, count] : counts) EXPECT_EQ(count, 250) << value;
}

TEST(Search, ARepetitionIsNotCountedAndAnExhaustedSpaceIsTheEnd) {
  const auto points = draw(SearchMethod::kRandom, 0, {kPromotions}, 10);
  ASSERT_EQ(points.size(), 3u);
  const Dimension flag{"nesterov", {}, {true, false}};
  EXPECT_EQ(draw(SearchMethod::kHalton, 0, {kPromotions, flag}, 100).size(), 6u);
}

class SearchPlanTest : public PlanTest {
 protected:
  std::vector<std::string> labels(const std::string& more, const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> out;
    for (const auto& cell : plan_with(kBase + more, overrides).cells)
      if (!cell.is_prerequisite) out.push_back(cell.label);
    return out;
  }
  const std::string kBase =
      "name: s\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\n  Muon: {optimizer: muon}\n  Control: {optimizer: frozen}\n"
      "grid: {seed: 0..1}\n";
};

TEST_F(SearchPlanTest, ARangeWithoutANumberOfPointsIsDrawnAndCrossedWithTheRest) {
  const auto lines = labels("", {"lr=log:1e-4..1e-1", "search.budget=3", "auxiliary=frozen,trained"});
  EXPECT_EQ(lines.size(), 2 * 2 * 3 * 2 + 2 * 2u) << "arms × auxiliary × points × seeds; the control has no lr";
  EXPECT_THAT(lines[0], testing::MatchesRegex("SGD lr=[0-9.]+ auxiliary=frozen seed=0"));
  EXPECT_EQ(lines[1].substr(0, lines[1].rfind(' ')), lines[0].substr(0, lines[0].rfind(' '))) << "the seed is fastest";
}

TEST_F(SearchPlanTest, TheFileAndTheCommandLineSayTheSame) {
  const auto file = labels("search: {method: random, budget: 4, seed: 2, space: {lr: log:1e-4..1e-1}}\n");
  EXPECT_EQ(labels("", {"search.method=random", "search.budget=4", "search.seed=2", "search.space.lr=log:1e-4..1e-1"}),
            file);
  EXPECT_EQ(labels("", {"search.method=random", "search.budget=4", "search.seed=2", "lr=log:1e-4..1e-1"}), file);
  EXPECT_EQ(labels("scales: {quick: {search: {budget: 4}}}\nsearch: {method: random, budget: 9, seed: 2, space: {lr: "
                   "log:1e-4..1e-1}}\n"),
            file)
      << "a scale may ask for less";
}

TEST_F(SearchPlanTest, ArmsDrawTheSamePointsWhereTheyDrawTheSameSettings) {
  const auto p = plan_with(kBase, {"lr=log:1e-4..1e-1", "search.budget=5", "arms.Muon.lr=log:1e-4..1e-1"});
  std::map<std::string, std::set<std::string>> rates;
  for (const auto& cell : p.experiment.cells)
    if (cell.point.contains("lr")) rates[cell.arm].insert(cell.point.at("lr"));
  EXPECT_EQ(rates["SGD"].size(), 5u);
  EXPECT_EQ(rates["SGD"], rates["Muon"]);
}

TEST_F(SearchPlanTest, AListUnderSpaceIsDrawnAndAnIntegerStaysOne) {
  const auto p = plan(
      "name: s\nsuite: toy\narms:\n  Pion: {optimizer: pion}\n"
      "search: {budget: 12, space: {k_p: 0..3, lr: lin:0.1..1, steps: log:10..1000}}\n");
  EXPECT_EQ(p.experiment.cells.size(), 12u);
  for (const auto& cell : p.cells) {
    if (cell.is_prerequisite) continue;
    EXPECT_TRUE(std::holds_alternative<std::int64_t>(cell.config.settings.at("steps")));
    EXPECT_EQ(cell.id, content_hash(to_json(cell.config)));
  }
  EXPECT_EQ(p.compared, (std::set<std::string>{"k_p", "lr", "optimizer", "steps"}));
}

TEST_F(SearchPlanTest, AFixedOverrideTakesASettingOutOfTheSearch) {
  EXPECT_THAT(labels("search: {budget: 6, space: {lr: log:1e-4..1e-1, update_scale: [1, 2]}}\n",
                     {"lr=0.5", "arm=Muon", "seed=0"}),
              testing::UnorderedElementsAre("Muon lr=0.5 update_scale=1 seed=0", "Muon lr=0.5 update_scale=2 seed=0"));
}

TEST_F(SearchPlanTest, AnAlgoperfSpaceIsReadAsItIs) {
  write_file_atomic(folder_ / "space.json",
                    R"({"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
                        "one_minus_momentum": {"min": 2e-2, "max": 0.5, "scaling": "log"},
                        "warmup_factor": {"feasible_points": [0.05, 0.1, 0.2]},
                        "update_scale": {"min": 5e-3, "max": 1.0, "scaling": "log"}})");
  catalog_.optimizers[1].table.settings.push_back(real_setting("momentum", 0.95, 0, 1, ""));
  const auto p = plan(
      "name: s\nsuite: toy\narms:\n  Muon: {optimizer: muon}\n"
      "search: {method: algoperf, budget: 4, space: space.json, ignore: warmup_factor}\n");
  std::vector<double> rates, momenta, scales;
  for (const auto& cell : p.cells) {
    if (cell.is_prerequisite) continue;
    rates.push_back(get_real(cell.config.hyper, "lr"));
    momenta.push_back(get_real(cell.config.hyper, "momentum"));
    scales.push_back(get_real(cell.config.hyper, "update_scale"));
  }
  // halton.generate_search of that space with 4 trials, in the order of its sequence.
  const auto near = [](double x) { return DoubleNear(x, 1e-5 * x); };
  EXPECT_THAT(rates, ElementsAre(near(0.00241488), near(0.00698675), near(0.000502486), near(0.00101383)));
  EXPECT_THAT(momenta, ElementsAre(near(1 - 0.0310994), near(1 - 0.268242), near(1 - 0.0457258), near(1 - 0.0351311)));
  EXPECT_THAT(scales, ElementsAre(near(0.0227693), near(0.406321), near(0.03382), near(0.0618801)));
}

TEST_F(SearchPlanTest, AListOfPointsIsTakenInItsOrder) {
  write_file_atomic(folder_ / "points.json", R"([{"learning_rate": 0.25, "dropout_rate": 0.1},
                                                 {"learning_rate": 0.125, "dropout_rate": 0.0}])");
  const std::string search = "search: {space: points.json, ignore: [dropout_rate]}\n";
  EXPECT_THAT(labels(search, {"arm=SGD", "seed=0"}), ElementsAre("SGD lr=0.25 seed=0", "SGD lr=0.125 seed=0"));
  EXPECT_THAT(labels(search, {"arm=SGD", "seed=0", "search.budget=1"}), ElementsAre("SGD lr=0.25 seed=0"));
}

TEST_F(SearchPlanTest, MistakesSayWhereAndWhatToDo) {
  const auto says = [&](const std::string& more, const std::vector<std::string>& overrides = {}) {
    return error_of(kBase + more, {.overrides = overrides});
  };
  EXPECT_THAT(says("", {"lr=log:1e-4..1e-1"}), HasSubstr("say how many points: search.budget=20"));
  EXPECT_THAT(says("", {"search.budget=4"}), HasSubstr("the search has nothing to draw"));
  EXPECT_THAT(says("", {"search.bugdet=4"}), HasSubstr("did you mean \"search.budget\"?"));
  EXPECT_THAT(says("", {"search.method=hatlon", "search.budget=4"}), HasSubstr("did you mean \"halton\"?"));
  EXPECT_THAT(says("", {"search.budget=0"}), HasSubstr("allowed: integer in [1, 1e+05]"));
  EXPECT_THAT(says("search: {budget: 4, space: {lr: lin:0..11}}\n"), HasSubstr("setting \"lr\": got 11"));
  EXPECT_THAT(says("search: {budget: 4, space: {rl: lin:0..1}}\n"), HasSubstr("unknown setting \"rl\""));
  EXPECT_THAT(says("search: {budget: 4, space: {optimizer: [sgd, muon]}}\n"), HasSubstr("compared, not drawn"));
  EXPECT_THAT(says("search: {space: absent.json}\n"), HasSubstr("absent.json"));
  write_file_atomic(folder_ / "bad.json", R"({"warmup_factor": {"feasible_points": [1]}})");
  EXPECT_THAT(says("search: {space: bad.json, budget: 1}\n"), HasSubstr("search.ignore=warmup_factor"));
  write_file_atomic(folder_ / "bad.json", R"({"lr": {"min": 1, "max": 2}})");
  EXPECT_THAT(says("search: {space: bad.json, budget: 1}\n"), HasSubstr("\"scaling\": \"log\" or \"linear\""));
  EXPECT_THAT(says("", {"lr=log:1e-4..1e-1,0.5"}), HasSubstr("stands alone"));
}

}  // namespace
}  // namespace pionbench
