/// What tables with the paper's numbers say, from stores in which it is known.

#include <gmock/gmock.h>

#include "results/published.h"
#include "results/registry.h"
#include "tests/results/evidence_fixture.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Place = MadeUp::Place;

constexpr const char* kSuccess = "evaluation/test/success";

class Tables : public EvidenceTest {};

std::map<std::string, std::string> data_row(const Table& table, const std::string& row, const std::string& column,
                                            const std::string& of) {
  for (const auto& cells : table.data.rows) {
    std::map<std::string, std::string> fields;
    for (std::size_t i = 0; i < cells.size(); ++i) fields[table.data.columns[i]] = cells[i];
    if (fields["row"] == row && fields["column"] == column && fields["of"] == of) return fields;
  }
  ADD_FAILURE() << "no row " << row << ", " << column << ", " << of;
  return {};
}

MadeUp plus_suites() {
  MadeUp m{
      .name = "table1", .arms = {{"AdamW"}, {"Muon", "muon"}, {"Pion", "pion"}}, .metrics = {kSuccess}, .seeds = 3};
  m.settings.clear();
  for (const char* suite : {"vla/object-plus", "vla/goal-plus"})
    for (const char* category : {"none", "background", "camera", "language", "layout", "light", "noise", "robot"})
      m.settings.push_back({{"suite", suite}, {"category", category}});
  m.value = [](const Place& p) {
    const double level = p.setting.at("category") == "none" ? 0.9 : p.setting.at("category") == "language" ? 0.5 : 0.7;
    return level - (p.arm == "Muon" ? 0.1 : 0) + (p.setting.at("suite") == "vla/goal-plus" ? 0.02 : 0) + 0.01 * p.seed;
  };
  return m;
}

TEST_F(Tables, Table1HasThePapersNumbersUnderOurs) {
  add_made_up(store_, plus_suites());
  const auto table = make_table1(evidence("table1"));
  EXPECT_THAT(table.display.columns, ElementsAre("Arm", "Of", "n", "LIBERO", "LIBERO-Plus", "Background", "Camera",
                                                 "Language", "Layout", "Light", "Noise", "Robot"));
  // Three arms with the paper below each, two differences with their MDE.
  ASSERT_EQ(table.display.rows.size(), 10u);
  EXPECT_EQ(table.display.rows[1][3], "79.45");
  EXPECT_EQ(table.display.rows[5][7], "86.93");
  // Two suites of three seeds: 0.90, 0.91, 0.92 and 0.02 above.
  auto row = data_row(table, "Pion", "LIBERO", "ours");
  EXPECT_NEAR(std::stod(row["value"]), 0.92, 1e-12);
  EXPECT_EQ(row["n"], "6");
  // pooled: s = 0.01, df 4, SE = s/2·√(2/3); t(0.975, 4) = 2.7764451051978
  EXPECT_NEAR(std::stod(row["low"]), 0.92 - 2.7764451051978 * 0.01 / 2 * std::sqrt(2.0 / 3), 1e-9);
  // The plain mean of the seven categories: (6·0.7 + 0.5)/7, and 0.02 of the suites' and seeds' means.
  EXPECT_NEAR(std::stod(data_row(table, "Pion", "LIBERO-Plus", "ours")["value"]), 4.7 / 7 + 0.02, 1e-12);
  EXPECT_NEAR(std::stod(data_row(table, "Muon", "Language", "paper")["value"]), 0.7753, 1e-12);
  // Paired by seed the difference has no spread at all.
  row = data_row(table, "Pion − Muon", "Camera", "ours");
  EXPECT_NEAR(std::stod(row["value"]), 0.1, 1e-12);
  EXPECT_NEAR(std::stod(row["mde"]), 0, 1e-9);
  // Every cell of ours links to its runs.
  ASSERT_EQ(table.cell_runs.size(), table.display.rows.size());
  EXPECT_EQ(table.cell_runs[0][3].size(), 6u);
  EXPECT_THAT(table.caption, HasSubstr("≈ below 5 runs"));
}

TEST_F(Tables, ACellWithoutRunsIsNamed) {
  auto m = plus_suites();
  m.is_run = [](const Place& p) {
    return !(p.arm == "Muon" && p.setting.at("category") == "camera") &&
           !(p.arm == "AdamW" && p.setting.at("category") == "none" && p.seed == 0);
  };
  add_made_up(store_, m);
  const auto table = make_table1(evidence("table1"));
  EXPECT_EQ(table.display.rows[2][6], "not run");
  EXPECT_THAT(table.display.rows[0][3], HasSubstr("(4 of 6 runs)"));
  EXPECT_EQ(data_row(table, "Pion − Muon", "Camera", "ours")["value"], "");
}

