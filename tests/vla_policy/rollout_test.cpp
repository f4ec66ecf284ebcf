/// Normalisation, batches and closed-loop evaluation.

#include "experiments/vla/train/rollout.h"

#include <numeric>

#include "experiments/vla/train/dataset.h"
#include "experiments/vla/train/suites.h"
#include "tests/vla_policy/support.h"

namespace pionbench::vla {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Normaliser, QuantilesAreNumPys) {
  std::vector<float> values;
  for (int i = 0; i <= 200; ++i) values.insert(values.end(), {static_cast<float>(i), 5.F});
  const auto q = quantiles_of(values, 2);
  EXPECT_THAT(q.low, ElementsAre(testing::DoubleNear(2, 1e-9), 5.));  // numpy.quantile(arange(201), [.01, .99])
  EXPECT_THAT(q.high, ElementsAre(testing::DoubleNear(198, 1e-9), 5.));
  EXPECT_THAT(error_of([] { quantiles_of({}, 2); }), HasSubstr("empty"));
}

TEST(Normaliser, RestoresWhatLiesWithinAndClipsTheRest) {
  const Normaliser n({std::vector<double>{-.5, -1, 0, 2, -1, -1, -1}, std::vector<double>{.5, 1, 0, 2, 1, 1, 1}},
                     {std::vector<double>(8, -2), std::vector<double>(8, 2)});
  const std::vector<float> action = {.3F, -1.F, 0.F, 2.F, .25F, 0.F, -1.F};
  std::vector<float> inside(7), back(7);
  n.normalise_action(action, inside);
  EXPECT_FLOAT_EQ(inside[0], .6F);
  EXPECT_FLOAT_EQ(inside[3], 0.F);  // never changes
  n.restore_action(inside, back);
  for (int k = 0; k < 7; ++k) EXPECT_NEAR(back[k], action[k], 1e-6) << k;
  n.normalise_action(std::vector<float>{9, 9, 9, 9, 9, 9, 1}, inside);
  EXPECT_FLOAT_EQ(inside[0], 1.F);
  inside[6] = .1F;
  n.restore_action(inside, back);
  EXPECT_FLOAT_EQ(back[6], 1.F);  // the gripper's sign
  const TemporaryFolder folder;
  n.save(folder.path() / "normaliser.json");
  EXPECT_EQ(Normaliser::load(folder.path() / "normaliser.json").actions().low, n.actions().low);
}

/// One task's demonstrations without images, so that no OpenGL is needed: frames carry their number instead.
TaskDemonstrations numbered(const std::string& instruction, std::vector<int> lengths, int size) {
  TaskDemonstrations out{.task = instruction, .instruction = instruction, .image_size = size};
  int number = 0;
  for (const int steps : lengths) {
    Episode episode{.name = "demo", .steps = steps};
    for (int i = 0; i < steps; ++i, ++number) {
      for (int k = 0; k < 7; ++k) episode.actions.push_back(k == 6 ? 1.F : static_cast<float>(number) / 100);
      for (int k = 0; k < 8; ++k) episode.proprio.push_back(static_cast<float>(number) / 100);
      episode.images.insert(episode.images.end(), static_cast<std::size_t>(2 * size * size * 3),
                            static_cast<unsigned char>(number));
    }
    out.episodes.push_back(std::move(episode));
  }
  return out;
}

Normaliser identity() {
  return {{std::vector<double>(7, -1), std::vector<double>(7, 1)},
          {std::vector<double>(8, -1), std::vector<double>(8, 1)}};
}

TEST(Dataset, AChunkEndsWithItsEpisodeAndRepeatsTheLastAction) {
  const Policy policy(tiny(), 0, torch::kCPU, torch::kFloat32);  // chunks of 4
  const Dataset data({numbered("put the milk", {5, 3}, 10), numbered("close the bowl", {2}, 10)}, identity(), policy,
                     10);
  ASSERT_EQ(data.frames(), 10);
  const auto batch = data.frames_at({0, 3, 4, 6, 8});
  const auto first = (batch.actions.select(2, 0) * 100).round().to(torch::kInt64);
  EXPECT_TRUE(torch::equal(
      first, torch::tensor({{0, 1, 2, 3}, {3, 4, 4, 4}, {4, 4, 4, 4}, {6, 7, 7, 7}, {0, 1, 1, 1}}, torch::kInt64)));
  EXPECT_TRUE(torch::equal(batch.observation.words[4], torch::tensor({3, 6, 2}, torch::kInt64)));
  EXPECT_FLOAT_EQ(batch.observation.images[3].mean().item<float>(), (6 - 128) / 64.F);
  EXPECT_EQ(batch.observation.images.sizes(), (std::vector<std::int64_t>{5, 2, 8, 8, 3}));
  EXPECT_THAT(error_of([&] { Dataset({numbered("x", {3}, 12)}, identity(), policy, 10); }),
              testing::AllOf(HasSubstr("12"), HasSubstr("image_size")));
}

