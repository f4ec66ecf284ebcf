#include "experiments/vla/sim/vector_env.h"

#include <cmath>
#include <limits>

#include "experiments/vla/sim/init_state.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

using testing::HasSubstr;

std::vector<Trial> some_trials(const std::vector<SuiteTask>& tasks, int each) {
  std::vector<Trial> trials;
  for (const auto& task : tasks)
    for (int i = 0; i < each; ++i) trials.push_back({&task, i});
  return trials;
}

/// States after a fixed sequence of actions that touches objects.
std::vector<std::vector<double>> states_after(const std::vector<Trial>& trials, const EnvOptions& options, int steps) {
  VectorEnv env(trials, options);
  Random random(5);
  for (int k = 0; k < steps; ++k) {
    std::vector<float> actions(trials.size() * kActionSize);
    for (std::size_t i = 0; i < actions.size(); ++i)
      actions[i] = static_cast<float>(i % 7 == 2 ? random.uniform(-.8, .2) : random.uniform(-1, 1));
    env.step(actions);
  }
  std::vector<std::vector<double>> out;
  for (int i = 0; i < env.size(); ++i) out.push_back(env.libero_state(i));
  return out;
}

TEST(VectorEnv, StatesAreTheSameBitsAtAnyNumberOfThreadsAndWithEitherEngine) {
  const auto tasks = tasks_of("vla/object");
  const auto trials = some_trials({tasks.begin(), tasks.begin() + 3}, 3);
  std::vector<Trial> of_tasks;  // some_trials saw a copy
  for (const auto& t : trials) of_tasks.push_back({&tasks[static_cast<std::size_t>(of_tasks.size()) / 3], t.init});
  const auto one = states_after(of_tasks, {.image_size = 0, .threads = 1, .engine = Engine::kLoop}, 12);
  EXPECT_EQ(one, states_after(of_tasks, {.image_size = 0, .threads = 4, .engine = Engine::kLoop}, 12));
  EXPECT_EQ(one, states_after(of_tasks, {.image_size = 0, .threads = 1, .engine = default_engine()}, 12));
  EXPECT_EQ(one, states_after(of_tasks, {.image_size = 0, .threads = 3, .engine = default_engine()}, 12));
}

TEST(VectorEnv, AnEpisodeDoesNotDependOnTheOthersInItsBatch) {
  const auto tasks = tasks_of("vla/goal");
  const auto together = states_after({{&tasks[0], 0}, {&tasks[1], 1}}, {.image_size = 0}, 1);
  const auto alone = states_after({{&tasks[0], 0}}, {.image_size = 0}, 1);
  EXPECT_EQ(together.front(), alone.front());
}

/// The hand's position after each action of a sequence and four of rest, from where it began.
std::array<double, 3> moved_by(const std::vector<Action>& sequence) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  const std::vector<float> before(env.proprio().begin(), env.proprio().end());
  for (const auto& action : sequence) env.step(all(1, action));
  for (int rest = 0; rest < 4; ++rest) env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  std::array<double, 3> out;
  for (std::size_t k = 0; k < 3; ++k) out[k] = env.proprio()[k] - before[k];
  return out;
}

// An action is a displacement (LIBERO's: × 0.05 m), so whatever the hand's speed it must arrive: 1 mm is the weld's
// sag.
TEST(VectorEnv, AFullTranslationMovesTheHandFiveCentimetres) {
  const auto moved = moved_by({{1, 0, 0, 0, 0, 0, -1}});
  EXPECT_NEAR(moved[0], .05, .001);
  EXPECT_NEAR(moved[1], 0, .001);
  EXPECT_NEAR(moved[2], 0, .001);
}

TEST(VectorEnv, TranslationsAddUpHoweverTheyFollowEachOther) {
  const auto there_and_back = moved_by({{1, -1, 0, 0, 0, 0, -1}, {1, -1, 0, 0, 0, 0, -1}, {-1, 0, 0, 0, 0, 0, -1}});
  EXPECT_NEAR(there_and_back[0], .05, .001);
  EXPECT_NEAR(there_and_back[1], -.10, .001);
  const auto small = moved_by(std::vector<Action>(10, {.02F, 0, 0, 0, 0, 0, -1}));
  EXPECT_NEAR(small[0], .01, .001);
}

TEST(VectorEnv, PushingAgainstTheTableStoresNoMotion) {
  // Down to the workspace's floor is free; what lies beyond is not commanded, so the way up begins at once.
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  for (int k = 0; k < 12; ++k) env.step(all(1, {0, 0, -1, 0, 0, 0, 1}));
  const double low = env.proprio()[2];
  EXPECT_NEAR(low, env.scene(0).arena->workspace[4], .002);
  env.step(all(1, {0, 0, 1, 0, 0, 0, 1}));
  for (int rest = 0; rest < 4; ++rest) env.step(all(1, {0, 0, 0, 0, 0, 0, 1}));
  EXPECT_NEAR(env.proprio()[2] - low, .05, .002);
}

