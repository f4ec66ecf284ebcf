/// A real Slurm, real workers: twelve cells of three suites run as job arrays, are preempted, lose their controller and
/// their node, and end with the results that this machine alone has.

#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <thread>

#include "tests/integration/private_slurm.h"
#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using testing::HasSubstr;

constexpr const char* kMaps = "name: maps\nsuite: maps\nresources: {cores: 1}\ngrid: {points: [11, 21, 31, 41]}\n";
constexpr const char* kWalk =
    "name: walk\nsuite: command/walk\n%s"
    "command:\n  argv: [python3, resumable.py]\n  files: [resumable.py]\n"
    "  parameters: {steps: 40, pause: 0.05, lr: 0.1, seed: 0}\n  metric: evaluation/test/x\ngrid: {seed: 0..4}\n";

class SlurmCluster : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (const auto why = PrivateSlurm::missing(); !why.empty()) GTEST_SKIP() << why;
    write("maps.yaml", kMaps);
    std::string tiny = kTinyExperiment;  // one seed: two arms and the warm start that they share
    write("tiny.yaml", tiny.replace(tiny.find("0..1"), 4, "0") + "resources: {cores: 1}\n");
    write("resumable.py", slurp(home() / "tests/integration/resumable.py"));
    const auto walk = [](const char* resources) {
      std::string text = kWalk;
      return text.replace(text.find("%s"), 2, resources);
    };
    write("walk.yaml", walk("resources: {cores: 1}\n"));
    make_folder("gpu");
    // The same cells: what a run asks of a machine is no part of it. On the cluster each takes a GPU.
    write("gpu/walk.yaml", walk("resources: {cores: 1, gpus: 1}\n"));
    write("gpu/resumable.py", slurp(home() / "tests/integration/resumable.py"));
    write("site.yaml",
          "slurm:\n  partition: low\n  memory: 200M\n  poll_s: 0.3\n  file_delay_s: 1\n  silence_s: 5\n"
          "  signal_before_end_s: 30\n");
  }
  void make_folder(const std::string& name) const { fs::create_directories(folder_ / name); }

  /// A machine on which Slurm itself does not come up says nothing about us; "" when it is up.
  std::string why_not_up(const PrivateSlurm& slurm) const {
    if (wait_until([&] { return shell("sinfo -h -o %T").output.starts_with("idle"); })) return "";
    const auto logs = slurm.logs();
    return "Slurm does not come up here: " + logs.substr(logs.size() - std::min<std::size_t>(logs.size(), 2000));
  }

  /// Whether it came true within two minutes: the machine may be busy.
  static bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 1200; ++i) {
      if (condition()) return true;
      ::usleep(100000);
    }
    return false;
  }

  /// What the run holds in the end, event by event without clocks: of two events with one key the later holds.
  std::map<std::string, std::string> results(const fs::path& out) const {
    std::map<std::string, std::string> found;
    for (const auto& run : fs::directory_iterator(out / "runs")) {
      const auto cell = nlohmann::json::parse(slurp(run.path() / "run.json"))["cell"].get<std::string>().substr(0, 12);
      std::ifstream in(run.path() / "events.jsonl");
      for (std::string line; std::getline(in, line);) {
        const auto event = nlohmann::json::parse(line, nullptr, false);
        if (event.is_discarded()) continue;
        const std::string type = event["type"];
        if (type != "metric" && type != "evaluation" && type != "curve") continue;
        std::string key = cell + " " + type;
        for (const char* part : {"step", "split", "name", "variant"})
          if (event.contains(part)) key += " " + event[part].dump();
        found[key] = (type == "curve" ? event["y"] : event["values"]).dump();
      }
    }
    return found;
  }

  nlohmann::json status(const std::string& out) const {
    const auto result = shell((bin() / "pionbench").string() + " status --json --out " + out);
    return nlohmann::json::parse(result.output, nullptr, false);
  }
  /// The farthest step of a run of the walk that is on the node now.
  int walked() const {
    int step = 0;
    const auto now = status("cluster");
    if (now.is_discarded()) return 0;
    for (const auto& run : now["runs"])
      if (run["suite"] == "command/walk" && run["state"] == "running") step = std::max(step, run["step"].get<int>());
    return step;
  }
  /// Slurm lets a requeued job wait for two minutes; a test need not.
  void hurry() const {
    shell(
        "for j in $(squeue -h -r -t PENDING -o '%F_%K %r' | awk '$2==\"BeginTime\"{print $1}'); do "
        "scontrol update JobId=$j StartTime=now; done");
  }
  std::string attempts_text(const std::string& out) const {
    std::string text;
    for (const auto& run : fs::directory_iterator(folder_ / out / "runs")) text += slurp(run.path() / "attempts.jsonl");
    return text;
  }
};

