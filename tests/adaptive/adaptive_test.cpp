#include "harness/adaptive/adaptive.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "results/stats/interval.h"
#include "store/attempts.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// Plays the part of the scheduler: runs end at once with a value that depends on the cell alone.
class AdaptiveTest : public PlanTest {
 protected:
  /// What a cell ends with; nothing: it fails. NaN: it diverges.
  using Result = std::function<std::optional<double>(const PlannedCell&)>;

  void SetUp() override {
    PlanTest::SetUp();
    out_ = folder_ / "out";
  }
  void TearDown() override {
    store_.reset();
    PlanTest::TearDown();
  }

  void write(const std::string& text) { write_file_atomic(folder_ / "exp.yaml", text); }
  PlanSource source(const std::vector<std::string>& overrides = {}) const {
    return {folder_ / "exp.yaml", {.overrides = overrides}};
  }

  /// Writes the spools as a scheduler and a worker would, but without waiting for the disk: there are hundreds.
  void end(const PlannedCell& cell, const Result& result) {
    const auto value = cell.is_prerequisite ? 0.0 : result(cell);
    const std::string outcome = !value ? "failed" : std::isnan(*value) ? "diverged" : "done";
    RunRequest request{cell.id.substr(0, 12) + "." + std::to_string(++executions_[cell.id]), cell.id, cell.config};
    const auto folder = out_ / "runs" / request.run;
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "run.json") << to_json(request).dump();
    AttemptStart start;
    start.started_at = "2026-01-02T03:04:0" + std::to_string(executions_[cell.id]) + ".000Z";
    AttemptEnd end;
    end.ended_at = "2026-01-02T03:04:09.000Z";
    end.outcome = outcome;
    std::ofstream(folder / "attempts.jsonl") << to_json(start).dump() << "\n" << to_json(end).dump() << "\n";
    std::ofstream events(folder / "events.jsonl");
    if (outcome == "done")
      events << R"({"seq":0,"t":0,"type":"evaluation","step":1,"split":"test","values":{"accuracy":)" << Json(*value)
             << "}}\n";
    if (value) events << R"({"seq":1,"t":0,"type":"run_finished","step":1,"status":")" << outcome << "\"}\n";
  }

  Decision decide_now(const PlanSource& source, int batch = 1) {
    if (!store_) store_.emplace(out_, Store::Mode::kReadWrite);
    store_->ingest();
    return decide(source, catalog_, &*store_, batch);
  }

  /// Until nothing more is to run. `some`: of the cells to run only a random part ends before the next look, as when
  /// the program is killed and started again.
  Decision play(const PlanSource& source, const Result& result, int batch = 1, std::mt19937* some = nullptr) {
    for (int round = 0; round < 1000; ++round) {
      const Decision decision = decide_now(source, batch);
      bool any = false;
      for (const auto& cell : decision.plan.cells) {
        if (executions_.contains(cell.id)) continue;
        any = true;
        if (!some || (*some)() % 3 == 0) end(cell, result);
      }
      if (!any) return decision;
    }
    ADD_FAILURE() << "it never ends";
    return decide_now(source);
  }

  std::set<std::string> ran() const {
    std::set<std::string> out;
    for (const auto& [cell, times] : executions_) out.insert(cell);
    return out;
  }

  void forget() {
    store_.reset();
    std::filesystem::remove_all(out_);
    executions_.clear();
  }

  std::filesystem::path out_;
  std::optional<Store> store_;
  std::map<std::string, int> executions_;
};

const std::string kNineRates = R"(name: tune
suite: toy
defaults: {steps: 90}
arms:
  SGD: {optimizer: sgd}
  Muon: {optimizer: muon}
grid: {lr: 1..9, seed: 0..1}
halving: {from: 10, eta: 3}
)";

double rate_of(const PlannedCell& cell) {
  return get_real(cell.config.hyper, "lr");
}

/// SGD is best at 4, Muon at 7 and better than SGD everywhere; more steps help, the seed moves little.
std::optional<double> hill(const PlannedCell& cell) {
  const double best = cell.config.optimizer == "sgd" ? 4 : 7;
  return (cell.config.optimizer == "muon" ? 100 : 0) - std::abs(rate_of(cell) - best) +
         0.001 * static_cast<double>(get_int(cell.config.settings, "steps")) +
         0.01 * static_cast<double>(get_int(cell.config.settings, "seed"));
}

std::vector<std::string> kept(const Rung& rung) {
  std::vector<std::string> out;
  for (const auto& c : rung.candidates)
    if (c.kept) out.push_back(c.label);
  return out;
}

