#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

/// What a run's events come to when what a resumed attempt does again is taken back.
struct Curve {
  std::vector<std::string> values;     ///< metrics, evaluations, spectra: everything but when
  std::map<std::string, int> clocked;  ///< "<phase> <step>" -> how often it is in a clock
  int attempts = 0;
  std::vector<std::int64_t> resumed_from;
  std::set<std::string> phases;
};

Curve curve_of(const fs::path& run) {
  std::vector<Json> kept;
  Curve out;
  std::ifstream in(run / "events.jsonl");
  for (std::string line; std::getline(in, line);) {
    Json event = Json::parse(line);
    if (event["type"] == "run_started") {
      ++out.attempts;
      if (event.contains("resumed_from")) {
        const std::int64_t from = event["resumed_from"];
        out.resumed_from.push_back(from);
        std::erase_if(kept, [&](const Json& e) { return e["seq"] > from; });
      }
    }
    kept.push_back(std::move(event));
  }
  for (auto& event : kept) {
    const std::string type = event["type"];
    if (type == "phase") {
      out.phases.insert(event["name"]);
      // Set-up and saving are of an attempt, not of the run.
      if (event["name"] == "train" || event["name"] == "evaluate" || event["name"] == "probe")
        ++out.clocked[event["name"].get<std::string>() + " " + event["step"].dump()];
    }
    if (type != "metric" && type != "evaluation" && type != "spectral" && type != "run_finished") continue;
    event.erase("t");
    event.erase("seq");
    out.values.push_back(event.dump());
  }
  return out;
}

constexpr const char* kLongerExperiment = R"(name: resume
suite: rlvr/arith
defaults:
  lr: 1e-3
  steps: 24
  eval_every: 5
  probe_every: 6
  prompts: 4
  samples: 4
  mini_batches: 2
  max_new_tokens: 6
  hidden: 16
  layers: 1
  query_heads: 2
  kv_heads: 1
  head_dim: 8
  ffn: 16
  train_problems: 64
  validation_problems: 4
  test_problems: 4
  warm_steps: 60
  warm_batch: 8
arms:
  AdamW: {optimizer: adamw}
  Pion: {optimizer: pion, preset: pion-rl, heads: per-head}
  Muon: {optimizer: muon}
)";

class Resume : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    write("resume.yaml", kLongerExperiment);
    const auto first = pionbench("run resume.yaml");
    ASSERT_EQ(first.code, 0) << first.output << first.errors;
  }

  /// The folders of finished runs, by "<suite> <optimizer>".
  std::map<std::string, fs::path> finished() const {
    std::map<std::string, fs::path> out;
    for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
      const auto config = Json::parse(slurp(run.path() / "run.json"))["config"];
      out[config["suite"].get<std::string>() + " " + config["optimizer"].get<std::string>()] = run.path();
    }
    return out;
  }

  fs::path copy_request(const fs::path& run, const std::string& name, int attempt = 1, int accumulation = 1) const {
    auto request = Json::parse(slurp(run / "run.json"));
    request["attempt"] = attempt;
    request["accumulation"] = accumulation;
    const fs::path folder = folder_ / name;
    fs::create_directories(folder);
    std::ofstream(folder / "run.json") << request.dump();
    return folder;
  }

  /// One attempt that is sent `signal` as soon as its events hold `mark`.
  Result attempt(const fs::path& folder, const std::string& signal, const std::string& mark,
                 const std::string& checkpoint_seconds) const {
    return shell("export PIONBENCH_CHECKPOINT_SECONDS=" + checkpoint_seconds + "; " +
                 (bin() / "pionbench-worker").string() + " run " + folder.string() + " & worker=$!; until grep -q '" +
                 mark + "' " + (folder / "events.jsonl").string() +
                 " 2>/dev/null || ! kill -0 $worker 2>/dev/null; do sleep 0.002; done; kill -" + signal +
                 " $worker; wait $worker");
  }
  Result to_the_end(const fs::path& folder) const {
    return shell((bin() / "pionbench-worker").string() + " run " + folder.string());
  }
};

struct Blow {
  const char* signal;
  int code;
  const char* seconds;  ///< between checkpoints
};

