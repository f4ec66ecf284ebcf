/// `compare` and `claims` as a user calls them, on stores that were made up.

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <random>

#include "common/yaml.h"
#include "tests/integration/shell.h"
#include "tests/results/synthetic.h"

namespace pionbench::integration {
namespace {

using Document = nlohmann::json;
using ::testing::HasSubstr;
using Place = pionbench::testing::MadeUp::Place;

class Verbs : public Sandbox {
 protected:
  /// Two arms, two settings, six seeds; B is ahead by `lead`.
  void make_store(double lead, const std::string& out = "out", const std::string& cpu = "x",
                  int extra_rates = 0) const {
    Store store(folder_ / out, Store::Mode::kReadWrite);
    pionbench::testing::MadeUp m{.name = "pair", .arms = {{"A", "adamw"}, {"B", "pion"}}};
    m.settings = {{{"auxiliary", "frozen"}}, {{"auxiliary", "trained"}}};
    m.metrics = {"evaluation/test/sampled", "update_rms_over_lr", "clip_fraction"};
    m.value = [=](const Place& p) {
      std::seed_seq seed{p.seed, static_cast<int>(p.arm[0]), p.step, static_cast<int>(p.setting.at("auxiliary")[0])};
      std::mt19937 random(seed);
      const double noise = std::normal_distribution<double>(0, 0.004)(random);
      if (p.metric == "update_rms_over_lr") return 0.4 + noise;
      if (p.metric == "clip_fraction") return 0.0;
      return 0.6 + (p.arm == "B" ? lead : 0) + noise;
    };
    m.more = [=](pionbench::testing::RunSpool& run, const std::string& arm, int) {
      run.event({{"type", "run_started"},
                 {"schema", 1},
                 {"run", run.run()},
                 {"cell", run.cell()},
                 {"attempt", 1},
                 {"environment", {{"cpu", arm == "B" ? cpu : "x"}, {"device", "cpu"}}}});
    };
    if (extra_rates) {
      // B was tuned: the same arm at other rates, in settings of their own.
      for (int i = 0; i < extra_rates; ++i) m.settings.push_back({{"auxiliary", "rate " + std::to_string(i)}});
      m.arms.clear();
      m.arms = {{"A", "adamw"}, {"B", "pion"}};
    }
    add_made_up(store, m);
  }
};

TEST_F(Verbs, CompareSaysBetterWorseSameOrUnknown) {
  make_store(0.2);
  const auto answer = json("compare A B");
  EXPECT_EQ(answer["schema"], 1);
  std::map<std::string, Document> rows;
  for (const auto& row : answer["rows"]) rows[row["metric"]] = row;
  EXPECT_EQ(rows["evaluation/test/sampled"]["verdict"], "BETTER");
  EXPECT_NEAR(rows["evaluation/test/sampled"]["effect"].get<double>(), 0.2, 0.01);
  EXPECT_EQ(rows["evaluation/test/sampled"]["paired"], true);
  EXPECT_EQ(rows["evaluation/test/sampled"]["n_a"], 12);
  EXPECT_EQ(rows["evaluation/test/sampled"]["strata"], 2);
  EXPECT_EQ(rows["update_rms_over_lr"]["verdict"], "SAME");
  EXPECT_EQ(rows["clip_fraction"]["verdict"], "SAME") << "0 in every run of both";
  std::map<std::string, Document> reversed;
  const auto other_way = json("compare B A");
  for (const auto& row : other_way["rows"]) reversed[row["metric"]] = row;
  EXPECT_EQ(reversed["evaluation/test/sampled"]["verdict"], "WORSE");
}

TEST_F(Verbs, CompareOfTooFewRunsIsUnknownAndSaysHowManyMore) {
  make_store(0.2);
  const auto answer = json(
      "compare 'arm=A & auxiliary=frozen & seed<3' 'arm=B & auxiliary=frozen & seed<3' "
      "--metric 'evaluation/*'");
  ASSERT_EQ(answer["rows"].size(), 1u);
  EXPECT_EQ(answer["rows"][0]["verdict"], "UNKNOWN");
  EXPECT_EQ(answer["rows"][0]["more"], 3);  // six pairs are what a sign-flip test needs to reach 0.05
  EXPECT_THAT(pionbench("compare 'arm=A & seed<1' 'arm=B & seed<1'").output, HasSubstr("UNKNOWN: need"));
}

TEST_F(Verbs, CompareTakesASettingAgainstAnother) {
  make_store(0.2);
  const auto answer = json("compare 'arm=B & auxiliary=frozen' 'arm=B & auxiliary=trained' --metric 'evaluation/*'");
  EXPECT_EQ(answer["rows"][0]["verdict"], "SAME");
  EXPECT_EQ(answer["rows"][0]["n_a"], 6);
}

TEST_F(Verbs, CompareRefusesUnlikeHardwareUnlessForcedAndThenSaysSo) {
  make_store(0.2, "out", "y");
  const auto refused = pionbench("compare A B");
  EXPECT_EQ(refused.code, 64);
  EXPECT_THAT(refused.errors, HasSubstr("cpu: A on x, B on y"));
  EXPECT_THAT(pionbench("compare A B --force").output, HasSubstr("FORCED although not comparable: cpu"));
  EXPECT_EQ(json("compare A B --force")["forced"].size(), 1u);
}

TEST_F(Verbs, CompareRefusesUnequalTuning) {
  {
    Store store(folder_ / "out", Store::Mode::kReadWrite);
    pionbench::testing::MadeUp m{.name = "tuned", .arms = {{"A", "adamw"}, {"B", "pion"}}};
    m.metrics = {"evaluation/test/sampled"};
    m.value = [](const Place& p) { return 0.6 + 0.001 * p.seed; };
    add_made_up(store, m);
    // Two more rates of B, which A never had.
    auto record = store.experiments().at(0);
    for (const double lr : {1e-3, 1e-2}) {
      auto more = m;
      more.name = "more";
      more.arms = {{"B", "pion", {{"lr", lr}}}};
      more.settings = {{{"lr", std::to_string(lr)}}};
      add_made_up(store, more);
      for (const auto& e : store.experiments())
        if (e.name == "more") record.cells.insert(record.cells.end(), e.cells.begin(), e.cells.end());
    }
    store.record_experiment(record);
  }
  const auto refused = pionbench("compare A 'arm=B & lr=3e-4' --experiment tuned");
  EXPECT_EQ(refused.code, 64) << refused.output;
  EXPECT_THAT(refused.errors, HasSubstr("A is one of 1 configuration tried, arm=B & lr=3e-4 one of 3"));
}

TEST_F(Verbs, CompareTakesAFromAnotherStore) {
  make_store(0.2, "before");
  make_store(0.1);
  const auto answer = json("compare B --against before --metric 'evaluation/*'");
  EXPECT_EQ(answer["rows"][0]["verdict"], "WORSE");
  EXPECT_NEAR(answer["rows"][0]["effect"].get<double>(), -0.1, 0.01);
}

TEST_F(Verbs, CompareMistakesNameWhatIsThere) {
  make_store(0.2);
  const std::vector<std::tuple<std::string, int, std::string>> cases = {
      {"compare A C", 2, "known: A, B"},
      {"compare A", 2, "--against"},
      {"compare A B --metric nothing", 64, "no metric like nothing"},
      {"compare A B --margin x", 2, "no rule for metrics"},
      {"compare A 'arm='", 64, "compare"},
      {"compare A B --experiment other", 64, "no experiment has finished runs of both"},
      {"compare A 'auxiliary=frozen'", 64, "share run"},
      {"compare A 'auxilary=frozen'", 64, "auxiliary"},
  };
  for (const auto& [arguments, code, says] : cases) {
    const auto result = pionbench(arguments);
    EXPECT_EQ(result.code, code) << arguments << result.output << result.errors;
    EXPECT_THAT(result.errors, HasSubstr(says)) << arguments;
  }
}

TEST_F(Verbs, GateJudgesTheEndsOfRunsLikeTimes) {
  make_store(0.2, "before");
  make_store(0.1, "after");
  const auto result = pionbench("gate --head after --baseline before --revision bad --json --quiet");
  EXPECT_EQ(result.code, 1) << result.errors;
  std::map<std::string, std::string> verdicts;
  const auto answer = Document::parse(result.output);
  for (const auto& series : answer["series"]) verdicts[series["name"]] = series["verdict"];
  EXPECT_EQ(verdicts["pair.quick/B/auxiliary=frozen:evaluation/test/sampled"], "REGRESSED");
  EXPECT_EQ(verdicts["pair.quick/A/auxiliary=frozen:evaluation/test/sampled"], "PASS");
  EXPECT_EQ(verdicts["pair.quick/B/auxiliary=trained:update_rms_over_lr"], "PASS");
  EXPECT_EQ(verdicts["pair.quick/A/auxiliary=trained:seconds_per_step"], "PASS");
}

TEST_F(Verbs, ClaimsKnowTheReferenceAndTheStore) {
  {
    Store store(folder_ / "out", Store::Mode::kReadWrite);
    pionbench::testing::add_fig3(store);
  }
  const auto answer = json("claims");
  ASSERT_EQ(answer["claims"].size(), 29u);
  std::map<std::string, Document> by_id;
  for (const auto& claim : answer["claims"]) {
    by_id[claim["id"]] = claim;
    EXPECT_NE(claim["sentence"], "");
    EXPECT_NE(claim["paper"], "");
  }
  EXPECT_EQ(by_id["C3"]["verdict"], "REPRODUCED");
  EXPECT_EQ(by_id["C3"]["scale"], "quick");
  EXPECT_EQ(by_id["C17"]["verdict"], "NOT RUN");
  EXPECT_EQ(pionbench("claims").code, 3);
  EXPECT_EQ(pionbench("claims --only C1,C3,C4 --md claims.md").code, 0);
  EXPECT_THAT(slurp(folder_ / "claims.md"), HasSubstr("| C4 | REPRODUCED |"));
  EXPECT_EQ(pionbench("claims C1 C3").code, 0);
  EXPECT_EQ(pionbench("claims --only C33").code, 2);
}

TEST_F(Verbs, ClaimsExitWithOneWhereOneDiffers) {
  {
    Store store(folder_ / "out", Store::Mode::kReadWrite);
    pionbench::testing::add_fig3(store, -4.5750);
  }
  EXPECT_EQ(pionbench("claims").code, 1);
}

const std::vector<std::string> kTrust = {"primary", "second-hand", "weak", "derived"};

void expect_sourced(const YamlNode& node, const std::string& where) {
  if (node.find("value") || node.find("trust")) {
    for (const char* field : {"source", "trust"}) ASSERT_TRUE(node.find(field)) << where << " lacks " << field;
    EXPECT_THAT(kTrust, ::testing::Contains(node.find("trust")->value.text)) << where;
    EXPECT_NE(node.find("source")->value.text, "") << where;
  }
  for (const auto& entry : node.entries) expect_sourced(entry.value, entry.where + " " + entry.key);
}

TEST(Reference, EveryPublishedNumberHasASourceAndATrustLevel) {
  int files = 0, numbers = 0;
  const std::function<void(const YamlNode&)> count = [&](const YamlNode& node) {
    numbers += node.kind == YamlNode::Kind::kScalar && !node.text.empty() && std::isdigit(node.text[0]);
    for (const auto& entry : node.entries) count(entry.value);
  };
  for (const auto& entry : fs::directory_iterator(home() / "results/reference")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const auto root = parse_yaml(slurp(entry.path()), entry.path().string());
    for (const char* field : {"title", "source", "trust"}) ASSERT_TRUE(root.find(field)) << entry.path() << field;
    expect_sourced(root, entry.path().string());
    if (const auto* values = root.find("values")) count(values->value);
  }
  EXPECT_EQ(files, 9);
  EXPECT_GT(numbers, 70);
}

// Facts that hold between the published numbers: a slip in copying them would break one.
TEST(Reference, PublishedNumbersAgreeWithEachOther) {
  const auto load = [](const std::string& name) {
    const auto file = home() / "results/reference" / name;
    return parse_yaml(slurp(file), file.string());
  };
  const auto number = [](const YamlNode& root, const std::string& arm, const std::string& column) {
    const auto& cell = root.find("values")->value.find(arm)->value.find(column)->value;
    return std::stod(cell.kind == YamlNode::Kind::kScalar ? cell.text : cell.find("value")->value.text);
  };
  const auto suites = load("fig5a.yaml"), robot = load("table3.yaml"), table1 = load("table1.yaml");
  for (const char* arm : {"AdamW", "Muon", "Pion"}) {
    double sum = 0;
    for (const char* suite : {"Object", "Spatial", "Goal", "Long"}) {
      const double rate = number(suites, arm, suite);
      EXPECT_NEAR(5 * rate, std::round(5 * rate), 1e-9) << "500 episodes: multiples of 0.2";
      sum += rate;
    }
    EXPECT_NEAR(number(suites, arm, "mean"), sum / 4, 1e-9);
    double successes = 0;
    for (const char* task : {"cucumber to plate", "cube to plate", "cube to bowl"}) {
      const double rate = number(robot, arm, task);
      EXPECT_NEAR(rate, std::round(rate * 0.3) / 0.3, 0.05) << "30 trials";
      successes += std::round(rate * 0.3);
    }
    EXPECT_NEAR(number(robot, arm, "average"), successes / 0.9, 0.05);
    EXPECT_NEAR(20 * number(table1, arm, "LIBERO"), std::round(20 * number(table1, arm, "LIBERO")), 1e-9);
  }
  EXPECT_NEAR(number(load("table_a5.yaml"), "default", "success"), number(suites, "Pion", "mean"), 1e-9);
}

}  // namespace
}  // namespace pionbench::integration
