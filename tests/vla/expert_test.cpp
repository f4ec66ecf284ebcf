#include "experiments/vla/expert.h"

#include <numeric>

#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

struct Score {
  int success = 0, trials = 0;
  std::string failed;
};

Score expert_score(std::vector<Trial> trials) {
  VectorEnv env(std::move(trials), {.image_size = 0});
  run_expert(env);
  Score score;
  for (int i = 0; i < env.size(); ++i) {
    ++score.trials;
    if (env.status(i) == EpisodeStatus::kSuccess)
      ++score.success;
    else
      score.failed += "\n  " + env.trial(i).task->file.name + env.trial(i).perturbation.suffix() + " init " +
                      std::to_string(env.trial(i).init);
  }
  return score;
}

class ExpertOnSuite : public testing::TestWithParam<std::string> {};

TEST_P(ExpertOnSuite, SucceedsInAtLeast95PercentOfEveryTasksFirstInitialStates) {
  const auto tasks = tasks_of(GetParam());
  std::vector<Trial> trials;
  for (const auto& task : tasks)
    for (int i = 0; i < 4; ++i) trials.push_back({&task, i});
  const Score score = expert_score(std::move(trials));
  EXPECT_GE(score.success, .95 * score.trials) << score.failed;
}

INSTANTIATE_TEST_SUITE_P(All, ExpertOnSuite,
                         testing::Values("vla/object", "vla/spatial", "vla/goal", "vla/long", "vla/robot"),
                         [](const auto& info) { return info.param.substr(4); });

class ExpertUnderPerturbation : public testing::TestWithParam<Category> {};

TEST_P(ExpertUnderPerturbation, SucceedsInAtLeast95PercentOfASampleOfEverySuite) {
  // Sixty tasks of LIBERO-Plus's kind; `pionbench-vla expert SUITE --perturb CATEGORY --count N` runs more.
  Score sum;
  for (const auto& suite : task_suites()) {
    const auto tasks = load_tasks(suite);
    std::vector<Trial> trials;
    for (const auto& p : perturbed_tasks(tasks, GetParam(), 12)) trials.push_back({p.task, 0, p.perturbation});
    const Score score = expert_score(std::move(trials));
    sum.success += score.success;
    sum.trials += score.trials;
    sum.failed += score.failed;
  }
  EXPECT_GE(sum.success, .95 * sum.trials) << sum.failed;
}

INSTANTIATE_TEST_SUITE_P(Physical, ExpertUnderPerturbation, testing::Values(Category::kLayout, Category::kRobot),
                         [](const auto& info) { return category_name(info.param); });

/// May the hand come to everything that the goal speaks of?
bool within_reach(const Scene& scene, const mjData* data) {
  const auto& w = scene.arena->workspace;
  const auto inside = [&](int object) {
    const mjtNum* at = data->xpos + 3 * scene.objects[object].body;
    return at[0] > w[0] && at[0] < w[1] && at[1] > w[2] && at[1] < w[3];
  };
  return std::ranges::all_of(scene.goal, [&](const GoalAtom& atom) {
    const int carrier = atom.place >= 0 ? scene.places[atom.place].object : atom.other;
    return (atom.object < 0 || inside(atom.object)) && (carrier < 0 || inside(carrier));
  });
}

