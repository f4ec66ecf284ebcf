/// logs, stop, retry, repro, and programs of the user's own, as a user meets them.

#include <gmock/gmock.h>

#include <functional>
#include <thread>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Verbs : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    write("resumable.py", slurp(home() / "tests/integration/resumable.py"));
    write("walk.yaml",
          "name: walk\nsuite: command/walk\nresources: {cores: 1}\n"
          "command:\n  argv: [python3, resumable.py]\n  files: [resumable.py]\n"
          "  parameters: {steps: 5, pause: 0.01, lr: 0.1, seed: 0}\n  metric: evaluation/test/x\n");
  }

  /// A command in the background of a test.
  class Background {
   public:
    Background(const Verbs& test, const std::string& command)
        : thread_([this, &test, command] {
            const std::string line = "cd " + test.folder_.string() + " && exec " + command + " >background.txt 2>&1";
            const int status = std::system(line.c_str());
            code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
          }) {}
    ~Background() { join(); }
    int join() {
      if (thread_.joinable()) thread_.join();
      return code_;
    }

   private:
    int code_ = -1;
    std::thread thread_;
  };
  std::string program() const { return (bin() / "pionbench").string(); }

  static bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 1200; ++i) {
      if (condition()) return true;
      ::usleep(50000);
    }
    return false;
  }
  /// Runs that have reached `step`.
  std::vector<std::string> at_step(int step) const {
    std::vector<std::string> found;
    const auto now = json("status");
    for (const auto& run : now["runs"])
      if (run["state"] == "running" && run["step"].get<int>() >= step) found.push_back(run["run"]);
    return found;
  }
  std::map<std::string, int> states() const {
    std::map<std::string, int> counts;
    for (const auto now = json("status"); const auto& run : now["runs"]) ++counts[run["state"]];
    return counts;
  }
  std::string only_run() const { return json("status")["runs"][0]["run"]; }
};

TEST_F(Verbs, LogsShowWhatARunMeasuredAndPrinted) {
  ASSERT_EQ(pionbench("run walk.yaml").code, 0);
  const std::string run = only_run();
  const auto all = pionbench("logs " + run.substr(0, 4));
  EXPECT_EQ(all.code, 0) << all.errors;
  EXPECT_THAT(all.output, AllOf(HasSubstr("run_started"), HasSubstr("step=5"), HasSubstr("run_finished")));
  EXPECT_THAT(all.output, Not(HasSubstr("phase"))) << "what only programs read is left out";
  EXPECT_EQ(json("logs " + run + " -n 1")["events"].size(), 1u);
  const auto wrong = pionbench("logs " + run + "x");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("did you mean \"" + run + "\"?"));
}

TEST_F(Verbs, LogsFollowARunToItsEnd) {
  const Background run(*this, program() + " run walk.yaml steps=40 pause=0.02 --out out");
  ASSERT_TRUE(wait_until([&] { return !at_step(1).empty(); }));
  const auto followed = pionbench("logs -f -n 0");  // the only one that is going
  EXPECT_EQ(followed.code, 0) << followed.errors;
  EXPECT_THAT(followed.output, AllOf(HasSubstr("step=40"), HasSubstr("run_finished")));
}

TEST_F(Verbs, StoppingOneRunLeavesTheOthersAndTheSameCommandGoesOnFromItsCheckpoint) {
  const std::string command = program() + " run walk.yaml steps=60 pause=0.05 seed=0,1 -j 2 --out out";
  Background both(*this, command);
  ASSERT_TRUE(wait_until([&] { return at_step(2).size() == 2; }));
  const std::string one = at_step(2)[0];
  EXPECT_THAT(pionbench("stop " + one + " --dry-run").output, HasSubstr("would stop " + one));
  const auto stopped = pionbench("stop " + one);
  EXPECT_EQ(stopped.code, 0) << stopped.errors;
  EXPECT_EQ(both.join(), 75) << slurp(folder_ / "background.txt");
  EXPECT_EQ(states(), (std::map<std::string, int>{{"done", 1}, {"interrupted", 1}}));
  EXPECT_EQ(shell(command).code, 0);
  EXPECT_EQ(states(), (std::map<std::string, int>{{"done", 2}}));
  for (const auto now = json("status"); const auto& run : now["runs"])
    if (run["run"] == one) {
      EXPECT_EQ(run["attempts"], 2);
    }
  EXPECT_EQ(pionbench("stop " + one).code, 2) << "it is not going";
}

TEST_F(Verbs, StopAllEndsPionbenchAndItsRuns) {
  Background both(*this, program() + " run walk.yaml steps=1000 pause=0.05 seed=0,1 -j 2 --out out");
  ASSERT_TRUE(wait_until([&] { return at_step(1).size() == 2; }));
  const auto stopped = json("stop --all");
  EXPECT_EQ(stopped["stopped"].size(), 2u);
  EXPECT_EQ(both.join(), 75);
  EXPECT_EQ(states(), (std::map<std::string, int>{{"interrupted", 2}}));
  EXPECT_THAT(pionbench("stop --all").output, HasSubstr("no run is going"));
  EXPECT_EQ(pionbench("stop").code, 2);
}

TEST_F(Verbs, AProgramThatDoesNotListenIsKilledAfterTheGracePeriod) {
  write("deaf.py",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('up', 'w').close()\n"
        "time.sleep(1000)\n");
  write("deaf.yaml", "name: deaf\nsuite: command\ncommand: {argv: [python3, deaf.py]}\n");
  Background run(*this, program() + " run deaf.yaml --out out");
  ASSERT_TRUE(wait_until([&] { return fs::exists(folder_ / "up"); }));
  EXPECT_EQ(pionbench("stop " + only_run() + " --grace 0.5").code, 0);
  EXPECT_EQ(run.join(), 75);
  EXPECT_THAT(json("status")["runs"][0]["reason"].get<std::string>(), HasSubstr("SIGKILL on request"));
}

