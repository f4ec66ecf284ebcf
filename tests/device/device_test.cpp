/// Every suite and every optimizer away from the CPU: on a device whose memory the host cannot touch
/// (separate_device.h), in float64, where both sides round alike, so that the numbers are those of the CPU.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/files.h"
#include "experiments/rlvr/pick.h"
#include "experiments/suite.h"
#include "optim/registry.h"
#include "tests/device/separate_device.h"
#include "tests/rlvr_data/support.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

TEST(SeparateDevice, ComputesWhatTheCpuComputes) {
  torch::manual_seed(1);
  const auto a = torch::randn({3, 5}), b = torch::randn({5, 4});
  auto x = a.to(separate_device()).set_requires_grad(true);
  EXPECT_EQ(x.device(), separate_device());
  const auto y = torch::softmax(torch::matmul(x, b.to(separate_device())), -1).narrow(1, 1, 2).transpose(0, 1);
  y.pow(2).sum().backward();
  auto on_cpu = a.clone().set_requires_grad(true);
  torch::softmax(torch::matmul(on_cpu, b), -1).narrow(1, 1, 2).transpose(0, 1).pow(2).sum().backward();
  EXPECT_EQ(x.grad().device(), separate_device());
  EXPECT_TRUE(torch::equal(x.grad().cpu(), on_cpu.grad()));
}

TEST(SeparateDevice, RefusesWhatCudaRefuses) {
  const auto there = torch::ones({2, 3}, separate_device());
  EXPECT_THROW(there + torch::ones({2, 3}), c10::Error);
  EXPECT_THROW(there.index_select(0, torch::tensor({0})), c10::Error);
  EXPECT_THROW(torch::empty({3}, separate_device()).normal_(0, 1, at::detail::createCPUGenerator(1)), c10::Error);
  EXPECT_EQ((there * torch::tensor(2.0)).sum().item<double>(), 12);  // a number may come from anywhere
}

TEST(SeparateDeviceDeathTest, FaultsWhereTheHostFollowsAPointer) {
  const auto there = torch::ones({3}, separate_device());
  volatile float seen = 0;
  EXPECT_DEATH(seen = there.data_ptr<float>()[1], "host code follows a pointer");
  static_cast<void>(seen);
}

/// What a run wrote: its numbers by kind, name and step.
using Numbers = std::map<std::string, double>;

class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    torch::set_num_threads(1);
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("pionbench-" + std::string(info->name()) + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ::setenv("PIONBENCH_CHECKPOINT_SECONDS", "0", 1);  // state is written, and read back, on the device as well
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// One run of a suite. `inputs`: what finished runs left.
  Numbers run(const std::string& name, const std::string& suite, const std::string& optimizer, const Values& settings,
              const Values& hyper, torch::Device device, torch::Dtype dtype,
              const std::map<std::string, fs::path>& inputs = {}, int attempt = 1) {
    const auto& entry = find_suite(suite);
    RunRequest request;
    request.run = "test.1", request.cell = std::string(64, 'a'), request.attempt = attempt;
    request.config.suite = suite;
    request.config.optimizer = optimizer;
    request.config.settings = resolved(entry.info.table, settings);
    if (!optimizer.empty()) request.config.hyper = resolved(optim::find_optimizer(optimizer).info.table, hyper);
    for (const auto& [prerequisite, path] : inputs) request.inputs[prerequisite] = path / "artifacts";
    const auto folder = folder_ / name;
    fs::create_directories(folder / "artifacts");
    {
      EventWriter events(folder / "events.jsonl");
      Checkpoint checkpoint(request, folder, events);
      EXPECT_EQ(checkpoint.resumed_from() >= 0, attempt > 1);
      events.run_started(request.run, request.cell, attempt, {}, checkpoint.resumed_from(), checkpoint.step());
      RunContext context{request, folder, events, device, dtype, checkpoint};
      EXPECT_EQ(entry.run(context).status, RunStatus::kDone) << suite << " " << optimizer;
    }
    Numbers out;
    std::ifstream in(folder / "events.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto event = Json::parse(line);
      if (!event.contains("values")) continue;
      const auto where = event["type"].get<std::string>() + " " + event.value("split", "") +
                         event.value("parameter", "") + " " + std::to_string(event.value("head", -1)) + " " +
                         std::to_string(event["step"].get<int>()) + " ";
      for (const auto& [key, value] : event["values"].items())
        if (value.is_number()) out[where + key] = value.get<double>();
    }
    EXPECT_FALSE(out.empty()) << suite;
    return out;
  }

  /// With those of the values that the table knows.
  static Values resolved(const SettingTable& table, const Values& values) {
    Values known;
    for (const auto& [key, value] : values)
      if (table.find(key) || table.find_bundle_set(key)) known[key] = value;
    return table.resolve(known);
  }

  static void expect_near(const Numbers& got, const Numbers& expected, double relative, const std::string& what) {
    ASSERT_EQ(got.size(), expected.size()) << what;
    for (const auto& [name, value] : expected) {
      ASSERT_TRUE(got.contains(name)) << what << ": " << name;
      EXPECT_NEAR(got.at(name), value, relative * std::max(1e-6, std::abs(value))) << what << ": " << name;
    }
  }

  fs::path folder_;
};