TEST(Dataset, ABatchIsAFunctionOfSeedAndStep) {
  const Policy policy(tiny(), 0, torch::kCPU, torch::kFloat32);
  const Dataset data({numbered("put the milk", {40}, 10)}, identity(), policy, 10);
  for (const auto augmentation : {Augmentation::kNone, Augmentation::kCrop, Augmentation::kFull}) {
    const auto a = data.batch(3, 7, 16, augmentation), again = data.batch(3, 7, 16, augmentation);
    EXPECT_TRUE(torch::equal(a.observation.images, again.observation.images));
    EXPECT_TRUE(torch::equal(a.actions, again.actions));
    EXPECT_FALSE(torch::equal(a.actions, data.batch(3, 8, 16, augmentation).actions));
    EXPECT_FALSE(torch::equal(a.actions, data.batch(4, 7, 16, augmentation).actions));
  }
  // Colours move pictures, not what they show: the same frames, another look, within the range of bytes.
  const auto plain = data.batch(3, 7, 16, Augmentation::kNone), coloured = data.batch(3, 7, 16, Augmentation::kFull);
  EXPECT_FALSE(torch::equal(plain.observation.images, coloured.observation.images));
  EXPECT_LE(coloured.observation.images.max().item<float>(), 127 / 64.F);
  EXPECT_GE(coloured.observation.images.min().item<float>(), -2.F);
}

TEST(Rollout, TheExpertsActionsSurviveNormalisation) {
  // What a policy that learned its demonstrations perfectly would execute still solves the tasks.
  const auto tasks = tasks_of("vla/object");
  std::vector<Trial> trials;
  for (int i = 0; i < 3; ++i) trials.push_back({&tasks[static_cast<std::size_t>(i)], 0, {}});
  const auto expert_in = [&](VectorEnv& env, const std::function<void(std::span<float>)>& change) {
    std::vector<float> all_actions, actions(trials.size() * kActionSize);
    for (auto ids = env.running(); !ids.empty(); ids = env.running()) {
      env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
        std::ranges::copy(expert_action(env.scene(i), data), actions.begin() + static_cast<std::ptrdiff_t>(i) * 7);
      });
      for (const int i : ids) {
        const auto row = std::span(actions).subspan(static_cast<std::size_t>(i) * 7, 7);
        all_actions.insert(all_actions.end(), row.begin(), row.end());
        if (change) change(row);
      }
      env.step(actions);
    }
    for (int i = 0; i < env.size(); ++i) EXPECT_EQ(env.status(i), EpisodeStatus::kSuccess) << i;
    return all_actions;
  };
  VectorEnv plain(trials, {.image_size = 0, .threads = 1});
  const auto recorded = expert_in(plain, {});
  const Normaliser n(quantiles_of(recorded, 7), {std::vector<double>(8, -1), std::vector<double>(8, 1)});
  VectorEnv through(trials, {.image_size = 0, .threads = 1});
  expert_in(through, [&](std::span<float> action) {
    std::vector<float> inside(7);
    n.normalise_action(action, inside);
    n.restore_action(inside, action);
  });
}

TEST(Dataset, WhatHardlyMovesDoesNotFillTheRange) {
  auto task = numbered("put the milk", {100}, 10);
  for (std::size_t i = 0; i < task.episodes[0].actions.size(); ++i)
    if (i % 7 == 3) task.episodes[0].actions[i] = .3F + .001F * static_cast<float>(i % 5);
  const auto q = normaliser_of({task}).actions();
  EXPECT_NEAR(q.high[3] - q.low[3], .4, 1e-6);
  EXPECT_NEAR((q.high[3] + q.low[3]) / 2, .302, 1e-3);
  EXPECT_NEAR(q.low[0], .0099, 1e-4);  // what moves keeps its quantiles
  EXPECT_NEAR(q.high[0], .9801, 1e-4);
}

class Rollouts : public testing::Test {
 protected:
  void SetUp() override {
    if (shell(std::string(std::getenv("PIONBENCH_BIN") ? std::getenv("PIONBENCH_BIN") : ".") + "/pionbench-vla check")
            .code != 0)
      GTEST_SKIP() << "no OpenGL on this machine";
  }
  static Policy policy(HeadKind head) {
    auto c = tiny(head);
    c.vocabulary = Vocabulary::of_all_suites().words();
    return Policy(c, 1, torch::kCPU, torch::kFloat32);
  }
};

