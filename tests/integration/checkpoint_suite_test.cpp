/// rlvr/gsm8k and rlvr/math: a checkpoint that transformers saved, GSM8K's schema, the shipped experiment file.

#include <gmock/gmock.h>

#include <optional>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using testing::HasSubstr;

class CheckpointSuite : public Sandbox {
 protected:
  /// Saves <folder>/models/tiny; false where Python lacks transformers or tokenizers.
  bool make_checkpoint(const fs::path& corpus) const {
    if (!fs::exists(python())) return false;
    const auto made = shell(python().string() + " " + (home() / "tests/tools/tiny_checkpoint.py").string() + " " +
                            corpus.string() + " models/tiny");
    EXPECT_TRUE(made.code == 0 || made.code == 3) << made.errors;
    return made.code == 0;
  }

  /// 60 problems whose answer is a single digit, so that an untrained model hits it now and then.
  void write_problems(const std::string& name, int first) const {
    std::string text;
    for (int i = first; i < first + 60; ++i)
      text += nlohmann::json{{"question", "Ann has " + std::to_string(i) + " pens and buys some. How many?"},
                             {"answer", "She has " + std::to_string(i) + " + some.\n#### " + std::to_string(1 + i % 9)}}
                  .dump() +
              "\n";
    write(name, text);
  }

  Result run_here(const std::string& arguments) const {
    return pionbench("run gsm8k --scale quick model_path=tiny " + arguments,
                     "PIONBENCH_MODELS=$PWD/models PIONBENCH_DATA=$PWD");
  }

  /// Events of the run with this optimizer.
  std::vector<nlohmann::json> events(const std::string& optimizer) const {
    std::vector<nlohmann::json> out;
    for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) {
      if (nlohmann::json::parse(slurp(run.path() / "run.json"))["config"]["optimizer"] != optimizer) continue;
      std::ifstream in(run.path() / "events.jsonl");
      for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
    }
    return out;
  }
  std::vector<double> metric(const std::string& optimizer, const std::string& name) const {
    std::vector<double> out;
    for (const auto& event : events(optimizer))
      if (event["type"] == "metric" && event["values"].contains(name)) out.push_back(event["values"][name]);
    return out;
  }
};

constexpr const char* kNoPython = "no Python with transformers and tokenizers at PIONBENCH_PYTHON; ci/setup --parity";

TEST_F(CheckpointSuite, TrainsAndEvaluatesWhatTransformersSaved) {
  write_problems("train.jsonl", 10);
  write_problems("test.jsonl", 200);
  if (!make_checkpoint("train.jsonl")) GTEST_SKIP() << kNoPython;
  const auto result = run_here(
      "train_path=train.jsonl test_path=test.jsonl grader=gsm8k-flexible validation_problems=3 prompts=8 samples=16 "
      "snr_batches=4 micro_batch=50 max_new_tokens=24 lr=1e-2 arm=AdamW");
  ASSERT_EQ(result.code, 0) << result.output << result.errors;
  EXPECT_GT(metric("adamw", "reward").front(), 0);
  EXPECT_GT(metric("adamw", "grad_norm").front(), 0);
  EXPECT_EQ(metric("adamw", "grad_snr").size(), 1u);  // probes at step 1
  std::map<std::string, int> evaluations;
  for (const auto& event : events("adamw"))
    if (event["type"] == "evaluation") ++evaluations[event["split"].get<std::string>()];
  EXPECT_EQ(evaluations, (std::map<std::string, int>{{"test", 2}, {"validation", 2}}));
}

TEST_F(CheckpointSuite, ImitatesTheWorkedSolutionsAndItsLossFalls) {
  write_problems("train.jsonl", 10);
  write_problems("test.jsonl", 200);
  if (!make_checkpoint("train.jsonl")) GTEST_SKIP() << kNoPython;
  const auto result = run_here(
      "train_path=train.jsonl test_path=test.jsonl validation_problems=3 algorithm=sft steps=12 lr=1e-2 arm=AdamW");
  ASSERT_EQ(result.code, 0) << result.output << result.errors;
  const auto losses = metric("adamw", "loss");
  ASSERT_EQ(losses.size(), 12u);
  EXPECT_LT(losses.back(), losses.front() - 0.5);
  EXPECT_FALSE(metric("adamw", "grad_snr").empty());
}

