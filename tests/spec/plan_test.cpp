#include "harness/spec/plan.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "common/hash.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kExperiment = R"(name: toy-exp
title: A toy
suite: toy
defaults: {steps: 5, lr: 0.25}
arms:
  SGD: {optimizer: sgd}
  Muon, scale 5: {optimizer: muon, preset: released}
grid:
  auxiliary: [frozen, trained]
  seed: 0..1
scales:
  quick: {}
  desk: {steps: 50, grid: {seed: 0..3}}
)";

std::vector<std::string> labels(const Plan& plan) {
  std::vector<std::string> out;
  for (const auto& cell : plan.cells)
    if (!cell.is_prerequisite) out.push_back(cell.label);
  return out;
}

std::set<std::string> ids(const Plan& plan) {
  std::set<std::string> out;
  for (const auto& cell : plan.cells) out.insert(cell.id);
  return out;
}

std::set<std::string> values_of(const Plan& plan, const std::string& key) {
  std::set<std::string> out;
  for (const auto& cell : plan.cells)
    for (const auto* values : {&cell.config.settings, &cell.config.hyper})
      if (values->contains(key) && !cell.is_prerequisite) out.insert(to_text(values->at(key)));
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(PlanTest, ArmsAndGridExpandInDeclarationOrderTheSeedFastest) {
  EXPECT_THAT(labels(plan(kExperiment)),
              ElementsAre("SGD auxiliary=frozen seed=0", "SGD auxiliary=frozen seed=1", "SGD auxiliary=trained seed=0",
                          "SGD auxiliary=trained seed=1", "Muon, scale 5 auxiliary=frozen seed=0",
                          "Muon, scale 5 auxiliary=frozen seed=1", "Muon, scale 5 auxiliary=trained seed=0",
                          "Muon, scale 5 auxiliary=trained seed=1"));
}

TEST_F(PlanTest, AScaleIsLaidOverTheDefaultsAndTheGrid) {
  const auto desk = plan(kExperiment, {.scale = "desk"});
  EXPECT_EQ(labels(desk).size(), 16u);
  EXPECT_THAT(values_of(desk, "steps"), ElementsAre("50"));
  EXPECT_EQ(desk.experiment.scale, "desk");
  EXPECT_THAT(desk.experiment.arms, ElementsAre("SGD", "Muon, scale 5"));
  EXPECT_EQ(desk.experiment.cells.size(), 16u);
  EXPECT_THAT(error_of(kExperiment, {.scale = "paper"}), HasSubstr("unknown scale \"paper\"  known: quick, desk"));
}

TEST_F(PlanTest, StrongerLayersWin) {
  const std::string text = R"(name: e
suite: toy
defaults: {optimizer: muon, preset: released}
arms:
  A: {}
scales: {quick: {}}
)";
  EXPECT_THAT(values_of(plan(text), "lr"), ElementsAre("0.5")) << "a bundle wins over the table's default";
  const auto with_default = replaced(text, "preset: released", "preset: released, lr: 0.1");
  EXPECT_THAT(values_of(plan(with_default), "lr"), ElementsAre("0.1"));
  const auto with_scale = replaced(with_default, "quick: {}", "quick: {lr: 0.2}");
  EXPECT_THAT(values_of(plan(with_scale), "lr"), ElementsAre("0.2"));
  const auto with_arm = replaced(with_scale, "A: {}", "A: {lr: 0.3}");
  EXPECT_THAT(values_of(plan(with_arm), "lr"), ElementsAre("0.3"));
  const auto with_grid = replaced(with_arm, "scales:", "grid: {lr: [0.4]}\nscales:");
  EXPECT_THAT(values_of(plan(with_grid), "lr"), ElementsAre("0.4"));
  EXPECT_THAT(values_of(plan_with(with_grid, {"lr=0.6"}), "lr"), ElementsAre("0.6"));
  EXPECT_THAT(values_of(plan_with(with_grid, {"arms.A.lr=0.7", "lr=0.6"}), "lr"), ElementsAre("0.7"));
}

TEST_F(PlanTest, SweepingOverridesReplaceAnAxisOrMakeANewOneBeforeTheSeed) {
  EXPECT_THAT(labels(plan_with(kExperiment, {"seed=3", "auxiliary=trained", "lr=1e-4,3e-4", "arm=SGD"})),
              ElementsAre("SGD auxiliary=trained lr=1e-04 seed=3", "SGD auxiliary=trained lr=3e-04 seed=3"));
}