TEST_F(Resume, ACurveIsBitIdenticalWhereverTheRunWasStopped) {
  const Blow blows[] = {{"TERM", 75, "1000"}, {"USR2", 75, "1000"}, {"KILL", 137, "0"}};
  for (const auto& [name, whole] : finished()) {
    const auto expected = curve_of(whole);
    ASSERT_EQ(expected.attempts, 1);
    int number = 0;
    for (const auto& blow : blows) {
      SCOPED_TRACE(name + " " + blow.signal);
      const std::string mark = R"("step":\(5\|10\|20\),"steps")";
      const auto folder = copy_request(whole, std::to_string(++number) + whole.filename().string());
      const auto first = attempt(folder, blow.signal, mark, blow.seconds);
      ASSERT_EQ(first.code, blow.code) << first.errors;
      const std::int64_t stopped_at = static_cast<std::int64_t>(curve_of(folder).values.size());
      copy_request(whole, folder.filename().string(), 2);
      const auto second = to_the_end(folder);
      ASSERT_EQ(second.code, 0) << second.errors;
      EXPECT_EQ(second.errors, "");
      const auto got = curve_of(folder);
      EXPECT_EQ(got.values, expected.values) << "stopped after " << stopped_at << " values";
      EXPECT_EQ(got.clocked, expected.clocked) << "every step is once in the clock";
      EXPECT_EQ(got.attempts, 2);
      if (blow.code == 75) {
        EXPECT_GE(got.resumed_from.at(0), 0) << "it went on, and did not start over";
      }
    }
  }
}

TEST_F(Resume, ADamagedCheckpointIsNamedAndTheRunStartsOver) {
  const auto whole = finished().at("rlvr/arith pion");
  const auto folder = copy_request(whole, "damaged", 2);
  std::ofstream(folder / "checkpoint.pt") << "not an archive";
  const auto result = to_the_end(folder);
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("checkpoint.pt cannot be read"));
  EXPECT_THAT(result.errors, HasSubstr("starting over"));
  EXPECT_EQ(curve_of(folder).resumed_from.at(0), -1);
  EXPECT_EQ(curve_of(folder).values, curve_of(whole).values);
}

TEST_F(Resume, SplittingAnUpdateKeepsItsEffectiveBatch) {
  int compared = 0;
  for (const auto& [name, whole] : finished()) {
    SCOPED_TRACE(name);
    const auto folder = copy_request(whole, "split" + whole.filename().string(), 1, 2);
    const auto result = to_the_end(folder);
    ASSERT_EQ(result.code, 0) << result.errors;
    // The same mathematics, summed in another order: the first losses agree to rounding.
    const auto losses = [](const fs::path& run) {
      std::vector<double> out;
      std::ifstream in(run / "events.jsonl");
      for (std::string line; std::getline(in, line);) {
        const Json event = Json::parse(line);
        if (event["type"] == "metric" && event["values"].contains("loss")) out.push_back(event["values"]["loss"]);
      }
      return out;
    };
    const auto split = losses(folder), once = losses(whole);
    if (once.empty()) continue;  // in a run this short no group may tell its samples apart: nothing to update
    ASSERT_FALSE(split.empty());
    EXPECT_NEAR(split[0], once[0], 1e-4 * std::max(1.0, std::abs(once[0])));
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_F(Resume, AnInterruptedCommandGoesOnFromCheckpoints) {
  write("long.yaml", [] {
    std::string text = kLongerExperiment;
    text.replace(text.find("steps: 24"), 9, "steps: 400");
    return text;
  }());
  const auto stopped =
      shell((bin() / "pionbench").string() +
            " run long.yaml arm=AdamW --out two & bench=$!; until grep -qs '\"step\":[5-9],\"steps\":400' "
            "two/runs/*/events.jsonl; do sleep 0.02; done; kill -TERM $bench; wait $bench");
  EXPECT_EQ(stopped.code, 75) << stopped.output << stopped.errors;
  const auto again = shell((bin() / "pionbench").string() + " run long.yaml arm=AdamW --out two");
  EXPECT_EQ(again.code, 0) << again.output << again.errors;
  int resumed = 0;
  for (const auto& run : fs::directory_iterator(folder_ / "two/runs"))
    for (const auto from : curve_of(run.path()).resumed_from) resumed += from >= 0;
  EXPECT_GE(resumed, 1);
  EXPECT_EQ(shell((bin() / "pionbench").string() + " doctor --audit --out two").code, 0);
}

constexpr const char* kPolicies = R"(name: policies
suite: vla/object-plus
defaults: {lr: 1e-3, image_size: 12, crop: 8, patch: 4, stem_patch: 2, vision_width: 8, width: 8, vision_heads: 2, language_heads: 2,
  action_width: 8, action_heads: 2, backbone_episodes: 1, backbone_steps: 24, backbone_batch: 4, demos: 1,
  steps: 24, batch: 4, trials: 1, eval_every: 10, probe_every: 6, perturbed_tasks: 4, film_size: 16}
arms:
  Muon: {optimizer: muon, preset: pion-vla}
  Pion: {optimizer: modules, preset: pion-vla, head: flow, flow_steps: 2}
grid: {category: [none, noise]}
)";

/// Robot policies from the simulator to the store.
class Policies : public Resume {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (shell((bin() / "pionbench-vla").string() + " check").code != 0)
      GTEST_SKIP() << "no MuJoCo in this build, or no OpenGL on this machine";
    write("policies.yaml", kPolicies);
  }

  static std::vector<Json> evaluations(const fs::path& run) {
    std::vector<Json> out;
    std::ifstream in(run / "events.jsonl");
    for (std::string line; std::getline(in, line);)
      if (Json event = Json::parse(line); event["type"] == "evaluation") out.push_back(event);
    return out;
  }
};