TEST_F(Tables, Table3IsByTaskFromTheEpisodes) {
  MadeUp m{
      .name = "table3", .arms = {{"AdamW"}, {"Muon", "muon"}, {"Pion", "pion"}}, .metrics = {kSuccess}, .seeds = 2};
  m.value = [](const Place&) { return 0.5; };
  m.more = [](RunSpool& run, const std::string& arm, int) {
    for (const int step : {0, 30}) {
      Json items = Json::array();
      for (int i = 0; i < 12; ++i) {
        const int task = i / 4;  // of four trials: 1, 2 and 3 succeed; Pion one more
        const bool success = step == 30 && i % 4 < task + 1 + (arm == "Pion" && task < 2);
        items.push_back({{"item", i}, {"values", {{"task", task}, {"success", success ? 1.0 : 0.0}}}});
      }
      run.event({{"type", "evaluation"},
                 {"step", step},
                 {"split", "test"},
                 {"values", {{"success", 0.5}}},
                 {"items", items}});
    }
  };
  add_made_up(store_, m);
  const auto table = make_table3(evidence("table3"));
  EXPECT_NEAR(std::stod(data_row(table, "AdamW", "Cube to bowl", "ours")["value"]), 0.25, 1e-12);
  EXPECT_NEAR(std::stod(data_row(table, "AdamW", "Cucumber to plate", "ours")["value"]), 0.75, 1e-12);
  EXPECT_NEAR(std::stod(data_row(table, "Pion", "Cube to plate", "ours")["value"]), 0.75, 1e-12);
  EXPECT_NEAR(std::stod(data_row(table, "Pion", "Cube to plate", "paper")["value"]), 0.833, 1e-12);
  EXPECT_THAT(table.title, HasSubstr("simulated stand-in"));
  EXPECT_THAT(table.caption, HasSubstr("no robot was moved"));
}

TEST_F(Tables, A5AndA6FindThePapersRows) {
  MadeUp a5{
      .name = "table-a5", .arms = {{"Pion", "pion"}, {"Pion per-head", "pion"}}, .metrics = {kSuccess}, .seeds = 2};
  a5.settings = {{{"suite", "vla/object"}}, {{"suite", "vla/goal"}}};
  a5.value = [](const Place& p) { return p.arm == "Pion" ? 0.9 : 0.8; };
  add_made_up(store_, a5);
  auto table = make_table_a5(evidence("table-a5"));
  EXPECT_THAT(table.display.columns, ElementsAre("Arm", "Of", "n", "Mean", "Object", "Goal"));
  EXPECT_NEAR(std::stod(data_row(table, "Pion per-head", "Mean", "paper")["value"]), 0.9685, 1e-12);
  EXPECT_NEAR(std::stod(data_row(table, "Pion − Pion per-head", "Goal", "ours")["value"]), 0.1, 1e-12);

  MadeUp a6{.name = "table-a6", .arms = {{"S1"}, {"S3"}, {"S4"}, {"S9"}}, .metrics = {kSuccess}, .seeds = 2};
  a6.value = [](const Place&) { return 0.4; };
  add_made_up(store_, a6);
  table = make_table_a6(evidence("table-a6"));
  EXPECT_NEAR(std::stod(data_row(table, "S3 AdamW/AdamW/Pion", "Success", "paper")["value"]), 0.736, 1e-12);
  EXPECT_EQ(table.display.rows[4][0], "S4");  // not reported: no row of the paper's
  EXPECT_EQ(table.display.rows[5][0], "S9 Muon/Muon/Pion");
}

TEST(Published, NumbersPassTheArithmeticThatTheyMust) {
  const auto table = published_table("fig5a");
  for (const auto& row : table.rows)
    for (const auto& [suite, value] : row.values)
      if (suite != "mean") {
        ASSERT_TRUE(value.value) << row.name << suite;
        const double episodes = *value.value * 5;  // of 500
        EXPECT_NEAR(episodes, std::round(episodes), 1e-9) << row.name << " " << suite;
      }
  EXPECT_EQ(table.find("AdamW", "Object")->trust, "primary");
  EXPECT_EQ(table.find("AdamW", "Spatial")->trust, "second-hand");
  EXPECT_EQ(table.find("SGD", "Object"), nullptr);
  EXPECT_EQ(published_table("fig1").find("effective rank", "action")->text, "4 to 6");
  EXPECT_FALSE(published_table("fig1").find("effective rank", "action")->value);
  EXPECT_THROW(published_table("fig99"), std::logic_error);
}

}  // namespace
}  // namespace pionbench