TEST_F(AdaptiveTest, ProgramsAreHalvedByTheMetricThatTheirExperimentNames) {
  write(R"(name: tune
suite: command/mine
command:
  argv: [train]
  parameters: {steps: 90, lr: 0.5, seed: 0}
  metric: evaluation/test/accuracy
  higher_is_better: false
grid: {lr: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], seed: 0..1}
halving: {from: 30, eta: 3}
)");
  const auto report =
      play(source(), [](const PlannedCell& cell) { return std::abs(get_real(cell.config.settings, "lr") - 3); }).report;
  ASSERT_EQ(report.rungs.size(), 2u);
  EXPECT_EQ(report.metric, "evaluation/test/accuracy");
  EXPECT_EQ(kept(report.rungs[0]).size(), 2u);
  EXPECT_EQ(kept(report.rungs[0])[0], "lr=3") << "a loss: the lowest is the best";
  EXPECT_EQ(executions_.size(), 2u * (6 + 2));
}

TEST_F(AdaptiveTest, HalvingKeepsTheBestThirdOfEveryArm) {
  write(kNineRates);
  const auto report = play(source(), hill).report;
  ASSERT_EQ(report.rungs.size(), 3u);
  EXPECT_EQ(report.rungs[0].amount, 10);
  EXPECT_EQ(report.rungs[1].amount, 30);
  EXPECT_EQ(report.rungs[2].amount, 90);
  EXPECT_THAT(kept(report.rungs[0]),
              ElementsAre("SGD lr=4", "SGD lr=3", "SGD lr=5", "Muon lr=7", "Muon lr=6", "Muon lr=8"));
  EXPECT_THAT(kept(report.rungs[1]), ElementsAre("SGD lr=4", "Muon lr=7"));
  EXPECT_THAT(kept(report.rungs[2]), ElementsAre("SGD lr=4", "Muon lr=7"));
  EXPECT_EQ(ran().size(), 2u + 2 * (18 + 6 + 2)) << "two warm starts, and per seed 18 + 6 + 2 cells";
  const auto& stopped = report.rungs[0].candidates[3];
  EXPECT_FALSE(stopped.kept);
  EXPECT_THAT(stopped.reason, HasSubstr("4 of 9; the last to go on has -0.985"));
  EXPECT_THAT(to_text(report), AllOf(HasSubstr("rung 1 of 3, steps=10: 6 of 18 go on"), HasSubstr("stopped  ")));
}

TEST_F(AdaptiveTest, AmongArmsTheBestOfAllGoOn) {
  write(kNineRates);
  const auto report = play(source({"halving.among=arms"}), hill).report;
  EXPECT_THAT(kept(report.rungs[0]),
              ElementsAre("Muon lr=7", "Muon lr=6", "Muon lr=8", "Muon lr=5", "Muon lr=9", "Muon lr=4"));
  EXPECT_THAT(to_json(report)["halving"]["rungs"][0]["candidates"].back(),
              testing::ResultOf([](const Json& c) { return c["stopped"].get<bool>(); }, true));
}

TEST_F(AdaptiveTest, WhereLowerIsBetterTheLowestGoOn) {
  catalog_.suites[1].higher_is_better = false;
  write(kNineRates);
  const auto report = play(source({"arm=SGD"}), hill).report;
  EXPECT_THAT(kept(report.rungs[0]), ElementsAre("SGD lr=9", "SGD lr=8", "SGD lr=1"));
}

TEST_F(AdaptiveTest, TheLastRungIsTheExperimentItself) {
  write(kNineRates);
  const auto halved = play(source(), hill);
  write(kNineRates.substr(0, kNineRates.find("halving")));
  const auto whole = decide(source(), catalog_, nullptr).plan;
  std::set<std::string> plain;
  for (const auto& cell : whole.cells) plain.insert(cell.id);
  int shared = 0;
  for (const auto& cell : halved.plan.cells) shared += !cell.is_prerequisite && plain.contains(cell.id);
  EXPECT_EQ(shared, 4) << "two arms, two seeds: a later full sweep runs them not again";
}

TEST_F(AdaptiveTest, KilledAtAnyMomentItDecidesTheSame) {
  write(kNineRates);
  const auto undisturbed = to_json(play(source(), hill).report);
  const auto cells = ran();
  for (unsigned seed = 0; seed < 4; ++seed) {
    forget();
    std::mt19937 random(seed);
    EXPECT_EQ(to_json(play(source(), hill, 1, &random).report), undisturbed);
    EXPECT_EQ(ran(), cells) << "and runs nothing more or less";
  }
}