TEST_F(PlanTest, AnOverrideMayAimAtOneArm) {
  const auto p = plan_with(kExperiment, {"seed=0", "auxiliary=frozen", "arms.Muon, scale 5.lr=log:1e-3..1e-1:3"});
  EXPECT_THAT(labels(p), ElementsAre("SGD auxiliary=frozen seed=0", "Muon, scale 5 auxiliary=frozen lr=0.001 seed=0",
                                     "Muon, scale 5 auxiliary=frozen lr=0.01 seed=0",
                                     "Muon, scale 5 auxiliary=frozen lr=0.1 seed=0"));
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"arms.Moun.lr=1"}}), HasSubstr("unknown arm \"Moun\""));
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"arm=SDG"}}), HasSubstr("did you mean \"SGD\"?"));
}

TEST_F(PlanTest, ASettingOfSomeArmsGoesToThoseThatKnowIt) {
  const auto p = plan_with(kExperiment, {"update_scale=1..3", "seed=0", "auxiliary=frozen"});
  EXPECT_EQ(labels(p).size(), 4u) << "one SGD cell, three of Muon";
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"k_p=0..4"}}), HasSubstr("unknown setting \"k_p\""));
  EXPECT_EQ(error_of(kExperiment, {.overrides = {"update_scale=2", "arm=SGD"}}), "(no error)");
}

TEST_F(PlanTest, IdentityIgnoresNamesTitlesAndOrder) {
  const auto before = ids(plan(kExperiment));
  EXPECT_EQ(ids(plan(replaced(kExperiment, "title: A toy", "title: Another"))), before);
  EXPECT_EQ(ids(plan(replaced(kExperiment, "toy-exp", "other"))), before);
  EXPECT_EQ(ids(plan(replaced(kExperiment, "SGD:", "Plain:"))), before);
  EXPECT_EQ(ids(plan(replaced(kExperiment, "auxiliary: [frozen, trained]", "auxiliary: [trained, frozen]"))), before);
  const std::string reordered =
      replaced(replaced(kExperiment, "  SGD: {optimizer: sgd}\n", ""), "grid:", "  SGD: {optimizer: sgd}\ngrid:");
  EXPECT_EQ(ids(plan(reordered)), before);
  const auto more = ids(plan(replaced(kExperiment, "grid:", "  Pion: {optimizer: pion}\ngrid:")));
  EXPECT_TRUE(std::ranges::includes(more, before)) << "one more arm leaves the others' cells";
  EXPECT_NE(ids(plan(replaced(kExperiment, "steps: 5", "steps: 6"))), before);
}

TEST_F(PlanTest, APresetAndItsValuesWrittenOutAreOneCell) {
  const std::string text =
      "name: e\nsuite: toy\narms:\n  A: {optimizer: muon, preset: released}\n"
      "  B: {optimizer: muon, lr: 0.5, update_scale: 5}\n";
  const auto p = plan(text);
  EXPECT_EQ(labels(p).size(), 1u);
  ASSERT_EQ(p.experiment.cells.size(), 2u) << "the record lists the cell under both arms";
  EXPECT_EQ(p.experiment.cells[0].cell, p.experiment.cells[1].cell);
  EXPECT_EQ(p.experiment.cells[1].arm, "B");
}

TEST_F(PlanTest, TheIdentityIsTheContentHashOfTheConfiguration) {
  for (const auto& cell : plan(kExperiment).cells) {
    EXPECT_EQ(cell.id, content_hash(to_json(cell.config)));
    EXPECT_EQ(cell_config_from_json(to_json(cell.config)).optimizer, cell.config.optimizer);
  }
}

TEST_F(PlanTest, ArmsOfOneSeedShareOnePrerequisite) {
  const auto p = plan(kExperiment);
  ASSERT_EQ(p.cells.size(), 10u);
  EXPECT_TRUE(p.cells[0].is_prerequisite);
  EXPECT_TRUE(p.cells[1].is_prerequisite);
  EXPECT_EQ(p.cells[0].label, "toy/base seed=0");
  EXPECT_EQ(p.cells[0].config.optimizer, "");
  EXPECT_TRUE(p.cells[0].config.hyper.empty());
  EXPECT_EQ(p.cells[0].config.settings.size(), 2u) << "only what the prerequisite declares";
  EXPECT_EQ(p.cells[0].config.suite_version, 3);
  for (const auto& cell : p.cells) {
    if (cell.is_prerequisite) continue;
    const auto& base = p.cells[get_int(cell.config.settings, "seed") == 0 ? 0 : 1];
    EXPECT_THAT(cell.needs, ElementsAre(base.id));
    EXPECT_EQ(cell.config.inputs.at("toy/base"), base.id);
  }
}