const Values kSmallModel = {{"hidden", std::int64_t{16}},         {"layers", std::int64_t{2}},
                            {"query_heads", std::int64_t{4}},     {"kv_heads", std::int64_t{2}},
                            {"head_dim", std::int64_t{6}},        {"ffn", std::int64_t{24}},
                            {"train_problems", std::int64_t{64}}, {"validation_problems", std::int64_t{6}},
                            {"test_problems", std::int64_t{6}},   {"warm_steps", std::int64_t{12}},
                            {"warm_batch", std::int64_t{8}},      {"steps", std::int64_t{2}},
                            {"prompts", std::int64_t{4}},         {"samples", std::int64_t{4}},
                            {"mini_batches", std::int64_t{2}},    {"probe_every", std::int64_t{1}},
                            {"snr_batches", std::int64_t{2}},     {"max_new_tokens", std::int64_t{8}}};

Values with(Values values, const Values& more) {
  for (const auto& [name, value] : more) values[name] = value;
  return values;
}

TEST_F(OnDevice, DrawsTheTokensThatTheCpuDraws) {
  torch::manual_seed(2);
  const auto logits = torch::randn({400, 97}) * 2;
  std::vector<double> draws;
  for (int i = 0; i < 400; ++i) draws.push_back(i % 5 ? (i + 0.5) / 400 : rlvr::kGreedy);
  for (const auto& truncation : {rlvr::Truncation{}, rlvr::Truncation{20, 0.9, 0.01}})
    for (const double temperature : {0.0, 0.6, 1.0}) {
      const auto expected = rlvr::pick(logits, temperature, truncation, draws),
                 got = rlvr::pick(logits.to(separate_device()), temperature, truncation, draws);
      EXPECT_EQ(got.tokens, expected.tokens);
      for (std::size_t i = 0; i < got.logp.size(); ++i) EXPECT_NEAR(got.logp[i], expected.logp[i], 1e-5);
    }
}

/// GRPO, GMPO and imitation from one warm start, each beside the same run on the CPU.
class OnAnyDevice : public OnDevice {
 protected:
  Numbers warm(const std::string& name, torch::Device device, const Values& settings = {},
               torch::Dtype dtype = torch::kFloat64, int attempt = 1) {
    return run(name, "rlvr/arith-sft", "", with(kSmallModel, settings), {}, device, dtype, {}, attempt);
  }
  Numbers train(const std::string& name, const std::string& optimizer, const Values& settings, torch::Device device,
                torch::Dtype dtype = torch::kFloat64, int attempt = 1) {
    return run(name, "rlvr/arith", optimizer, with(kSmallModel, settings), {{"lr", 1e-3}}, device, dtype,
               {{"rlvr/arith-sft", folder_ / "base"}}, attempt);
  }

