#include <gmock/gmock.h>

#include "tests/cli/sandbox.h"

namespace pionbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using SweepCli = CliTest;

TEST_F(SweepCli, HalvingRunsRungByRungAndReportsWhatItStopped) {
  const std::string line = "run exp halving.from=4 halving.eta=3 arm=SGD";
  const auto first = pb(line);
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.errors, HasSubstr("rung 1 of 4, steps=4: 2 of 6 go on"));
  EXPECT_THAT(first.output, AllOf(HasSubstr("goes on"), HasSubstr("SGD lr=4"), HasSubstr("stopped  ")));
  // Two warm starts; two seeds of 6, 2, 1 and 1 candidates.
  EXPECT_EQ(runs(), 2u + 2 * (6 + 2 + 1 + 1));

  const auto again = pb_json(line);
  EXPECT_EQ(runs(), 22u) << "a second time there is nothing to run";
  EXPECT_EQ(again["already"], 22);
  const auto& rungs = again["sweeps"][0]["halving"]["rungs"];
  ASSERT_EQ(rungs.size(), 4u);
  int stopped = 0;
  for (const auto& candidate : rungs[0]["candidates"]) stopped += candidate["stopped"].get<bool>();
  EXPECT_EQ(stopped, 4);
  EXPECT_EQ(pb_json("plan exp halving.from=4 arm=SGD")["to_run"], 0);
}

TEST_F(SweepCli, OneCellAloneIsRunWithWhatItNeeds) {
  const auto cells = pb_json("plan exp")["cells"];
  const auto& last = cells.back();
  const std::string line = " --cell " + last["id"].get<std::string>().substr(0, 12);
  EXPECT_EQ(pb_json("plan exp" + line)["cells"].size(), 1 + last["needs"].size());
  EXPECT_EQ(pb_json("run exp --dry-run" + line)["to_run"].size(), 1 + last["needs"].size());
  EXPECT_EQ(runs(), 0u);
  EXPECT_EQ(pb_json("run exp" + line)["done"], 1 + last["needs"].size());
  EXPECT_EQ(runs(), 1 + last["needs"].size());
  const auto wrong = pb("run exp --cell nothing");
  EXPECT_EQ(wrong.code, 64) << wrong.errors;
  EXPECT_THAT(wrong.errors, HasSubstr("no cell of the plan begins so"));
}

TEST_F(SweepCli, AFailedCandidateIsTriedOnceARunAndThenJudgedBehind) {
  std::filesystem::create_directories(folder_ / "out");
  write("out/broken", "");
  const auto first = pb_json("run exp halving.from=4 halving.eta=2 halving.resource=steps arm=SGD seed=0", 1);
  EXPECT_EQ(first["failed"].size(), 1u);
  const auto& candidates = first["sweeps"][0]["halving"]["rungs"][0]["candidates"];
  EXPECT_EQ(candidates.back()["label"], "SGD lr=3");
  EXPECT_EQ(candidates.back()["reason"], "failed");
  std::filesystem::remove(folder_ / "out/broken");
  const auto second = pb_json("run exp halving.from=4 halving.eta=2 arm=SGD seed=0");
  EXPECT_TRUE(second["failed"].empty());
  EXPECT_NE(second["sweeps"][0]["halving"]["rungs"][0]["candidates"].back()["label"], "SGD lr=3");
}

TEST_F(SweepCli, UntilAddsSeedsAndTheCapIsAnOption) {
  const auto done = pb_json("run exp lr=4 arm=SGD width=400 --until 'ci<=0.02' --max-seeds 30");
  const auto& group = done["sweeps"][0]["until"]["candidates"][0];
  EXPECT_EQ(group["state"], "reached");
  EXPECT_GT(group["seeds"], 5);
  EXPECT_LE(group["half_width"], 0.02);
  const auto capped = pb_json("run exp lr=4 arm=SGD width=400 until=ci\\<=0.02 max_seeds=4");
  EXPECT_EQ(capped["sweeps"][0]["until"]["candidates"][0]["state"], "at the cap");
  EXPECT_EQ(capped["done"], 0) << "the same seeds: they are there";
}

TEST_F(SweepCli, ASearchFromTheCommandLineRunsItsBudget) {
  const auto done = pb_json("run exp lr=log:0.1..9 search.budget=5 seed=0 arm=Muon");
  EXPECT_EQ(done["done"], 6) << "5 points and a warm start";
  EXPECT_EQ(pb_json("plan exp lr=log:0.1..9 search.budget=8 seed=0 arm=Muon")["to_run"], 3) << "a larger budget adds";
}