TEST_F(SlurmCluster, TwelveCellsSurvivePreemptionAControllerAndANodeAndEqualTheLocalResults) {
  ASSERT_EQ(shell((bin() / "pionbench").string() + " run maps.yaml tiny.yaml walk.yaml --out local").code, 0);

  PrivateSlurm slurm;
  if (const auto why = why_not_up(slurm); !why.empty()) GTEST_SKIP() << why;

  Result result;
  std::thread orchestrator([&] {
    const std::string line = "cd " + folder_.string() + " && " + (bin() / "pionbench").string() +
                             " run maps.yaml tiny.yaml gpu/walk.yaml --backend slurm --site site.yaml --out cluster "
                             ">cluster.txt 2>&1";
    result.code = WEXITSTATUS(std::system(line.c_str()));
  });
  std::string trouble;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) trouble += std::string(what) + "\n";
    return holds;
  };

  // Preempted: somebody with more right wants the whole node.
  if (expect(wait_until([&] { return walked() >= 5; }), "the walk begins")) {
    const auto now = status("cluster");
    EXPECT_THAT(now.dump(), testing::ContainsRegex("\"job\":\"[0-9]+_[0-9]+\"")) << "status knows Slurm's numbers";
    EXPECT_EQ(shell("sbatch -p high --mem=100 -c 4 -o /dev/null --wrap 'sleep 0.5'").code, 0);
    expect(wait_until([&] { return attempts_text("cluster").find("\"preempted\"") != std::string::npos; }),
           "a run is preempted");
  }
  // The controller dies without a word, and comes back.
  slurm.kill_controller();
  ::usleep(500000);
  slurm.start_controller();
  expect(wait_until([&] {
           hurry();
           return walked() >= 12;
         }),
         "the walk goes on after the preemption");
  // The node is gone with all that ran there.
  slurm.kill_node();
  shell("scontrol update nodename=" + slurm.host() + " state=down reason=test");
  slurm.start_node();
  expect(wait_until([&] { return attempts_text("cluster").find("its node failed") != std::string::npos; }),
         "the loss is noticed");
  shell("scontrol update nodename=" + slurm.host() + " state=resume");

  std::atomic<bool> over{false};
  std::thread impatience([&] {
    while (!over) {
      hurry();
      ::usleep(500000);
    }
  });
  orchestrator.join();
  over = true;
  impatience.join();
  ASSERT_EQ(result.code, 0) << slurp(folder_ / "cluster.txt") << slurm.logs();
  EXPECT_EQ(trouble, "") << slurp(folder_ / "cluster.txt");

  EXPECT_EQ(results(folder_ / "cluster"), results(folder_ / "local"));
  EXPECT_EQ(shell((bin() / "pionbench").string() + " store verify --out cluster").code, 0);
  const auto audit = shell((bin() / "pionbench").string() + " doctor --audit --out cluster");
  EXPECT_EQ(audit.code, 0) << audit.output << audit.errors;
  const auto final = status("cluster");
  std::map<std::string, int> cells;
  bool resumed = false;
  for (const auto& run : final["runs"]) {
    if (run["state"] == "done") ++cells[run["cell"]];
    resumed = resumed || (run["state"] == "done" && run["attempts"].get<int>() > 1);
  }
  EXPECT_EQ(cells.size(), 12u);
  for (const auto& [cell, n] : cells) EXPECT_EQ(n, 1) << cell << " was run to its end twice";
  EXPECT_TRUE(resumed);
  // Every walk had one GPU of its own, nobody else had any.
  for (const auto& run : fs::directory_iterator(folder_ / "cluster/runs")) {
    const auto events = slurp(run.path() / "events.jsonl");
    if (events.find("\"cuda\"") != std::string::npos) {
      EXPECT_THAT(events, testing::ContainsRegex("\"cuda\": \"[01]\"")) << run.path();
    }
  }
}

TEST_F(SlurmCluster, StopEndsJobsInTheQueueAndOnTheNodeAndTheSameCommandGoesOn) {
  PrivateSlurm slurm;
  if (const auto why = why_not_up(slurm); !why.empty()) GTEST_SKIP() << why;
  const std::string command = (bin() / "pionbench").string() +
                              " run gpu/walk.yaml steps=2000 seed=0..2 --backend slurm --site site.yaml --out cluster";
  std::thread orchestrator([&] { shell("exec " + command); });
  ASSERT_TRUE(wait_until([&] { return walked() >= 2; }));
  const auto other = shell((bin() / "pionbench").string() + " run walk.yaml --backend local --out cluster");
  EXPECT_EQ(other.code, 75) << "the folder is in use";
  const auto stopped = shell((bin() / "pionbench").string() + " stop --all --site site.yaml --json --out cluster");
  orchestrator.join();
  EXPECT_EQ(stopped.code, 0) << stopped.output << stopped.errors;
  EXPECT_EQ(nlohmann::json::parse(stopped.output)["stopped"].size(), 3u) << stopped.output;
  EXPECT_EQ(shell("squeue -h").output, "");
  int interrupted = 0;
  for (const auto now = status("cluster"); const auto& run : now["runs"]) interrupted += run["state"] == "interrupted";
  EXPECT_EQ(interrupted, 3);
}

}  // namespace
}  // namespace pionbench::integration