  void expect_rlvr_as_on_the_cpu(torch::Device device, double relative) {
    using namespace std::string_literals;
    expect_near(warm("base-there", device), warm("base", torch::kCPU), relative, "warm start");
    const std::map<std::string, Values> arms = {
        {"GRPO with KL", {{"kl_coef", 0.01}, {"micro_batch", std::int64_t{3}}}},
        {"GMPO, truncated, checkpointing",
         {{"algorithm", "gmpo"s}, {"top_p", 0.9}, {"top_k", std::int64_t{12}}, {"gradient_checkpointing", true}}},
        {"imitation", {{"algorithm", "sft"s}}}};
    for (const auto& [arm, settings] : arms) {
      const auto expected = train("cpu " + arm, "muon", settings, torch::kCPU);
      EXPECT_GT(expected.size(), 50u);
      expect_near(train("there " + arm, "muon", settings, device), expected, relative, arm);
    }
  }

  void expect_every_optimizer_as_on_the_cpu(torch::Device device, double relative) {
    warm("base", torch::kCPU);
    for (const auto& entry : optim::registry()) {
      const auto& name = entry.info.name;
      const auto expected = train("cpu " + name, name, {}, torch::kCPU);
      expect_near(train("there " + name, name, {}, device), expected, relative, name);
    }
  }

  /// The types that runs use: to the end, with numbers that are numbers.
  void expect_to_run_in(torch::Device device, torch::Dtype dtype) {
    const auto name = std::string(c10::toString(dtype));
    warm("base", device, {}, dtype);
    const auto numbers = train(name, "pion", {{"gradient_checkpointing", true}, {"kl_coef", 0.01}}, device, dtype);
    EXPECT_GT(numbers.size(), 50u) << name;
    for (const auto& [key, value] : numbers) EXPECT_TRUE(std::isfinite(value)) << name << ": " << key;
  }
};

TEST_F(OnAnyDevice, RlvrGivesTheNumbersOfTheCpu) {
  expect_rlvr_as_on_the_cpu(separate_device(), 1e-7);
}

TEST_F(OnAnyDevice, EveryOptimizerGivesTheNumbersOfTheCpu) {
  expect_every_optimizer_as_on_the_cpu(separate_device(), 1e-6);
}

TEST_F(OnAnyDevice, Float32AndBFloat16Run) {
  expect_to_run_in(separate_device(), torch::kFloat32);
  expect_to_run_in(separate_device(), torch::kBFloat16);
}

TEST_F(OnAnyDevice, ARunGoesOnFromItsCheckpoint) {
  const auto there = separate_device();
  const auto steps = [](std::int64_t n) {
    return Values{{"steps", n}, {"warm_steps", 8 * n}, {"warm_decay", 0.0}, {"warm_warmup", std::int64_t{0}}};
  };
  const auto whole_start = warm("whole-start", there, steps(3));
  warm("base", there, steps(2));
  const auto start = warm("base", there, steps(3), torch::kFloat64, /*attempt=*/2);
  for (const auto& [name, value] : whole_start) EXPECT_EQ(start.at(name), value) << name;
  for (const char* optimizer : {"dion", "normuon", "sgd", "pion"}) {
    const auto whole = train(std::string("whole ") + optimizer, optimizer, steps(3), there);
    const auto name = std::string("parts ") + optimizer;
    train(name, optimizer, steps(2), there);
    const auto parts = train(name, optimizer, steps(3), there, torch::kFloat64, /*attempt=*/2);
    for (const auto& [key, value] : whole) EXPECT_EQ(parts.at(key), value) << name << ": " << key;
  }
}