TEST_F(PlanTest, APrerequisiteThatIsTrainedHasTheOptimizerOfWhatReadsIt) {
  SuiteInfo plus = catalog_.suites[1];
  plus.name = "toy/plus";
  plus.prerequisite = "toy";
  plus.table.settings.push_back(choice_setting("category", "none", {"none", "noise"}, ""));
  catalog_.suites.push_back(plus);
  const std::string arms = "arms:\n  A: {optimizer: sgd}\n  B: {optimizer: muon, update_scale: 3}\n";
  const auto p = plan("name: e\nsuite: toy/plus\n" + arms + "grid: {category: [none, noise]}\n");
  ASSERT_EQ(p.experiment.cells.size(), 4u);
  ASSERT_EQ(p.cells.size(), 4u + 2 + 1) << "one training for each arm, one base for all";
  const auto training = plan("name: f\nsuite: toy\n" + arms);
  std::set<std::string> trained;
  for (const auto& cell : training.cells)
    if (!cell.is_prerequisite) trained.insert(cell.id);
  for (const auto& cell : p.cells) {
    if (cell.config.suite != "toy/plus") continue;
    EXPECT_THAT(trained, testing::Contains(cell.config.inputs.at("toy"))) << "the cell of the experiment that trains";
    const auto it = std::ranges::find(p.cells, cell.config.inputs.at("toy"), &PlannedCell::id);
    ASSERT_NE(it, p.cells.end());
    EXPECT_EQ(it->config.optimizer, cell.config.optimizer);
    EXPECT_EQ(it->config.hyper, cell.config.hyper);
    EXPECT_EQ(content_hash(to_json(it->config)), it->id);
  }
}

TEST_F(PlanTest, ABundleReachesThePrerequisite) {
  const auto p = plan_with(kExperiment, {"model=large", "seed=0"});
  EXPECT_EQ(get_int(p.cells[0].config.settings, "width"), 64);
}

TEST_F(PlanTest, ASuiteWithoutOptimizerNeedsNoArms) {
  const auto p = plan("name: m\nsuite: maps\ndefaults: {points: 10}\nscales: {quick: {}, paper: {}}\n");
  EXPECT_THAT(labels(p), ElementsAre("m"));
  EXPECT_TRUE(p.experiment.arms.empty());
  EXPECT_THAT(error_of("name: m\nsuite: maps\ndefaults: {optimizer: sgd}\n"), HasSubstr("takes no optimizer"));
  EXPECT_THAT(error_of("name: m\nsuite: toy\n"), HasSubstr("no optimizer is named"));
}

TEST_F(PlanTest, ConditionsExcludeCells) {
  const auto text = kExperiment + "exclude: [\"arm=SGD & auxiliary=frozen\"]\n";
  EXPECT_EQ(labels(plan(text)).size(), 6u);
  EXPECT_EQ(labels(plan(text, {.exclude = {"optimizer=muon & lr<1"}})).size(), 2u);
  EXPECT_THAT(error_of(text, {.exclude = {"seed>=0"}}), HasSubstr("no cells left"));
  EXPECT_THAT(error_of(kExperiment + "exclude: [\"amr=SGD\"]\n"),
              HasSubstr("exp.yaml:14: column 1: unknown key \"amr\"; did you mean \"arm\"?"));
}