TEST_F(SweepCli, AnotherOrderAndOneMoreArmRunNothingAgain) {
  ASSERT_EQ(pb("run exp seed=0 lr=1,2").code, 0);
  const auto before = runs();
  write("exp.yaml", R"(name: renamed
suite: toy
scales: {desk: {steps: 400}, quick: {steps: 40}}
grid: {seed: 0..1, lr: [6, 5, 4, 3, 2, 1]}
arms:
  Third: {optimizer: pion}
  M: {optimizer: muon}
  Plain: {optimizer: sgd}
)");
  const auto plan = pb_json("plan exp seed=0 lr=2,1");
  EXPECT_EQ(plan["done"], static_cast<int>(before));
  EXPECT_EQ(plan["to_run"], 2) << "the new arm's";
}

TEST_F(SweepCli, OneOptimizersNewVersionMakesOnlyItsCellsStale) {
  ASSERT_EQ(pb("run exp seed=0 lr=1,2").code, 0);
  Catalog catalog = fixture_catalog();
  ++catalog.optimizers[1].version;  // muon
  set_catalog(catalog);
  const auto plan = pb_json("plan exp seed=0 lr=1,2");
  EXPECT_EQ(plan["to_run"], 2);
  for (const auto& cell : plan["cells"]) EXPECT_EQ(cell["state"] == "to run", cell["arm"] == "Muon") << cell["label"];

  std::string stale;
  for (const auto& cell : plan["cells"])
    if (cell["state"] == "to run") stale = cell["id"];
  const auto why = pb("why " + stale.substr(0, 12) + " exp seed=0 lr=1,2");
  EXPECT_EQ(why.code, 0) << why.errors;
  EXPECT_THAT(why.output, AllOf(HasSubstr("will run: no run has this configuration"),
                                HasSubstr("the code of optimizer muon: version 2 -> 3")));
  const auto json = pb_json("why " + stale + " exp seed=0 lr=1,2");
  ASSERT_EQ(json["nearest"]["changes"].size(), 1u);
  EXPECT_EQ(json["nearest"]["changes"][0]["input"], "optimizer_version");
  EXPECT_EQ(json["will_run"], true);

  // From the other side: the run that became stale.
  const std::string old = json["nearest"]["cell"];
  const auto back = pb_json("why " + old.substr(0, 12) + ".1 exp seed=0 lr=1,2");
  EXPECT_EQ(back["cell"], old);
  EXPECT_EQ(back["will_run"], false);
  EXPECT_EQ(back["nearest"]["cell"], stale);
  EXPECT_TRUE(back["planned_in"].empty());
}

TEST_F(SweepCli, WhyReachesIntoThePrerequisite) {
  ASSERT_EQ(pb("run exp seed=0 lr=1 arm=SGD").code, 0);
  Catalog catalog = fixture_catalog();
  ++catalog.suites[0].version;  // toy/base
  set_catalog(catalog);
  const auto plan = pb_json("plan exp seed=0 lr=1 arm=SGD");
  EXPECT_EQ(plan["to_run"], 2);
  const auto why = pb_json("why " + plan["cells"].back()["id"].get<std::string>() + " exp seed=0 lr=1 arm=SGD");
  std::vector<std::string> inputs;
  for (const auto& change : why["nearest"]["changes"]) inputs.push_back(change["input"]);
  EXPECT_THAT(inputs, ElementsAre("inputs.toy/base", "inputs.toy/base.suite_version"));
}

TEST_F(SweepCli, WhyTellsWhatHoldsEachCell) {
  std::filesystem::create_directories(folder_ / "out");
  write("out/broken", "");
  ASSERT_EQ(pb("run exp seed=0 lr=1,3 arm=SGD").code, 1);
  std::map<std::string, std::string> reasons;
  const auto plan = pb_json("plan exp seed=0 lr=1..3 arm=SGD");
  for (const auto& cell : plan["cells"])
    reasons[cell["label"]] = pb_json("why " + cell["id"].get<std::string>() + " exp seed=0 lr=1..3")["reason"];
  EXPECT_THAT(reasons["SGD lr=1 seed=0"], HasSubstr("has its result (done)"));
  EXPECT_EQ(reasons["SGD lr=2 seed=0"], "no run has this configuration");
  EXPECT_THAT(reasons["SGD lr=3 seed=0"], HasSubstr("has no result (failed); a new one begins"));
}

TEST_F(SweepCli, WhyNamesWhatItDoesNotKnowAndWhatIsAmbiguous) {
  const auto unknown = pb("why zzz exp");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.errors, HasSubstr("no cell or run begins with \"zzz\""));
  std::map<char, int> firsts;
  const auto plan = pb_json("plan exp");
  for (const auto& cell : plan["cells"]) ++firsts[cell["id"].get<std::string>()[0]];
  const auto often = std::ranges::max_element(firsts, {}, [](const auto& entry) { return entry.second; });
  ASSERT_GT(often->second, 1);
  const auto ambiguous = pb(std::string("why ") + often->first + " exp");
  EXPECT_EQ(ambiguous.code, 2);
  EXPECT_THAT(ambiguous.errors, HasSubstr("is the beginning of " + std::to_string(often->second) + " cells"));
}