TEST_F(Rollouts, AreTheSameTwiceAndAtAnyNumberOfThreads) {
  auto tasks = tasks_of("vla/object");  // trials point into it
  tasks.resize(2);
  const auto trials = plain_trials(tasks, 2, 0);
  for (const auto head : {HeadKind::kL1, HeadKind::kFlow}) {
    const auto p = policy(head);
    std::vector<std::vector<float>> seen;
    for (const int threads : {1, 1, 2}) {
      RolloutOptions options{.execute = 4, .flow_steps = 2, .seed = 5, .image_size = 10, .threads = threads};
      auto& actions = seen.emplace_back();
      options.watch = [&](const VectorEnv&, std::span<const float> a) {
        if (actions.size() < 1000) actions.insert(actions.end(), a.begin(), a.end());
      };
      const auto results = rollout(p, identity(), trials, options);
      ASSERT_EQ(results.size(), 4u);
      for (const auto& r : results) EXPECT_LE(r.steps, tasks[0].horizon);
    }
    EXPECT_EQ(seen[0], seen[1]);
    EXPECT_EQ(seen[0], seen[2]);
  }
}

TEST_F(Rollouts, APolicyThatGivesNoNumberFailsAndTheRecordSaysSo) {
  auto tasks = tasks_of("vla/spatial");
  tasks.resize(1);
  const auto trials = plain_trials(tasks, 2, 0);
  const auto p = policy(HeadKind::kL1);
  for (const auto& parameter : p.parameters())
    if (parameter.name == "action.output.bias") {
      const torch::NoGradGuard no_grad;
      parameter.tensor.detach().fill_(std::nan(""));
    }
  const auto results = rollout(p, identity(), trials, {.execute = 4, .image_size = 10});
  const TemporaryFolder folder;
  {
    EventWriter events(folder.path() / "events.jsonl");
    EXPECT_EQ(report_rollout(9, "test", trials, results, events), 0);
  }
  const auto text = shell("cat " + (folder.path() / "events.jsonl").string()).output;
  const auto event = Json::parse(text);
  EXPECT_EQ(event["values"]["success"], 0.0);
  EXPECT_EQ(event["values"]["diverged"], 1.0);
  ASSERT_EQ(event["items"].size(), 2u);
  EXPECT_EQ(event["items"][1]["values"]["init"], 1.0);
}

TEST(Settings, ThatDoNotFitAreNamed) {
  const auto& suite = find_task_suite("vla/object");
  const SettingTable table = {training_settings(suite), {model_bundles(), recipe_bundles()}, training_relations()};
  const auto words = std::vector<std::string>{"milk"};
  EXPECT_NO_THROW(table.check_relations(table.resolve({})));
  EXPECT_NO_THROW(policy_config(table.resolve({}), words));
  EXPECT_THAT(error_of([&] {
                table.check_relations(table.resolve({{"execute", std::int64_t{9}}}));
              }),
              testing::AllOf(HasSubstr("execute"), HasSubstr("chunk")));
  EXPECT_THAT(error_of([&] {
                table.check_relations(table.resolve({{"crop", std::int64_t{60}}}));
              }),
              HasSubstr("crop, image_size"));
  EXPECT_THAT(error_of([&] { table.resolve({{"head", std::string("diffusion")}}); }), HasSubstr("l1"));
  EXPECT_EQ(get_text(table.resolve({{"recipe", std::string("vlanext")}}), "head"), "flow");
}

TEST(Settings, OfAPrerequisiteAreThoseOfItsRun) {
  // A name that only the prerequisite knew could not be set from the run.
  for (const auto& suite : task_suites()) {
    const auto run = training_suite(suite).info.table, base = base_suite(suite).info.table,
               plus = plus_suite(suite).info.table;
    for (const auto& setting : backbone_suite().info.table.settings) EXPECT_TRUE(base.find(setting.name));
    for (const auto& setting : base.settings) EXPECT_TRUE(run.find(setting.name)) << setting.name;
    for (const auto& setting : run.settings) EXPECT_TRUE(plus.find(setting.name)) << setting.name;
    EXPECT_FALSE(base.find("seed"));  // or every seed would have data of its own
  }
}

TEST(Schedule, WarmsUpAndThenStaysOrFallsAlongACosine) {
  EXPECT_DOUBLE_EQ(schedule_factor(5, 100, 10, false, 0), .5);
  EXPECT_DOUBLE_EQ(schedule_factor(60, 100, 10, false, 0), 1);
  EXPECT_NEAR(schedule_factor(55, 100, 10, true, 0), .5, 1e-12);
  EXPECT_NEAR(schedule_factor(100, 100, 10, true, .1), .1, 1e-12);
}

TEST(Robot, SaysThatItStandsIn) {
  const auto& suite = find_task_suite("vla/robot");
  for (const auto& info : {training_suite(suite).info, base_suite(suite).info, plus_suite(suite).info})
    EXPECT_THAT(info.title, HasSubstr("simulated stand-in")) << info.name;
  EXPECT_EQ(get_int(training_suite(suite).info.table.resolve({}), "trials"), 30);
}

}  // namespace
}  // namespace pionbench::vla
