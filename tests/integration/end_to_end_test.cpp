#include <gmock/gmock.h>

#include <map>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

class EndToEnd : public Sandbox {};

TEST_F(EndToEnd, RunningTwiceTrainsOnce) {
  write("tiny.yaml", kTinyExperiment);
  const auto plan = json("plan tiny.yaml");
  EXPECT_EQ(plan["cells"].size(), 6u);  // 2 arms × 2 seeds, and a warm start per seed
  EXPECT_EQ(plan["to_run"], 6);
  EXPECT_FALSE(fs::exists(folder_ / "out")) << "plan touches nothing";

  const auto first = pionbench("run tiny.yaml");
  ASSERT_EQ(first.code, 0) << first.output << first.errors;
  EXPECT_EQ(json("plan tiny.yaml")["done"], 6);
  const auto second = pionbench("run tiny.yaml");
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "out/runs"), {}), 6);
}

TEST_F(EndToEnd, TheSameSeedGivesTheSameCurveForEveryRepetition) {
  write("tiny.yaml", kTinyExperiment);
  ASSERT_EQ(pionbench("run tiny.yaml seed=0 arm=Pion").code, 0);
  ASSERT_EQ(shell((bin() / "pionbench").string() + " run tiny.yaml seed=0 arm=Pion --out again").code, 0);
  const auto evaluations = [&](const std::string& out) {
    std::map<std::string, std::string> found;
    for (const auto& run : fs::directory_iterator(folder_ / out / "runs")) {
      std::ifstream in(run.path() / "events.jsonl");
      for (std::string line; std::getline(in, line);) {
        auto event = nlohmann::json::parse(line);
        if (event["type"] != "evaluation") continue;
        event.erase("t");
        found[run.path().filename().string()] += event.dump() + "\n";
      }
    }
    return found;
  };
  EXPECT_EQ(evaluations("out"), evaluations("again"));
  EXPECT_EQ(evaluations("out").size(), 2u);
}

TEST_F(EndToEnd, EveryEventOfARealRunFollowsTheSchema) {
  if (!fs::exists(python())) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON; ci/setup makes one";
  write("tiny.yaml", kTinyExperiment);
  ASSERT_EQ(pionbench("run tiny.yaml seed=0").code, 0);
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
    const auto check = shell(python().string() + " " + (home() / "tests/tools/validate_events.py").string() + " " +
                             (run.path() / "events.jsonl").string());
    if (check.code == 3) GTEST_SKIP() << "this Python has no jsonschema";
    EXPECT_EQ(check.code, 0) << run.path() << "\n" << check.output << check.errors;
  }
}

TEST_F(EndToEnd, ADatabaseRebuiltFromTheSpoolsEqualsTheOldOne) {
  write("tiny.yaml", kTinyExperiment);
  ASSERT_EQ(pionbench("run tiny.yaml").code, 0);
  EXPECT_EQ(pionbench("store verify").code, 0);
  const auto before = json("report")["digest"];
  fs::remove(folder_ / "out/store.sqlite");
  ASSERT_EQ(pionbench("store rebuild").code, 0);
  EXPECT_EQ(json("report")["digest"], before);
  EXPECT_EQ(pionbench("store verify").code, 0);
}

TEST_F(EndToEnd, TheMapsFigureIsByteIdenticalWhenRegenerated) {
  ASSERT_EQ(pionbench("reproduce --only fig3", "PIONBENCH_SPECS=" + (home() / "experiments/specs/paper").string()).code,
            0);
  std::map<fs::path, std::string> before;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out/report"))
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with("."))
      before[fs::relative(entry.path(), folder_)] = slurp(entry.path());
  EXPECT_TRUE(before.contains("out/report/index.html"));
  ASSERT_EQ(pionbench("report --only fig3").code, 0);
  for (const auto& [file, bytes] : before) EXPECT_EQ(slurp(folder_ / file), bytes) << file;
}