TEST_F(PlanTest, AnUnknownKeyNamesFileLineAndTheNearestKey) {
  EXPECT_THAT(error_of(replaced(kExperiment, "title:", "tilte:")),
              HasSubstr("exp.yaml:2: unknown key \"tilte\"; did you mean \"title\"?  known: name, title, paper"));
  EXPECT_THAT(error_of(replaced(kExperiment, "{steps: 5", "{stpes: 5")),
              HasSubstr("exp.yaml:4: unknown setting \"stpes\"; did you mean \"steps\"?"));
  EXPECT_THAT(error_of(replaced(kExperiment, "preset: released", "presets: released")),
              HasSubstr("exp.yaml:7: unknown setting \"presets\"; did you mean \"preset\"?"));
  EXPECT_THAT(error_of(replaced(kExperiment, "{optimizer: sgd}", "{optimizer: sgd, k_p: 1}")),
              HasSubstr("exp.yaml:6: unknown setting \"k_p\""));
  EXPECT_THAT(error_of(replaced(kExperiment, "desk: {steps", "desk: {step")), HasSubstr("exp.yaml:13: unknown setting"))
      << "a scale that is not asked for is checked as well";
  EXPECT_THAT(error_of(replaced(kExperiment, "desk:", "dsek:")),
              HasSubstr("unknown scale \"dsek\"; did you mean \"desk\""));
  EXPECT_THAT(error_of(replaced(kExperiment, "suite: toy", "suite: tony")),
              HasSubstr("exp.yaml:3: unknown suite \"tony\"; did you mean \"toy\""));
  EXPECT_THAT(error_of(replaced(kExperiment, "optimizer: sgd", "optimizer: sdg")),
              HasSubstr("exp.yaml:6: unknown optimizer \"sdg\"; did you mean \"sgd\""));
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"stpes=3"}}),
              HasSubstr("override \"stpes=3\": unknown setting \"stpes\"; did you mean \"steps\"?"));
}

TEST_F(PlanTest, AWrongValueNamesThePlaceAndTheRange) {
  EXPECT_THAT(error_of(replaced(kExperiment, "steps: 5,", "steps: 0,")),
              HasSubstr("exp.yaml:4: setting \"steps\": got 0, allowed: integer in [1, "));
  EXPECT_THAT(error_of(replaced(kExperiment, "steps: 5,", "steps: many,")), HasSubstr("exp.yaml:4: setting \"steps\""));
  EXPECT_THAT(error_of(replaced(kExperiment, "[frozen, trained]", "[frozen, trained, frosen]")),
              HasSubstr("exp.yaml:9: setting \"auxiliary\": unknown value \"frosen\"; did you mean \"frozen\""));
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"lr=-1"}}), HasSubstr("override \"lr=-1\": setting \"lr\": got -1"));
  EXPECT_THAT(error_of(kExperiment, {.overrides = {"lr"}}), HasSubstr("expected key=value"));
}

TEST_F(PlanTest, SettingsThatDoNotGoTogetherAreRefusedUnlessTheirCellsAreExcluded) {
  std::ranges::find(catalog_.suites, "toy", &SuiteInfo::name)->table.relations = {at_most("seed", "steps")};
  const PlanOptions options{.overrides = {"steps=1", "seed=0..2"}};
  EXPECT_THAT(error_of(kExperiment, options),
              testing::AllOf(HasSubstr("exp.yaml, arm "), HasSubstr("settings seed, steps: got 2 and 1")));
  EXPECT_NO_THROW(plan(kExperiment, {.overrides = {"steps=1", "seed=0..2"}, .exclude = {"seed>1"}}));
}

TEST_F(PlanTest, AKeyGivenTwiceIsAnErrorThatNamesBothPlaces) {
  EXPECT_THAT(error_of(replaced(kExperiment, "title: A toy", "name: again")),
              HasSubstr("exp.yaml:2: \"name\" is given twice (first at "));
  EXPECT_THAT(error_of(replaced(kExperiment, "{steps: 5", "{steps: 5, steps: 6")),
              HasSubstr("\"steps\" is given twice"));
  EXPECT_THAT(error_of(replaced(kExperiment, "  Muon, scale 5", "  SGD")), HasSubstr("\"SGD\" is given twice"));
}

TEST_F(PlanTest, BrokenFilesAreNamedWithTheirLine) {
  EXPECT_THAT(error_of("name: [a\nsuite: toy\n"), HasSubstr("exp.yaml:"));
  EXPECT_THAT(error_of("just text"), HasSubstr("expected a map"));
  EXPECT_THAT(error_of(""), HasSubstr("the key \"name\" is missing"));
  EXPECT_THAT(error_of(replaced(kExperiment, "steps: 5", "steps: ")), HasSubstr("steps: a value is missing"));
  EXPECT_THAT(error_of(replaced(kExperiment, "toy-exp", "../up")), HasSubstr("allowed are letters, digits"));
}