TEST_F(Verbs, ARunThatItsOrchestratorLeftBehindIsStoppedToo) {
  {
    Background run(*this, program() + " run walk.yaml steps=1000 pause=0.05 --out out");
    ASSERT_TRUE(wait_until([&] { return at_step(2).size() == 1; }));
    shell("kill -9 $(head -1 out/lock)");
  }
  EXPECT_EQ(pionbench("stop --all").code, 0);
  EXPECT_EQ(states(), (std::map<std::string, int>{{"interrupted", 1}}));
  EXPECT_EQ(pionbench("doctor --audit").code, 0);
}

TEST_F(Verbs, RetryRunsWhatFailedWithoutNamingItsExperiment) {
  write("fragile.sh",
        "#!/bin/sh\n[ -e mended ] || { echo 'the disk is full' >&2; exit 1; }\n"
        "echo '{\"seq\":0,\"t\":0,\"type\":\"run_finished\",\"status\":\"done\",\"step\":1}' "
        ">$PIONBENCH_RUN_FOLDER/events.jsonl\n");
  write("fragile.yaml",
        "name: fragile\nsuite: command\ncommand: {argv: [sh, fragile.sh], parameters: {n: 0}}\ngrid: {n: 0..1}\n");
  ASSERT_EQ(pionbench("run walk.yaml fragile.yaml").code, 1);
  EXPECT_EQ(json("retry --failed --dry-run")["cells"].size(), 2u);
  EXPECT_EQ(pionbench("retry --failed").code, 1) << "it fails again";
  write("mended", "");
  const std::string done = json("status")["runs"][0]["run"];
  const auto finished = pionbench("retry " + done);
  EXPECT_EQ(finished.code, 2);
  EXPECT_THAT(finished.errors, HasSubstr("pionbench repro " + done));
  const auto again = json("retry --failed");
  EXPECT_EQ(again["done"], 2);
  EXPECT_THAT(pionbench("retry --failed").output, HasSubstr("nothing has failed"));
  EXPECT_EQ(pionbench("retry").code, 2);
}

TEST_F(Verbs, ReproPrintsOneLineThatRunsExactlyThatRunAgain) {
  std::string tiny = kTinyExperiment;
  write("tiny.yaml", tiny);
  ASSERT_EQ(pionbench("run tiny.yaml seed=1 arm=Pion").code, 0);
  ASSERT_EQ(pionbench("run walk.yaml lr=0.25").code, 0);
  const auto line_of = [](const Result& result) { return result.output.substr(0, result.output.find('\n')); };
  const auto measured = [&](const fs::path& run) {
    std::string text;
    std::ifstream in(run / "events.jsonl");
    for (std::string line; std::getline(in, line);) {
      auto event = nlohmann::json::parse(line);
      if (event["type"] != "metric" && event["type"] != "evaluation") continue;
      event.erase("t");
      text += event.dump() + "\n";
    }
    return text;
  };
  for (const auto now = json("status"); const auto& run : now["runs"]) {
    const std::string name = run["run"];
    const auto printed = pionbench("repro " + name);
    ASSERT_EQ(printed.code, 0) << printed.errors;
    EXPECT_EQ(std::count(printed.output.begin(), printed.output.end(), '\n'), 1) << printed.output;
    const auto again = shell("PATH=" + bin().string() + ":$PATH; " + line_of(printed));
    ASSERT_EQ(again.code, 0) << printed.output << again.errors;
    const auto request = [&](const std::string& out) {
      auto json = nlohmann::json::parse(slurp(folder_ / out / "runs" / name / "run.json"));
      json.erase("inputs");  // where they lie
      return json;
    };
    EXPECT_EQ(request("repro-" + name), request("out")) << "the same cell, the same threads";
    EXPECT_EQ(measured(folder_ / ("repro-" + name) / "runs" / name), measured(folder_ / "out/runs" / name));
  }
  write("resumable.py", slurp(folder_ / "resumable.py") + "# another program now\n");
  std::string walk;
  for (const auto now = json("status"); const auto& run : now["runs"])
    if (run["suite"] == "command/walk") walk = run["run"];
  const auto changed = shell("PATH=" + bin().string() + ":$PATH; " + line_of(pionbench("repro " + walk)));
  EXPECT_EQ(changed.code, 64);
  EXPECT_THAT(changed.errors, HasSubstr("no cell of the plan begins so"));
}

TEST_F(Verbs, TheExampleOfAProgramOfOnesOwnRunsAndFollowsTheProtocol) {
  if (shell(python().string() + " -c 'import torch'").code != 0) GTEST_SKIP() << "no torch for " << python();
  const auto result = pionbench("run mlp seed=0..1 steps=60",
                                "PIONBENCH_HOME=" + home().string() + " PIONBENCH_PYTHON=" + python().string());
  ASSERT_EQ(result.code, 0) << result.output << result.errors;
  EXPECT_EQ(states(), (std::map<std::string, int>{{"done", 4}}));
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
    EXPECT_THAT(slurp(run.path() / "events.jsonl"), HasSubstr("\"accuracy\""));
    const auto check = shell(python().string() + " " + (home() / "tests/tools/validate_events.py").string() + " " +
                             (run.path() / "events.jsonl").string());
    if (check.code != 3) {
      EXPECT_EQ(check.code, 0) << check.output << check.errors;
    }
  }
}

}  // namespace
}  // namespace pionbench::integration
