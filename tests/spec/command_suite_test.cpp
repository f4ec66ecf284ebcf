#include "harness/spec/command_suite.h"

#include <gmock/gmock.h>

#include "harness/spec/config_diff.h"
#include "harness/spec/placeholders.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kHead = "name: mine\nsuite: command/mlp\n";
constexpr const char* kBlock =
    "command:\n  argv: [python3, train.py, '--lr={lr}']\n  env: {SEED: '{seed}'}\n  files: [train.py]\n"
    "  parameters: {optimizer: sgd, lr: 0.1, steps: 100, warm: true, seed: 0}\n  metric: evaluation/test/accuracy\n";

class CommandSuiteTest : public PlanTest {
 protected:
  void SetUp() override {
    PlanTest::SetUp();
    write_file_atomic(folder_ / "train.py", "print(1)\n");
  }
  std::string id_of(const std::string& more = "", const std::string& block = kBlock) const {
    return plan(kHead + block + more).cells.at(0).id;
  }
};

TEST_F(CommandSuiteTest, DeclaresItsParametersAndSweepsThemLikeSettings) {
  const auto made = plan(kHead + std::string(kBlock) +
                         "arms:\n  SGD: {optimizer: sgd}\n  Muon: {optimizer: muon, lr: 0.02}\ngrid: {seed: 0..1}\n");
  ASSERT_EQ(made.cells.size(), 4u);
  EXPECT_EQ(made.primary_metric, "evaluation/test/accuracy");
  const auto& muon = made.cells[2];
  EXPECT_EQ(muon.label, "Muon seed=0");
  EXPECT_EQ(muon.config.suite, "command/mlp");
  EXPECT_EQ(muon.config.optimizer, "") << "the optimizer is the program's own word";
  EXPECT_EQ(get_text(muon.config.settings, "optimizer"), "muon");
  EXPECT_DOUBLE_EQ(get_real(muon.config.settings, "lr"), 0.02);
  EXPECT_EQ(get_bool(muon.config.settings, "warm"), true);
  EXPECT_EQ(muon.working_dir, folder_);
}

TEST_F(CommandSuiteTest, ItsIdentityIsTheCommandTheParametersAndTheNamedFiles) {
  const std::string before = id_of();
  EXPECT_EQ(id_of("title: another title\n"), before);
  EXPECT_NE(id_of("defaults: {lr: 0.2}\n"), before);
  std::string other = kBlock;
  other.replace(other.find("--lr"), 4, "--rate");
  EXPECT_NE(id_of("", other), before);
  write_file_atomic(folder_ / "unnamed.py", "print(2)\n");
  EXPECT_EQ(id_of(), before) << "what is not named is not watched";
  write_file_atomic(folder_ / "train.py", "print(2)\n");
  EXPECT_NE(id_of(), before);
  write_file_atomic(folder_ / "train.py", "print(1)\n");
  EXPECT_EQ(id_of(), before);
}

TEST_F(CommandSuiteTest, WhatTellsTwoCellsApartNamesTheFileThatWasEdited) {
  const auto before = plan(kHead + std::string(kBlock)).cells.at(0).config;
  write_file_atomic(folder_ / "train.py", "print(2)\n");
  const auto after = plan(kHead + std::string(kBlock)).cells.at(0).config;
  const auto changes = config_diff(before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].input, "settings.command.files.train.py");
  EXPECT_EQ(changes[0].from.size(), 64u) << "a SHA-256";
  EXPECT_NE(changes[0].from, changes[0].to);
}

TEST_F(CommandSuiteTest, AMovedProjectIsTheSameProject) {
  const std::string before = id_of();
  make_directories(folder_ / "moved");
  write_file_atomic(folder_ / "moved/train.py", "print(1)\n");
  write_file_atomic(folder_ / "moved/exp.yaml", std::string(kHead) + kBlock);
  EXPECT_EQ(make_plan(folder_ / "moved/exp.yaml", catalog_, {}).cells.at(0).id, before);
}

TEST_F(CommandSuiteTest, AFolderStandsForAllFilesBelowItButHiddenOnes) {
  write_file_atomic(folder_ / "lib/a.py", "a");
  write_file_atomic(folder_ / "lib/sub/b.py", "b");
  std::string block = kBlock;
  block.replace(block.find("[train.py]"), 10, "[lib]");
  const std::string before = id_of("", block);
  write_file_atomic(folder_ / "lib/.git/index", "x");
  write_file_atomic(folder_ / "lib/__pycache__/a.pyc", "x");
  EXPECT_EQ(id_of("", block), before);
  write_file_atomic(folder_ / "lib/sub/b.py", "c");
  EXPECT_NE(id_of("", block), before);
}

TEST_F(CommandSuiteTest, AnExperimentMayBeGivenAsItsOwnText) {
  const std::string text =
      R"({"name":"mine","suite":"command/mlp","command":{"argv":["python3","train.py","--lr={lr}"],)"
      R"("env":{"SEED":"{seed}"},"files":["train.py"],"working_dir":")" +
      folder_.string() + R"(","parameters":{"optimizer":"sgd","lr":0.1,"steps":100,"warm":true,"seed":0}}})";
  EXPECT_EQ(make_plan(find_spec(text, {}), catalog_, {}).cells.at(0).id, id_of());
}

TEST_F(CommandSuiteTest, MistakesAreNamedWithTheirLine) {
  const auto error = [&](const std::string& text) { return error_of(text); };
  EXPECT_THAT(error("name: m\nsuite: command\n"), HasSubstr("exp.yaml:2: the key \"command\" is missing"));
  EXPECT_THAT(error("name: m\nsuite: maps\ncommand: {argv: [x]}\n"), HasSubstr("belongs to the suite \"command\""));
  EXPECT_THAT(error("name: m\nsuite: command/a b\ncommand: {argv: [x]}\n"), HasSubstr("a name of letters"));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand: {parameters: {a: 1}}\n"), HasSubstr("argv is missing"));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand: {argv: [x], file: [y]}\n"),
              HasSubstr("did you mean \"files\"?"));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand: {argv: [x], files: [gone.py]}\n"),
              HasSubstr("there is no file \"gone.py\" in " + folder_.string()));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand:\n  argv: [x, '{stesp}']\n  parameters: {steps: 3}\n"),
              HasSubstr("did you mean \"steps\"?"));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand: {argv: [x], parameters: {suite: 1}}\n"),
              HasSubstr("\"suite\" is reserved"));
  EXPECT_THAT(error(std::string(kHead) + kBlock + "defaults: {stpes: 3}\n"), HasSubstr("did you mean \"steps\"?"));
  EXPECT_THAT(error(std::string(kHead) + kBlock + "defaults: {steps: 0.5}\n"), HasSubstr("steps"));
  EXPECT_THAT(error("name: m\nsuite: command\ncommand: {argv: [x], working_dir: gone}\n"), HasSubstr("no folder"));
}

TEST(Placeholders, AreFilledAndBracesCanBeWritten) {
  EXPECT_EQ(filled("a{x}b{{y}}", [](const std::string& name) { return "<" + name + ">"; }), "a<x>b{y}");
  EXPECT_THAT(placeholders_of("{a} and {b}"), ElementsAre("a", "b"));
  EXPECT_THROW(placeholders_of("{a"), UserError);
}

}  // namespace
}  // namespace pionbench