TEST_F(PlanTest, QuotedScalarsAreText) {
  EXPECT_THAT(values_of(plan(replaced(kExperiment, "steps: 5,", "steps: 5, note: \"a, b\",")), "note"),
              ElementsAre("a, b"));
}

TEST_F(PlanTest, TheRecordHoldsTheFileAfterOverlays) {
  const auto record =
      plan(replaced(kExperiment, "suite:", "paper: {figure: \"2(b)\", claims: [C1, C3]}\nsuite:"), {.scale = "desk"})
          .experiment;
  EXPECT_EQ(record.name, "toy-exp");
  EXPECT_EQ(record.spec["paper"], (Json{{"figure", "2(b)"}, {"claims", {"C1", "C3"}}}));
  EXPECT_EQ(record.spec["defaults"]["steps"], 50);
  EXPECT_EQ(record.spec["grid"]["seed"], Json::parse("[0, 1, 2, 3]"));
  EXPECT_EQ(record.cells[0].point, (std::map<std::string, std::string>{{"auxiliary", "frozen"}, {"seed", "0"}}));
}

TEST_F(PlanTest, SpecsAreFoundByNameAndByPath) {
  for (const std::string name : {"b", "a"}) std::ofstream(folder_ / (name + ".yaml")) << kExperiment;
  EXPECT_THAT(list_specs({folder_ / "missing", folder_}), ElementsAre(folder_ / "a.yaml", folder_ / "b.yaml"));
  EXPECT_EQ(find_spec("b", {folder_}), folder_ / "b.yaml");
  const std::string path = folder_ / "a.yaml";
  EXPECT_EQ(find_spec(path, {}), path);
  EXPECT_THROW(find_spec("c", {folder_}), UserError);
}

TEST_F(PlanTest, AScaleTheGridOrAnOverrideNamesAnotherSuite) {
  auto other = catalog_.suites[1];
  other.name = "toy/two";
  other.prerequisite.clear();
  other.table.settings.push_back(int_setting("extra", 1, 0, 9, ""));
  catalog_.suites.push_back(other);
  const auto suites_of = [](const Plan& plan) {
    std::vector<std::string> out;
    for (const auto& cell : plan.cells)
      if (!cell.is_prerequisite) out.push_back(cell.config.suite);
    return out;
  };
  const std::string both =
      "name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ngrid: {suite: [toy, toy/two], extra: 3}\n";
  const auto plan_both = plan(both);
  EXPECT_THAT(suites_of(plan_both), ElementsAre("toy", "toy/two"));
  EXPECT_THAT(labels(plan_both), ElementsAre("SGD suite=toy", "SGD suite=toy/two extra=3"));
  EXPECT_EQ(plan_both.experiment.cells[1].point.at("suite"), "toy/two");
  EXPECT_EQ(plan_both.primary_metric, "evaluation/test/accuracy");
  // The suite alone is no part of a cell twice: the same cells as of a file that names it.
  EXPECT_EQ(plan_both.cells.back().id, plan("name: f\nsuite: toy/two\ndefaults: {extra: 3}\n"
                                            "arms:\n  S: {optimizer: sgd}\n")
                                           .cells.back()
                                           .id);
  EXPECT_THAT(suites_of(plan_with(both, {"suite=toy/two"})), ElementsAre("toy/two"));
  const std::string scaled =
      "name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\nscales:\n  quick: {}\n  paper: {suite: toy/two, extra: "
      "2}\n";
  EXPECT_THAT(suites_of(plan(scaled)), ElementsAre("toy"));
  const auto paper = plan(scaled, {.scale = "paper"});
  EXPECT_THAT(suites_of(paper), ElementsAre("toy/two"));
  EXPECT_EQ(paper.experiment.spec.at("suite"), "toy/two");
  EXPECT_THAT(labels(plan(both, {.exclude = {"suite=toy"}})), ElementsAre("SGD suite=toy/two extra=3"));
}

TEST_F(PlanTest, AnUnknownSuiteIsNamedWhereverItStands) {
  const std::string text = "name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\ngrid: {suite: [toy, toi]}\n";
  EXPECT_THAT(error_of(text), HasSubstr("exp.yaml:5"));
  EXPECT_THAT(error_of(text), HasSubstr("toi"));
  EXPECT_THAT(error_of(replaced(text, "[toy, toi]", "lin:0..1")), HasSubstr("a list of names, not a range"));
}

}  // namespace
}  // namespace pionbench
