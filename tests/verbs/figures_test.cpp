/// `why`, `list` and `store export` on figures, as a user calls them, on stores that were made up.

#include <gmock/gmock.h>

#include <set>

#include "core/files.h"
#include "tests/integration/shell.h"
#include "tests/results/synthetic.h"

namespace pionbench::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Place = pionbench::testing::MadeUp::Place;

class FigureVerbs : public Sandbox {
 protected:
  void make_store(const std::string& scale = "quick") const {
    Store store(folder_ / "out", Store::Mode::kReadWrite);
    pionbench::testing::MadeUp m{.name = "fig6", .arms = {{"AdamW", "adamw"}, {"Pion", "pion"}}};
    m.settings = {{{"algorithm", "grpo"}}, {{"algorithm", "gmpo"}}};
    m.metrics = {"evaluation/validation/sampled"};
    m.seeds = 2;
    m.scale = scale;
    m.value = [](const Place& p) { return 0.3 + 0.01 * p.step + 0.01 * p.seed; };
    add_made_up(store, m);
  }
};

TEST_F(FigureVerbs, WhyListsTheRunsBehindAFigureAndAPanel) {
  make_store();
  const auto all = json("why fig6");
  EXPECT_EQ(all["figure"], "fig6");
  EXPECT_EQ(all["sources"].size(), 4u);
  const auto panel = json("why fig6a");
  EXPECT_EQ(panel["panel"], "a");
  ASSERT_EQ(panel["sources"].size(), 2u);
  EXPECT_EQ(panel["sources"][0]["label"], "AdamW");
  EXPECT_EQ(panel["sources"][0]["runs"].size(), 2u);
  const auto text = pionbench("why fig6b");
  EXPECT_THAT(text.output, HasSubstr("fig6, panel b"));
  EXPECT_THAT(text.output, HasSubstr("  done"));
}

TEST_F(FigureVerbs, WhySaysHowToFillWhatTheStoreHasNot) {
  make_store();
  auto result = pionbench("why fig4a");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("pionbench reproduce --only fig4a"));
  // Panel (c) of the paper's Fig 1 is drawn by fig1b.
  result = pionbench("why fig1c");
  EXPECT_THAT(result.errors, HasSubstr("pionbench reproduce --only fig1b"));
  result = pionbench("why fig6z");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("fig6 has no runs in a panel z; it has in a, b"));
  result = pionbench("store export --figure fig66");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("did you mean"));
  make_store("desk");
  result = pionbench("why fig6a");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("several: fig6-quicka, fig6-deska"));
  EXPECT_EQ(json("why fig6-desk-a")["scale"], "desk");
}

TEST_F(FigureVerbs, ExportGivesExactlyTheRowsBehindAFigure) {
  make_store();
  const auto figure = pionbench("store export --figure fig6");
  EXPECT_EQ(figure.code, 0);
  // 2 settings, 2 arms, 2 seeds, 4 evaluations, and the head.
  EXPECT_EQ(std::count(figure.output.begin(), figure.output.end(), '\n'), 1 + 2 * 2 * 2 * 4);
  EXPECT_THAT(figure.output, HasSubstr("panel,metric,algorithm,arm,seed,step,value,train_seconds,state,run\n"));
  const auto panel = pionbench("store export --figure fig6b");
  EXPECT_EQ(std::count(panel.output.begin(), panel.output.end(), '\n'), 1 + 2 * 2 * 4);
  EXPECT_THAT(panel.output, HasSubstr("\nb,"));
  EXPECT_THAT(panel.output, Not(HasSubstr("\na,")));
  const auto written = json("store export --figure fig6 --csv rows.csv");
  EXPECT_EQ(written["rows"], 32);
  EXPECT_EQ(read_file(folder_ / "rows.csv"), figure.output);
  // The file in the report is the same.
  pionbench("report --only fig6");
  EXPECT_EQ(read_file(folder_ / "out/report/figures/fig6.csv"), figure.output);
}

TEST_F(FigureVerbs, ExportWritesEventFiles) {
  make_store();
  const auto answer = json("store export --tensorboard tb");
  EXPECT_EQ(answer["runs"], 8);
  EXPECT_EQ(answer["points"], 8 * 4);
  EXPECT_TRUE(std::filesystem::is_directory(folder_ / "tb/fig6.quick/AdamW, algorithm=gmpo, seed=0"));
  EXPECT_EQ(pionbench("store export --tensorboard tb --figure fig6").code, 2);
}

TEST_F(FigureVerbs, ListKnowsFiguresAndClaims) {
  std::set<std::string> names;
  const auto figures = json("list figures");
  for (const auto& item : figures["items"]) names.insert(item["name"]);
  for (const char* name : {"fig1a", "fig6", "table-a6", "kp-lr", "protocols"})
    EXPECT_TRUE(names.contains(name)) << name;
  const auto claims = json("list claims")["items"];
  ASSERT_EQ(claims.size(), 29u);
  EXPECT_EQ(claims[11]["name"], "C12");
  EXPECT_THAT(claims[11]["rule"].get<std::string>(), HasSubstr("half-way"));
  EXPECT_THAT(pionbench("list claims C5").output, HasSubstr("slower and faster both differ"));
}

}  // namespace
}  // namespace pionbench::integration
