/// What the probes of an RLVR run write, read back from its spool.

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

class RlvrMetrics : public Sandbox {
 protected:
  /// Events of the only RL run.
  std::vector<nlohmann::json> run(const std::string& arguments) {
    write("tiny.yaml", kTinyExperiment);
    const auto result = pionbench("run tiny.yaml seed=0 arm=Pion " + arguments);
    EXPECT_EQ(result.code, 0) << result.output << result.errors;
    std::vector<nlohmann::json> out;
    for (const auto& folder : fs::directory_iterator(folder_ / "out/runs")) {
      if (nlohmann::json::parse(slurp(folder.path() / "run.json"))["config"]["suite"] != "rlvr/arith") continue;
      std::ifstream in(folder.path() / "events.jsonl");
      for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
    }
    return out;
  }
};

TEST_F(RlvrMetrics, HeadsAreMeasuredBeforeTrainingAndInEachUpdate) {
  const auto events = run("lr=1e-2 algorithm=sft");
  std::map<std::string, int> seen;
  std::map<int, double> initial;
  double variance = -1;
  for (const auto& event : events) {
    if (event["type"] != "spectral" || event["parameter"] != "model.layers.0.self_attn.q_proj.weight") continue;
    const int head = event["head"];
    for (const auto& [name, value] : event["values"].items()) {
      ++seen[name + (head < 0 ? "" : "/head") + (event["step"] == 0 ? "@0" : "")];
      if (head >= 0 && name == "initial_weight_norm") initial[head] = value;
      if (name == "initial_head_variance") variance = value;
    }
  }
  EXPECT_EQ(seen["initial_weight_norm/head@0"], 2);
  EXPECT_EQ(seen["initial_weight_norm@0"], 1);
  // Two steps, a probe at each.
  for (const auto* name : {"update_norm/head", "displacement_norm/head"}) EXPECT_EQ(seen[name], 4) << name;
  for (const auto* name : {"update_head_variance", "displacement_head_variance", "initial_head_variance"})
    EXPECT_EQ(seen[name], 2) << name;
  const double mean = (initial[0] + initial[1]) / 2;
  EXPECT_NEAR(variance, std::pow(initial[0] - mean, 2) + std::pow(initial[1] - mean, 2), 1e-9);
}

TEST_F(RlvrMetrics, TheFirstDisplacementIsTheFirstUpdate) {
  std::map<int, double> update, displacement;
  for (const auto& event : run("lr=1e-2 algorithm=sft"))
    if (event["type"] == "spectral" && event["parameter"] == "model.layers.0.mlp.down_proj.weight" &&
        event["values"].contains("update_norm")) {
      update[event["step"]] = event["values"]["update_norm"];
      displacement[event["step"]] = event["values"]["displacement_norm"];
    }
  ASSERT_EQ(update.size(), 2u);
  EXPECT_NEAR(displacement[1], update[1], 1e-6 * update[1]);
  EXPECT_LE(displacement[2], (update[1] + update[2]) * (1 + 1e-6));
}

TEST_F(RlvrMetrics, SupervisedGradientsHaveARatioAtEachProbe) {
  int ratios = 0;
  for (const auto& event : run("algorithm=sft snr_batches=2"))
    ratios += event["type"] == "metric" && event["values"].contains("grad_snr");
  EXPECT_EQ(ratios, 2);
}

TEST_F(RlvrMetrics, NumbersThatDoNotFitTogetherAreRefused) {
  write("tiny.yaml", kTinyExperiment);
  const auto refused = pionbench("run tiny.yaml seed=0 arm=Pion snr_batches=3");
  EXPECT_EQ(refused.code, 64);
  EXPECT_THAT(
      refused.errors,
      testing::HasSubstr("arm Pion: settings snr_batches, prompts: got 3 and 2; the first must divide the second"));
  EXPECT_FALSE(fs::exists(folder_ / "out/runs"));
}

}  // namespace
}  // namespace pionbench::integration