TEST_F(EndToEnd, AKilledWorkerBecomesAFailedRunAndOnlyItIsRetried) {
  write("tiny.yaml", kTinyExperiment);
  // A worker that dies for one cell as long as a marker file stands, and is the real one otherwise.
  write("worker", "#!/bin/bash\nif [ -e " + (folder_ / "broken").string() +
                      " ] && grep -q '\"optimizer\": *\"pion\"' \"$2/run.json\" && grep -q '\"seed\": *1[,}]' "
                      "\"$2/run.json\"; then\n"
                      "  echo 'about to die' >&2; kill -9 $$\nfi\nexec " +
                      (bin() / "pionbench-worker").string() + " \"$@\"\n");
  write("broken", "");
  fs::permissions(folder_ / "worker", fs::perms::owner_all);
  const std::string with_worker = "PIONBENCH_WORKER=" + (folder_ / "worker").string();
  const auto first = pionbench("run tiny.yaml", with_worker);
  EXPECT_EQ(first.code, 1) << first.output << first.errors;
  const auto status = json("status");
  int failed = 0;
  for (const auto& run : status["runs"]) {
    if (run["state"] != "failed") continue;
    ++failed;
    EXPECT_THAT(run.dump(), HasSubstr("about to die"));
  }
  EXPECT_EQ(failed, 1);

  fs::remove(folder_ / "broken");
  const auto plan = json("plan tiny.yaml");
  EXPECT_EQ(plan["to_run"], 1);
  EXPECT_EQ(pionbench("run tiny.yaml", with_worker).code, 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "out/runs"), {}), 7) << "six cells, one of them twice";
}

struct Mistake {
  const char* name;
  std::string arguments;
  int code;
  std::string says;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.arguments;
}

class Mistakes : public Sandbox, public testing::WithParamInterface<Mistake> {};
INSTANTIATE_TEST_SUITE_P(Cases, Mistakes,
                         testing::Values(Mistake{"unknown_verb", "rnu tiny.yaml", 2, "run"},
                                         Mistake{"unknown_option", "run tiny.yaml --jbos 2", 2, "--jobs"},
                                         Mistake{"missing_file", "run absent.yaml", 2, "absent.yaml"},
                                         Mistake{"unknown_key", "run typo.yaml", 64, "typo.yaml:3"},
                                         Mistake{"unknown_setting", "run tiny.yaml stesp=3", 64, "steps"},
                                         Mistake{"bad_range", "run tiny.yaml momentum=2", 64,
                                                 "allowed: real in [0, 0.999999]"},
                                         Mistake{"bad_optimizer", "run tiny.yaml optimizer=moun", 64, "muon"},
                                         Mistake{"bad_scale", "run tiny.yaml --scale qick", 2, "quick"}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Mistakes, GetOneClearMessageTheRightCodeAndLeaveNothing) {
  write("tiny.yaml", kTinyExperiment);
  write("typo.yaml", "name: typo\nsuite: rlvr/arith\ndefualts: {steps: 1}\n");
  const auto result = pionbench(GetParam().arguments);
  EXPECT_EQ(result.code, GetParam().code) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr(GetParam().says));
  EXPECT_THAT(result.errors, Not(HasSubstr("terminate")));
  EXPECT_LE(std::count(result.errors.begin(), result.errors.end(), '\n'), 6) << result.errors;
  EXPECT_FALSE(fs::exists(folder_ / "out/runs")) << "nothing half-written";
}

TEST_F(EndToEnd, AFullDiskIsOneClearErrorAndTheNextRunGoesOn) {
  write("tiny.yaml", kTinyExperiment);
  // A limit on file size fails writes as a full disk does; 4 blocks are less than the database needs.
  const auto full = pionbench("run tiny.yaml seed=0", "ulimit -f 4; trap '' XFSZ;");
  EXPECT_NE(full.code, 0);
  EXPECT_THAT(full.errors + full.output, Not(HasSubstr("terminate")));
  EXPECT_EQ(pionbench("run tiny.yaml seed=0").code, 0);
  EXPECT_EQ(pionbench("store verify").code, 0);
}

TEST_F(EndToEnd, AnOutFolderThatCannotBeMadeIsNamed) {
  write("tiny.yaml", kTinyExperiment);
  write("file", "");
  const auto result = shell((bin() / "pionbench").string() + " run tiny.yaml --out file/out");
  EXPECT_EQ(result.code, 70) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("file/out"));
}

TEST_F(EndToEnd, AFileThatIsNoDatabaseIsNamedAndKept) {
  fs::create_directories(folder_ / "out");
  write("out/store.sqlite",
        "this is no database, and long enough that SQLite looks at its header before it believes it.......");
  const auto before = slurp(folder_ / "out/store.sqlite");
  const auto result = pionbench("status");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.errors, HasSubstr("store.sqlite"));
  EXPECT_EQ(slurp(folder_ / "out/store.sqlite"), before);
}