TEST_F(AdaptiveTest, AnotherOrderOfTheFileDecidesTheSame) {
  write(kNineRates);
  play(source(), hill);
  const auto cells = ran();
  forget();
  write(R"(name: tune
suite: toy
halving: {eta: 3, from: 10}
grid: {seed: [1, 0], lr: [9, 8, 7, 6, 5, 4, 3, 2, 1]}
arms:
  Muon: {optimizer: muon}
  SGD: {optimizer: sgd}
defaults: {steps: 90}
)");
  play(source(), hill);
  EXPECT_EQ(ran(), cells);
}

TEST_F(AdaptiveTest, FailedAndDivergedCandidatesRankBehind) {
  write(kNineRates);
  const Result result = [](const PlannedCell& cell) -> std::optional<double> {
    if (rate_of(cell) == 4) return std::nullopt;
    if (rate_of(cell) == 3) return std::nan("");
    return hill(cell);
  };
  const auto report = play(source({"arm=SGD"}), result).report;
  EXPECT_THAT(kept(report.rungs[0]), ElementsAre("SGD lr=5", "SGD lr=2", "SGD lr=6"));
  EXPECT_EQ(report.rungs[0].candidates[7].reason, "diverged");
  EXPECT_EQ(report.rungs[0].candidates[8].reason, "failed");

  // The failed cells are run again and succeed: the rung is judged anew.
  for (const auto& cell : decide_now(source({"arm=SGD"})).plan.cells)
    if (!cell.is_prerequisite && rate_of(cell) == 4) end(cell, hill);
  EXPECT_THAT(kept(play(source({"arm=SGD"}), result).report.rungs[0]), ElementsAre("SGD lr=4", "SGD lr=5", "SGD lr=2"));
}

TEST_F(AdaptiveTest, ConditionsAreJudgedApart) {
  write(kNineRates);
  const Result result = [](const PlannedCell& cell) {
    const double best = get_int(cell.config.settings, "width") == 64 ? 2 : 8;
    return -std::abs(rate_of(cell) - best);
  };
  const auto report = play(source({"arm=SGD", "model=small,large"}), result).report;
  EXPECT_THAT(kept(report.rungs[2]), UnorderedElementsAre("SGD lr=8, model=small", "SGD lr=2, model=large"));
}

TEST_F(AdaptiveTest, SeedsCanBeTheResource) {
  write(R"(name: race
suite: toy
arms: {SGD: {optimizer: sgd}}
grid: {lr: 1..4, seed: 0..7}
halving: {resource: seed, from: 2, eta: 2}
)");
  const auto report = play(source(), hill).report;
  ASSERT_EQ(report.rungs.size(), 3u);
  EXPECT_EQ(report.rungs[2].amount, 8);
  EXPECT_THAT(kept(report.rungs[2]), ElementsAre("SGD lr=4"));
  EXPECT_EQ(ran().size(), 8u + 4 * 2 + 2 * 2 + 4) << "8 warm starts; what a rung has run, the next one has already";
}

TEST_F(AdaptiveTest, WhatCannotBeHalvedSaysWhy) {
  const auto says = [&](const std::vector<std::string>& overrides) -> std::string {
    try {
      decide(source(overrides), catalog_, nullptr);
    } catch (const UserError& e) {
      return e.what();
    }
    return "(no error)";
  };
  write(kNineRates);
  EXPECT_THAT(says({"halving.from=90"}), HasSubstr("halving.from=90 is not below steps=90"));
  EXPECT_THAT(says({"halving.resource=width_"}), HasSubstr("unknown integer setting \"width_\"; did you mean"));
  EXPECT_THAT(says({"halving.resorce=steps"}), HasSubstr("did you mean \"halving.resource\"?"));
  EXPECT_THAT(says({"steps=50,90"}), HasSubstr("needs one value for all cells, and there are 50 and 90"));
  EXPECT_THAT(says({"lr=1"}), HasSubstr("each arm has one candidate"));
  EXPECT_THAT(says({"halving.eta=1"}), HasSubstr("allowed: integer in [2, 1000]"));
  EXPECT_THAT(says({"until=ci=0.1"}), HasSubstr("the form is ci<=0.02"));
  EXPECT_THAT(says({"max_seeds=4"}), HasSubstr("max_seeds is the cap of until"));
  write("name: m\nsuite: maps\nuntil: ci<=0.1\n");
  EXPECT_THAT(says({}), HasSubstr("has no primary metric"));
}

const std::string kNoisy = R"(name: noisy
suite: toy
arms:
  Calm: {optimizer: sgd}
  Noisy: {optimizer: muon}