TEST(VectorEnv, AFullRotationTurnsTheHandHalfARadian) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  env.step(all(1, {0, 0, 0, 0, 0, 1, -1}));
  env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  EXPECT_NEAR(env.proprio()[5], .5, .02);
  for (int k = 0; k < 4; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  EXPECT_NEAR(env.proprio()[5], .5, .005) << "a zero action keeps the orientation";
}

TEST(VectorEnv, TheGripperOpensAtMinusOneAndClosesAtPlusOne) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  EXPECT_GT(env.proprio()[6], .040);
  EXPECT_LT(env.proprio()[7], -.040);
  for (int k = 0; k < 8; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, 1}));
  EXPECT_LT(env.proprio()[6], .005);
  for (int k = 0; k < 8; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, 0}));
  EXPECT_LT(env.proprio()[6], .005) << "0 keeps the fingers as they are";
}

TEST(VectorEnv, AZeroActionHoldsTheHandStillForAHundredSteps) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  const std::vector<float> before(env.proprio().begin(), env.proprio().end());
  for (int k = 0; k < 90; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  for (int k = 0; k < 6; ++k) EXPECT_NEAR(env.proprio()[k], before[k], 5e-4) << k;
}

TEST(VectorEnv, AnActionLastsATwentiethOfASecond) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  const double before = env.libero_state(0).front();
  for (int k = 0; k < 20; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  EXPECT_NEAR(env.libero_state(0).front() - before, 1, 1e-9);
}

TEST(VectorEnv, AnEpisodeEndsAtTheHorizonAndItsRowIsThenIgnored) {
  const auto tasks = tasks_of("vla/robot");
  const int horizon = tasks[0].horizon;
  VectorEnv env({{&tasks[0], 0}}, {.image_size = 0});
  for (int k = 0; k < horizon + 3; ++k) env.step(all(1, {0, 0, 0, 0, 0, 0, -1}));
  EXPECT_EQ(env.status(0), EpisodeStatus::kTimeOut);
  EXPECT_EQ(env.steps(0), horizon);
  env.reset();
  EXPECT_EQ(env.status(0), EpisodeStatus::kRunning);
  EXPECT_EQ(env.steps(0), 0);
}

TEST(VectorEnv, AnActionThatIsNotANumberEndsTheEpisodeAsDivergedAndNoOther) {
  const auto tasks = tasks_of("vla/robot");
  VectorEnv env({{&tasks[0], 0}, {&tasks[0], 1}}, {.image_size = 0});
  auto actions = all(2, {0, 0, 0, 0, 0, 0, -1});
  actions[3] = std::numeric_limits<float>::quiet_NaN();
  env.step(actions);
  EXPECT_EQ(env.status(0), EpisodeStatus::kDiverged);
  EXPECT_EQ(env.status(1), EpisodeStatus::kRunning);
}

TEST(Images, ShowTheSceneFromTwoCamerasTurnedBy180Degrees) {
  const auto tasks = tasks_of("vla/robot");
  const auto& task = task_named(tasks, "cucumber");
  VectorEnv env({{&task, 0}}, {.image_size = 64});
  env.render();
  const auto scene = build_scene(task.file);
  // The green cucumber, in the agent view: where is it? The camera looks along −x, so that +y is right for an eye and
  // left in an image turned by 180 degrees; nearer the camera (+x) is lower for both, since rows are turned back.
  const auto image = env.image(0, 0);
  double sum_x = 0, sum_y = 0;
  int count = 0;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) {
      const unsigned char* p = image.data() + (y * 64 + x) * 3;
      if (p[1] > p[0] + 40 && p[1] > p[2] + 40) {
        sum_x += x;
        sum_y += y;
        ++count;
      }
    }
  ASSERT_GT(count, 4) << "no green in the image";
  const auto state = env.libero_state(0);
  const double at_y = state[1 + static_cast<std::size_t>(scene->objects[0].qpos) + 1];
  EXPECT_LT(at_y, -.03);  // the task file puts it there
  EXPECT_GT(sum_x / count, 34) << "−y is on the right of a turned image";
  // And seen_at says so of both views, within what the cucumber's own height and length move its middle.
  env.inspect(std::vector<int>{0}, [&](int, const mjModel* model, const mjData* data) {
    float at[2] = {-1, -1};
    ASSERT_TRUE(seen_at(model, data, scene->hand.agent_camera, data->xpos + 3 * scene->objects[0].body, at));
    EXPECT_NEAR(at[0] * 64, sum_x / count + .5, 1);
    EXPECT_NEAR(at[1] * 64, sum_y / count + .5, 1);
    const mjtNum behind[3] = {2, 0, 1};
    EXPECT_FALSE(seen_at(model, data, scene->hand.agent_camera, behind, at));
  });
  // The table's far edge and the wall are at the top.
  EXPECT_NE(std::vector<unsigned char>(image.begin(), image.end()),
            std::vector<unsigned char>(env.image(0, 1).begin(), env.image(0, 1).end()));
}