TEST_F(CheckpointSuite, RunsOnTheRealGsm8kFiles) {
  const auto data = home() / ".." / "shared" / "data";
  if (!fs::exists(data / "gsm8k" / "train.jsonl")) GTEST_SKIP() << "no real data files beside the checkout";
  if (!make_checkpoint(data / "gsm8k" / "test.jsonl")) GTEST_SKIP() << kNoPython;
  const auto result = pionbench("run gsm8k --scale quick model_path=tiny",
                                "PIONBENCH_MODELS=$PWD/models PIONBENCH_DATA=" + data.string());
  ASSERT_EQ(result.code, 0) << result.output << result.errors;
  for (const auto* optimizer : {"adamw", "pion", "frozen"})
    EXPECT_EQ(metric(optimizer, "reward").size(), 2u) << optimizer;
}

TEST_F(CheckpointSuite, WhatIsMissingIsNamedBeforeAnythingRunsWithAPrice) {
  const auto plan = pionbench("plan gsm8k --scale paper", "PIONBENCH_MODELS= PIONBENCH_DATA=$PWD");
  EXPECT_EQ(plan.code, 0) << plan.errors;
  EXPECT_THAT(plan.output, HasSubstr("missing  Qwen/Qwen3-1.7B: no folder Qwen/Qwen3-1.7B"));
  EXPECT_THAT(plan.output, HasSubstr("hf download Qwen/Qwen3-1.7B"));
  EXPECT_THAT(plan.output, HasSubstr("missing  gsm8k/train.jsonl: no file"));
  EXPECT_THAT(plan.output, HasSubstr("GPU-hours, by arithmetic"));
  const auto priced = nlohmann::json::parse(
      pionbench("plan gsm8k --scale paper --json", "PIONBENCH_MODELS=$PWD PIONBENCH_DATA=$PWD").output);
  EXPECT_GT(priced["gpu_hours"].get<double>(), 1);
  EXPECT_EQ(priced["missing"].size(), 3u);
  const auto doctor = pionbench("doctor", "PIONBENCH_MODELS=$PWD");
  EXPECT_THAT(doctor.output, HasSubstr("Qwen/Qwen3-4B: no folder"));
}

TEST_F(CheckpointSuite, ForeignFilesAreNamedInOneLine) {
  write_problems("train.jsonl", 10);
  write_problems("test.jsonl", 200);
  if (!make_checkpoint("train.jsonl")) GTEST_SKIP() << kNoPython;
  const std::string data = "train_path=train.jsonl test_path=test.jsonl validation_problems=3 arm=AdamW ";
  const auto log = [&] {
    std::string out;
    for (const auto& run : fs::directory_iterator(folder_ / "out/runs")) out += slurp(run.path() / "stderr.log");
    return out;
  };
  const auto expect_failure = [&](const std::string& arguments, const std::string& text) {
    fs::remove_all(folder_ / "out");
    EXPECT_EQ(run_here(arguments).code, 1) << arguments;
    EXPECT_THAT(log(), HasSubstr(text)) << arguments;
  };
  expect_failure(data + "train_path=nowhere.jsonl", "setting \"train_path\" (nowhere.jsonl): no file");
  expect_failure(data + "max_prompt_tokens=3", "training prompts are longer");
  expect_failure(data + "validation_problems=50", "problems of the training file can be held back");
  write("broken.jsonl", "{\"question\": \"q\", \"answer\": \"no number\"}\n");
  expect_failure(data + "train_path=broken.jsonl", "broken.jsonl:1: field \"answer\" has no \"#### <number>\"");
  const auto config = folder_ / "models/tiny/config.json";
  auto changed = nlohmann::json::parse(slurp(config));
  changed["vocab_size"] = 100;
  std::ofstream(config) << changed;
  expect_failure(data, "config.json a vocabulary of 100: they do not belong together");
  fs::resize_file(folder_ / "models/tiny/model.safetensors", 2000);
  changed["vocab_size"] = 100000;
  std::ofstream(config) << changed;
  expect_failure(data, "model.safetensors");
}

}  // namespace
}  // namespace pionbench::integration