grid: {seed: 0..2}
until: ci<=0.02
)";

/// Accuracy 0.5 with noise of sd 0.005 (SGD) or 0.04 (Muon), by the seed alone.
std::optional<double> noise(const PlannedCell& cell) {
  const auto seed = get_int(cell.config.settings, "seed");
  std::mt19937 random(static_cast<unsigned>(seed) + 17);
  const double z = std::normal_distribution<double>()(random);
  return 0.5 + (cell.config.optimizer == "sgd" ? 0.005 : 0.04) * z;
}

TEST_F(AdaptiveTest, SeedsGoWhereTheIntervalIsWide) {
  write(kNoisy);
  const auto decision = play(source({"max_seeds=40"}), noise);
  ASSERT_EQ(decision.report.groups.size(), 2u);
  const auto& calm = decision.report.groups[0];
  const auto& noisy = decision.report.groups[1];
  EXPECT_EQ(calm.seeds, 3);
  EXPECT_EQ(calm.state, "reached");
  EXPECT_EQ(noisy.state, "reached");
  EXPECT_GT(noisy.seeds, 8);
  EXPECT_LE(*noisy.half, 0.02);

  // Independently: the first n from 3 on whose t interval is narrow enough.
  std::vector<double> values;
  PlannedCell cell;
  cell.config.optimizer = "muon";
  int n = 0;
  do {
    cell.config.settings["seed"] = std::int64_t{n++};
    values.push_back(*noise(cell));
  } while (n < 3 || *mean_interval(values).high - mean_interval(values).mean > 0.02);
  EXPECT_EQ(noisy.seeds, n);
}

TEST_F(AdaptiveTest, HowManyRunAtOnceAndWhenItIsKilledChangesNothing) {
  write(kNoisy);
  play(source({"max_seeds=40"}), noise, 1);
  const auto cells = ran();
  for (const int batch : {2, 7}) {
    forget();
    std::mt19937 random(static_cast<unsigned>(batch));
    play(source({"max_seeds=40"}), noise, batch, &random);
    EXPECT_EQ(ran(), cells) << batch;
  }
}

TEST_F(AdaptiveTest, TheCapEndsItAndSaysSo) {
  write(kNoisy);
  const auto groups = play(source({"max_seeds=5"}), noise).report.groups;
  EXPECT_EQ(groups[1].seeds, 5);
  EXPECT_EQ(groups[1].state, "at the cap");
  EXPECT_GT(*groups[1].half, 0.02);
}

TEST_F(AdaptiveTest, APercentageIsOfTheMean) {
  write(kNoisy);
  const auto report = play(source({"until=ci<=20%"}), noise).report;
  for (const auto& group : report.groups) {
    EXPECT_EQ(group.state, "reached") << group.label;
    EXPECT_LE(*group.half, 0.2 * *group.mean);
  }
  EXPECT_THAT(to_text(report), HasSubstr("until ci<=20%"));
}

TEST_F(AdaptiveTest, TheWidestGoFirst) {
  write(kNoisy);
  const auto first = decide_now(source({"until=ci<=0.000001"}));
  for (const auto& cell : first.plan.cells) end(cell, noise);
  const auto second = decide_now(source({"until=ci<=0.000001"}), 1);
  std::vector<std::string> more;
  for (const auto& cell : second.plan.cells)
    if (!executions_.contains(cell.id) && !cell.is_prerequisite) more.push_back(cell.label);
  EXPECT_THAT(more, ElementsAre("Noisy seed=3"));
}

TEST_F(AdaptiveTest, SurvivorsOfHalvingGetTheSeeds) {
  write(kNineRates + "until: ci<=0.02\n");
  const Result result = [](const PlannedCell& cell) { return *hill(cell) + 0.3 * (*noise(cell) - 0.5); };
  const auto decision = play(source({"max_seeds=20"}), result);
  ASSERT_EQ(decision.report.groups.size(), 2u) << to_text(decision.report);
  for (const auto& group : decision.report.groups) EXPECT_EQ(group.state, "reached") << group.label;
  EXPECT_GT(decision.report.groups[1].seeds, 2);
}

TEST_F(AdaptiveTest, AnExperimentWithoutThemIsItsPlan) {
  write(kNineRates.substr(0, kNineRates.find("halving")));
  const auto decision = decide(source(), catalog_, nullptr);
  EXPECT_TRUE(decision.report.empty());
  EXPECT_EQ(decision.plan.cells.size(), 2u + 36);
  EXPECT_EQ(to_text(decision.report), "");
}

}  // namespace
}  // namespace pionbench