TEST(Expert, RecoversFromADisturbanceIfWhatItNeedsIsStillWithinReach) {
  // Twelve random actions in the middle of the episode knock things over and away. An expert without memory goes on
  // from wherever that leads. What has left its reach is lost; one in ten of the rest may be hemmed in between others,
  // where open fingers find no room.
  std::vector<std::vector<SuiteTask>> suites = {tasks_of("vla/object"), tasks_of("vla/goal")};
  std::vector<Trial> trials;
  for (const auto& tasks : suites)
    for (const auto& task : tasks)
      for (int init = 0; init < 2; ++init) trials.push_back({&task, init});
  VectorEnv env(trials, {.image_size = 0});
  Random random(3);
  int step = 0;
  std::vector<float> actions(static_cast<std::size_t>(env.size()) * kActionSize);
  for (auto ids = env.running(); !ids.empty(); ids = env.running(), ++step) {
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      std::ranges::copy(expert_action(env.scene(i), data),
                        actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
    });
    if (step >= 6 && step < 18)
      for (float& a : actions) a = static_cast<float>(random.uniform(-.8, .8));
    env.step(actions);
  }
  std::vector<int> everyone(static_cast<std::size_t>(env.size()));
  std::iota(everyone.begin(), everyone.end(), 0);
  std::vector<char> reachable(everyone.size(), 0);
  env.inspect(everyone,
              [&](int i, const mjModel*, const mjData* data) { reachable[i] = within_reach(env.scene(i), data); });
  int within = 0, lost = 0;
  std::string failed;
  for (const int i : everyone) {
    const bool success = env.status(i) == EpisodeStatus::kSuccess;
    within += success || reachable[i];
    if (success || !reachable[i]) continue;
    ++lost;
    failed += "\n  " + env.trial(i).task->file.name + " init " + std::to_string(env.trial(i).init);
  }
  EXPECT_GT(within, env.size() / 2) << "leaving its reach is the exception";
  EXPECT_LE(lost, .1 * within) << failed;
}

TEST(Expert, KeepsEveryComponentWithinTheActionsLimit) {
  const auto tasks = tasks_of("vla/long");
  VectorEnv env({{&tasks[0], 0}, {&tasks[7], 0}}, {.image_size = 0});
  float largest = 0;
  std::vector<float> actions(2 * kActionSize);
  for (auto ids = env.running(); !ids.empty(); ids = env.running()) {
    env.inspect(ids, [&](int i, const mjModel*, const mjData* data) {
      std::ranges::copy(expert_action(env.scene(i), data),
                        actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
    });
    for (std::size_t k = 0; k < actions.size(); ++k)
      if (k % 7 != 6) largest = std::max(largest, std::abs(actions[k]));
    env.step(actions);
  }
  EXPECT_LE(largest, .8F + 1e-6F);
}

TEST(Expert, ApproachesAnObjectSlowlyAndInAStraightLine) {
  // Both directions of every frame on the way say where the object lies: what a policy learns the place from.
  const auto tasks = tasks_of("vla/object");
  VectorEnv env({{&tasks[0], 0}, {&tasks[1], 1}, {&tasks[2], 2}}, {.image_size = 0});
  std::vector<float> actions(3 * kActionSize);
  int looked = 0;
  for (int step = 0; step < 4; ++step) {
    env.inspect(env.running(), [&](int i, const mjModel*, const mjData* data) {
      const auto action = expert_action(env.scene(i), data);
      std::ranges::copy(action, actions.begin() + static_cast<std::ptrdiff_t>(i) * kActionSize);
      const auto& scene = env.scene(i);
      const auto* object = data->xpos + 3 * scene.objects[static_cast<std::size_t>(scene.goal.front().object)].body;
      const auto* hand = data->xpos + 3 * scene.hand.body;
      const double x = object[0] - hand[0], y = object[1] - hand[1];
      EXPECT_NEAR(action[0] * y, action[1] * x, .01 * std::hypot(x, y)) << "step " << step << " episode " << i;
      EXPECT_NEAR(std::max(std::abs(action[0]), std::abs(action[1])), .4, .01);
    });
    looked += static_cast<int>(env.running().size());
    env.step(actions);
  }
  EXPECT_EQ(looked, 12);
}

TEST(ExpertNoise, LeavesTheGripperAlone) {
  Random random(1);
  for (int k = 0; k < 100; ++k) {
    const Action noisy = with_noise({.8F, -.8F, 0, 0, 0, 0, 1}, {}, random);
    EXPECT_EQ(noisy[6], 1.F);
    for (const float v : noisy) EXPECT_LE(std::abs(v), 1.F);
  }
}

}  // namespace
}  // namespace pionbench::vla