TEST_F(SweepCli, DryRunsChangeNothingAndSayWhatTheyWouldDo) {
  for (const std::string line : {"run exp seed=0 lr=1", "reproduce --only exp"}) {
    const auto before = files();
    const auto result = pb(line + " --dry-run");
    EXPECT_EQ(result.code, 0) << line << result.errors;
    EXPECT_THAT(result.output, HasSubstr("cells to run")) << line;
    EXPECT_EQ(files(), before) << line;
  }
  ASSERT_EQ(pb("run exp seed=0 lr=1").code, 0);
  for (const std::string line :
       {"run exp seed=0 lr=1,2", "reproduce --only exp", "report", "store rebuild", "store verify",
        "store export --csv m.csv", "status", "plan exp", "list suites", "dashboard", "serve"}) {
    const auto before = files();
    const auto result = pb(line + " --dry-run");
    EXPECT_EQ(result.code, 0) << line << result.errors;
    const auto json = pb(line + " --dry-run --json");
    EXPECT_FALSE(Json::parse(json.output, nullptr, false).is_discarded()) << line;
    EXPECT_EQ(files(), before) << line;
  }
}

TEST_F(SweepCli, AMistakeInASweepLeavesNothing) {
  for (const std::string line : {"run exp halving.from=99", "run exp lr=log:1..9", "run exp --until ci=3"}) {
    const auto result = pb(line);
    EXPECT_EQ(result.code, 64) << line;
    EXPECT_THAT(result.errors, Not(HasSubstr("terminate")));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out")) << line;
  }
}

class CompletionCli : public CliTest {
 protected:
  /// What bash offers behind `line`, through the script that it would source.
  std::vector<std::string> bash(const std::string& line) const {
    write("complete.sh", "source <(" + (integration::bin() / "pionbench").string() +
                             " completion bash)\nCOMP_LINE=$1 COMP_POINT=${#1}\n_pionbench\n"
                             "printf '%s\\n' \"${COMPREPLY[@]}\"\n");
    const auto result =
        shell(environment() + " PATH=" + integration::bin().string() + ":$PATH bash complete.sh '" + line + "'");
    std::vector<std::string> out;
    std::istringstream lines(result.output);
    for (std::string word; std::getline(lines, word);) out.push_back(word);
    EXPECT_EQ(result.errors, "");
    return out;
  }
};

TEST_F(CompletionCli, VerbsOptionsExperimentsAndSettingsComplete) {
  EXPECT_THAT(bash("pionbench re"), ElementsAre("reproduce", "retry", "repro", "report"));
  EXPECT_THAT(bash("pionbench run --sc"), ElementsAre("--scale"));
  EXPECT_THAT(bash("pionbench run --scale "), ElementsAre("quick", "desk", "paper"));
  EXPECT_THAT(bash("pionbench plan ex"), ElementsAre("exp"));
  EXPECT_THAT(bash("pionbench plan exp up"), ElementsAre("update_scale="));
  EXPECT_THAT(bash("pionbench plan exp auxiliary=f"), ElementsAre("frozen")) << "readline keeps what stands before =";
  EXPECT_THAT(bash("pionbench plan exp arm=SGD,"), ElementsAre("SGD,SGD", "SGD,Muon"));
  EXPECT_THAT(bash("pionbench run exp search.me"), ElementsAre("search.method="));
  EXPECT_THAT(bash("pionbench run exp search.method=h"), ElementsAre("halton"));
  EXPECT_THAT(bash("pionbench list op"), ElementsAre("optimizers"));
  EXPECT_THAT(bash("pionbench list optimizers p"), ElementsAre("pion"));
  EXPECT_THAT(bash("pionbench store v"), ElementsAre("verify"));
  EXPECT_THAT(bash("pionbench nonsense x"), ElementsAre(""));
}

TEST_F(CompletionCli, RunsAndCellsOfTheStoreComplete) {
  ASSERT_EQ(pb("run exp seed=0 lr=1 arm=SGD").code, 0);
  const std::string run = pb_json("status")["runs"][0]["run"];
  const auto offered = bash("pionbench why " + run.substr(0, 6));
  EXPECT_THAT(offered, testing::IsSupersetOf({run, run.substr(0, 12)}));
}

TEST_F(CompletionCli, EveryShellHasItsScript) {
  for (const std::string shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(pb("completion " + shell).output, HasSubstr("completion candidates --"));
  const auto mistake = pb("completion csh");
  EXPECT_EQ(mistake.code, 2);
  EXPECT_THAT(mistake.errors, HasSubstr("known: bash, zsh, fish"));
}

}  // namespace
}  // namespace pionbench