TEST_F(EndToEnd, EveryVerbHasHelpWithAnExample) {
  const auto all = shell((bin() / "pionbench").string() + " --help");
  for (const char* verb : {"reproduce", "plan", "run", "status", "why", "report", "claims", "compare", "gate", "bench",
                           "dashboard", "serve", "list", "doctor", "store", "completion"}) {
    EXPECT_THAT(all.output, HasSubstr(verb));
    const auto help = shell((bin() / "pionbench").string() + " " + verb + " --help");
    EXPECT_EQ(help.code, 0) << verb;
    EXPECT_THAT(help.output, HasSubstr("pionbench " + std::string(verb))) << verb;
  }
}

TEST_F(EndToEnd, ListKnowsWhatTheWorkerKnows) {
  const auto optimizers = json("list optimizers");
  std::vector<std::string> names;
  for (const auto& item : optimizers["items"]) names.push_back(item["name"]);
  EXPECT_THAT(names, testing::IsSupersetOf({"adamw", "muon", "pion", "frozen"}));
  EXPECT_THAT(json("list suites").dump(), HasSubstr("rlvr/arith"));
}

class WorkerContract : public Sandbox {
 protected:
  Result worker(const std::string& run_json) const {
    fs::create_directories(folder_ / "run");
    write("run/run.json", run_json);
    return shell((bin() / "pionbench-worker").string() + " run run");
  }
  static std::string maps(const std::string& settings) {
    return R"({"schema":1,"run":"r.1","cell":"c","config":{"suite":"maps","suite_version":1,"optimizer":"","optimizer_version":0,"settings":)" +
           settings + R"(,"hyper":{},"inputs":{}},"inputs":{},"attempt":1,"threads":1})";
  }
};

TEST_F(WorkerContract, BadRequestsExit64WithTheReason) {
  const auto broken = worker("{");
  EXPECT_EQ(broken.code, 64);
  EXPECT_THAT(broken.errors, HasSubstr("not valid JSON"));
  const auto empty = worker("{}");
  EXPECT_EQ(empty.code, 64);
  EXPECT_THAT(empty.errors, HasSubstr("not a run request"));
  const auto device = worker(maps(R"({"points":3,"map_steps":2,"device":"cdua"})"));
  EXPECT_EQ(device.code, 64);
  EXPECT_THAT(device.errors, HasSubstr("allowed: cpu, cuda, cuda:<n>"));
}

TEST_F(WorkerContract, CudaWithoutADeviceSaysWhatToDo) {
  const auto result = worker(maps(R"({"points":3,"map_steps":2,"device":"cuda"})"));
  if (result.code == 0) GTEST_SKIP() << "this machine has a CUDA device";
  EXPECT_EQ(result.code, 64);
  EXPECT_THAT(result.errors, HasSubstr("sees no CUDA device; use device=cpu"));
}

TEST_F(WorkerContract, AFinishedRunEndsWithRunFinished) {
  const auto result = worker(maps(R"({"points":3,"map_steps":2})"));
  EXPECT_EQ(result.code, 0) << result.errors;
  const auto events = slurp(folder_ / "run/events.jsonl");
  EXPECT_THAT(events, HasSubstr("run_started"));
  EXPECT_THAT(events.substr(events.rfind('\n', events.size() - 2)), HasSubstr("run_finished"));
}

TEST_F(WorkerContract, SigtermEndsARunWith75) {
  write("tiny.yaml", kTinyExperiment);
  ASSERT_EQ(pionbench("run tiny.yaml seed=0 arm=AdamW").code, 0);
  // The finished warm start's request with very many steps: it can only end by the signal.
  fs::path sft;
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs"))
    if (nlohmann::json::parse(slurp(run.path() / "run.json"))["config"]["suite"] == "rlvr/arith-sft") sft = run.path();
  auto request = nlohmann::json::parse(slurp(sft / "run.json"));
  request["config"]["settings"]["warm_steps"] = 1000000;
  fs::create_directories(folder_ / "long");
  write("long/run.json", request.dump());
  const auto result =
      shell((bin() / "pionbench-worker").string() +
            " run long & worker=$!; until grep -q '\"train\"' long/events.jsonl 2>/dev/null; do sleep 0.05; done; "
            "kill -TERM $worker; wait $worker");
  EXPECT_EQ(result.code, 75) << result.errors;
  EXPECT_THAT(slurp(folder_ / "long/events.jsonl"), Not(HasSubstr("run_finished")));
}

}  // namespace
}  // namespace pionbench::integration