TEST(Images, AreTheSameAtAnyNumberOfThreads) {
  const auto tasks = tasks_of("vla/goal");
  std::vector<Trial> trials;
  for (int i = 0; i < 6; ++i) trials.push_back({&tasks[static_cast<std::size_t>(i)], i});
  std::vector<unsigned char> one;
  for (const int threads : {1, 3}) {
    VectorEnv env(trials, {.image_size = 48, .threads = threads});
    env.step(all(6, {.3F, 0, -.5F, 0, 0, 0, 1}));
    env.render();
    if (threads == 1) one.assign(env.images().begin(), env.images().end());
    EXPECT_EQ(one, std::vector<unsigned char>(env.images().begin(), env.images().end()));
  }
}

TEST(Images, AreTheSameWithAndWithoutWhatLiesOutsideTheView) {
  // Every task's scene, and views from far around it, where walls and objects cross the picture's edge.
  for (const auto& suite : task_suites()) {
    const auto tasks = load_tasks(suite);
    std::unique_ptr<Renderer> all, culled;
    for (const auto& task : tasks) {
      const auto scene = build_scene(task.file);
      for (const char* suffix : {"", "_view_300_15_100_0_0_initstate_0", "_view_0_0_190_0_0_initstate_0"}) {
        const ModelPtr model(mj_copyModel(nullptr, scene->model.get()));
        perturb_model(*scene, parse_perturbation(suffix), model.get());
        if (!all) all = std::make_unique<Renderer>(model.get(), 64, false);
        if (!culled) culled = std::make_unique<Renderer>(model.get(), 64);
        const DataPtr data(mj_makeData(model.get()));
        const auto qpos = sample_init(*scene, 0);
        mju_copy(data->qpos, qpos.data(), static_cast<int>(qpos.size()));
        mj_kinematics(model.get(), data.get());
        mj_camlight(model.get(), data.get());
        for (const int camera : {scene->hand.agent_camera, scene->hand.wrist_camera}) {
          std::vector<unsigned char> a(64 * 64 * 3), b(a.size());
          all->make_current();
          all->render(model.get(), data.get(), camera, a);
          culled->make_current();
          culled->render(model.get(), data.get(), camera, b);
          int different = 0, largest = 0;
          for (std::size_t i = 0; i < a.size(); ++i) {
            different += a[i] != b[i];
            largest = std::max(largest, std::abs(static_cast<int>(a[i]) - static_cast<int>(b[i])));
          }
          EXPECT_EQ(different, 0) << task.file.name << suffix << " camera " << camera << ", by up to " << largest;
        }
      }
    }
  }
}

TEST(Images, RotatingTwiceGivesTheImageBack) {
  std::vector<unsigned char> image(5 * 5 * 3);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<unsigned char>(i);
  auto turned = image;
  rotate_180(turned);
  EXPECT_EQ(turned[0], image[72]);
  rotate_180(turned);
  EXPECT_EQ(turned, image);
}

TEST(NoGl, GivesOneErrorThatSaysWhyAndWhatToInstall) {
  const char* bin = std::getenv("PIONBENCH_BIN");
  if (!bin) GTEST_SKIP() << "PIONBENCH_BIN is not set (ctest sets it)";
  // EGL without any vendor: no display opens.
  const auto done = shell("MUJOCO_GL=egl __EGL_VENDOR_LIBRARY_FILENAMES=/dev/null '" + std::string(bin) +
                          "/pionbench-vla' frames vla/robot /tmp/never.png --trials 1 --task cucumber");
  EXPECT_EQ(done.code, kBadConfig) << done.output;
  EXPECT_THAT(done.output, HasSubstr("error: rendering camera images needs OpenGL"));
  EXPECT_THAT(done.output, HasSubstr("libosmesa6"));
  const auto wrong =
      shell("MUJOCO_GL=vulkan '" + std::string(bin) + "/pionbench-vla' frames vla/robot /tmp/never.png --trials 1");
  EXPECT_EQ(wrong.code, kBadConfig);
  EXPECT_THAT(wrong.output, HasSubstr("MUJOCO_GL is \"vulkan\"; allowed: egl, osmesa"));
}

TEST(Suites, UnknownOnesNameTheNearest) {
  EXPECT_THAT(error_of([] { find_task_suite("vla/objct"); }), HasSubstr("did you mean \"vla/object\"?"));
}

TEST(Suites, TheRobotSuiteCallsItselfASimulatedStandIn) {
  EXPECT_THAT(find_task_suite("vla/robot").title, HasSubstr("simulated stand-in"));
  EXPECT_EQ(find_task_suite("vla/robot").trials, 30);
  EXPECT_EQ(tasks_of("vla/robot").size(), 3U);
}

}  // namespace
}  // namespace pionbench::vla