const Values kSmallPolicy = {{"image_size", std::int64_t{12}},
                             {"crop", std::int64_t{8}},
                             {"patch", std::int64_t{4}},
                             {"stem_patch", std::int64_t{2}},
                             {"vision_width", std::int64_t{8}},
                             {"width", std::int64_t{8}},
                             {"vision_heads", std::int64_t{2}},
                             {"language_heads", std::int64_t{2}},
                             {"action_width", std::int64_t{8}},
                             {"action_heads", std::int64_t{2}},
                             {"backbone_episodes", std::int64_t{1}},
                             {"backbone_steps", std::int64_t{3}},
                             {"backbone_batch", std::int64_t{4}},
                             {"demos", std::int64_t{1}},
                             {"steps", std::int64_t{3}},
                             {"batch", std::int64_t{4}},
                             {"trials", std::int64_t{1}},
                             {"eval_every", std::int64_t{3}},
                             {"probe_every", std::int64_t{2}},
                             {"perturbed_tasks", std::int64_t{2}},
                             {"flow_steps", std::int64_t{2}}};

/// Backbone, demonstrations, policies with both heads, perturbed scenes.
class RobotsOnAnyDevice : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    const char* bin = std::getenv("PIONBENCH_BIN");
    if (std::system((std::string(bin ? bin : ".") + "/pionbench-vla check > /dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "no MuJoCo in this build, or no OpenGL on this machine";
  }

  void expect_as_on_the_cpu(torch::Device device, double relative) {
    using namespace std::string_literals;
    const auto go = [&](const std::string& name, const std::string& suite, const std::string& optimizer,
                        const Values& settings, torch::Device where, const std::map<std::string, fs::path>& inputs = {},
                        int attempt = 1) {
      return run(name, suite, optimizer, with(kSmallPolicy, settings), {{"lr", 1e-3}, {"preset", "pion-vla"s}}, where,
                 torch::kFloat64, inputs, attempt);
    };
    expect_near(go("backbone-there", "vla/backbone", "", {}, device),
                go("backbone", "vla/backbone", "", {}, torch::kCPU), relative, "backbone");
    go("backbone-there", "vla/backbone", "", {{"backbone_steps", std::int64_t{5}}}, device, {}, /*attempt=*/2);
    go("base", "vla/object-base", "", {}, torch::kCPU, {{"vla/backbone", folder_ / "backbone"}});
    for (const auto& [head, optimizer] : {std::pair{"l1"s, "muon"s}, {"flow"s, "modules"s}}) {
      const Values settings = {{"head", head}, {"category", "noise"s}};
      const auto on = [&](const std::string& name, torch::Device where) {
        auto out = go(name + head, "vla/object", optimizer, settings, where, {{"vla/object-base", folder_ / "base"}});
        out.merge(go(name + head + "-plus", "vla/object-plus", optimizer, settings, where,
                     {{"vla/object", folder_ / (name + head)}}));
        return out;
      };
      const auto expected = on("cpu ", torch::kCPU);
      EXPECT_GT(expected.size(), 50u);
      expect_near(on("there ", device), expected, relative, head);
    }
  }
};

TEST_F(RobotsOnAnyDevice, GiveTheNumbersOfTheCpu) {
  expect_as_on_the_cpu(separate_device(), 1e-6);
}

template <typename Runs>
class OnGpu : public Runs {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "this libtorch sees no CUDA device";
    Runs::SetUp();
  }
};
class GpuRuns : public OnGpu<OnAnyDevice> {};
class GpuRobots : public OnGpu<RobotsOnAnyDevice> {};

TEST_F(GpuRuns, RlvrGivesTheNumbersOfTheCpu) {
  expect_rlvr_as_on_the_cpu(torch::kCUDA, 1e-5);
}

TEST_F(GpuRuns, EveryOptimizerGivesTheNumbersOfTheCpu) {
  expect_every_optimizer_as_on_the_cpu(torch::kCUDA, 1e-4);
}

TEST_F(GpuRuns, Float32AndBFloat16Run) {
  expect_to_run_in(torch::kCUDA, torch::kFloat32);
  expect_to_run_in(torch::kCUDA, torch::kBFloat16);
}

TEST_F(GpuRobots, GiveTheNumbersOfTheCpu) {
  expect_as_on_the_cpu(torch::kCUDA, 1e-4);
}

}  // namespace
}  // namespace pionbench