TEST_F(Policies, RunFromSimulatorToStoreAndResumeToTheBit) {
  const auto ran = pionbench("run policies.yaml film=1");
  ASSERT_EQ(ran.code, 0) << ran.output << ran.errors;
  std::map<std::string, int> runs;
  std::map<std::string, fs::path> trained;
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
    const auto request = Json::parse(slurp(run.path() / "run.json"));
    const std::string suite = request["config"]["suite"];
    ++runs[suite];
    if (suite == "vla/object") trained[request["cell"]] = run.path();
  }
  // Data and backbone are shared; each arm is trained once for all categories.
  EXPECT_EQ(runs, (std::map<std::string, int>{
                      {"vla/backbone", 1}, {"vla/object-base", 1}, {"vla/object", 2}, {"vla/object-plus", 4}}));
  int plain = 0;
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
    const auto config = Json::parse(slurp(run.path() / "run.json"))["config"];
    if (config["suite"] != "vla/object-plus") continue;
    const auto film = Json::parse(slurp(run.path() / "artifacts/film.json"));
    ASSERT_EQ(film["episodes"].size(), 1u);
    EXPECT_EQ(film["episodes"][0]["frames"].get<int>(), film["episodes"][0]["steps"].get<int>() + 1);
    EXPECT_TRUE(fs::exists(run.path() / "artifacts" / film["episodes"][0]["file"].get<std::string>()));
    const auto mine = evaluations(run.path());
    ASSERT_EQ(mine.size(), 1u);
    if (config["settings"]["category"] != "none") {
      EXPECT_EQ(mine[0]["items"].size(), 4u);
      continue;
    }
    // What was saved is what was trained: the same episodes end the same way.
    const auto theirs = evaluations(trained.at(config["inputs"]["vla/object"]));
    EXPECT_EQ(mine[0]["items"], theirs.back()["items"]);
    ++plain;
  }
  EXPECT_EQ(plain, 2);

  int number = 0;
  for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
    const auto config = Json::parse(slurp(run.path() / "run.json"))["config"];
    if (config["suite"] != "vla/backbone" && config["suite"] != "vla/object") continue;
    SCOPED_TRACE(config["suite"].get<std::string>() + " " + config["optimizer"].get<std::string>());
    const auto expected = curve_of(run.path());
    const auto folder = copy_request(run.path(), "again" + std::to_string(++number));
    const bool killed = number % 2;
    const auto first =
        attempt(folder, killed ? "KILL" : "TERM", R"("step":\(5\|10\|20\),"steps")", killed ? "0" : "1000");
    ASSERT_EQ(first.code, killed ? 137 : 75) << first.errors;
    copy_request(run.path(), folder.filename().string(), 2);
    const auto second = to_the_end(folder);
    ASSERT_EQ(second.code, 0) << second.errors;
    const auto got = curve_of(folder);
    EXPECT_EQ(got.values, expected.values);
    EXPECT_GE(got.resumed_from.at(0), 0);
  }
  EXPECT_EQ(number, 3);
}

TEST_F(Policies, MistakesAreToldBeforeAnythingRuns) {
  const auto wrong = [&](const std::string& overrides) { return pionbench("plan policies.yaml " + overrides).errors; };
  EXPECT_THAT(wrong("category=nois"), HasSubstr("noise"));
  EXPECT_THAT(wrong("head=diffusion"), HasSubstr("l1, flow"));
  EXPECT_THAT(wrong("arms.Pion.vision=adam"), HasSubstr("adamw"));
}

}  // namespace
}  // namespace pionbench::integration
