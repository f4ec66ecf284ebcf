#include "experiments/vla/sim/scene.h"

#include "experiments/vla/sim/init_state.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

/// A scene in an initial state, to be changed by hand.
class Stage {
 public:
  Stage(const std::string& suite, const std::string& task)
      : scene(build_scene(task_named(tasks_of(suite), task).file)), data(mj_makeData(scene->model.get())) {
    const auto qpos = sample_init(*scene, 0);
    mju_copy(data->qpos, qpos.data(), static_cast<int>(qpos.size()));
  }
  void put(const std::string& object, double x, double y, double z) {
    mjtNum* q = data->qpos + named(object).qpos;
    q[0] = x, q[1] = y, q[2] = z;
    q[3] = 1, q[4] = q[5] = q[6] = 0;
  }
  const SceneObject& named(const std::string& object) const {
    for (const auto& o : scene->objects)
      if (o.name == object) return o;
    throw std::logic_error(object);
  }
  void set_joint(const std::string& name, double q) {
    for (const auto& joint : scene->joints)
      if (joint.name == name) data->qpos[joint.qpos] = q;
  }
  bool goal() {
    mj_fwdPosition(scene->model.get(), data.get());
    return goal_reached(*scene, data.get());
  }
  std::shared_ptr<const Scene> scene;
  DataPtr data;
};

TEST(GoalOnObject, NeedsContactAndLessThanThreeCentimetresBetweenCentres) {
  Stage stage("vla/goal", "put_the_bowl_on_the_plate");
  const mjtNum* plate = stage.data->qpos + stage.named("plate_1").qpos;
  const double x = plate[0], y = plate[1], top = plate[2] + .004;
  const double touching = top + .008 - .0005;
  EXPECT_FALSE(stage.goal());
  stage.put("akita_black_bowl_1", x + .029, y, touching);
  EXPECT_TRUE(stage.goal());
  stage.put("akita_black_bowl_1", x + .031, y, touching);
  EXPECT_FALSE(stage.goal());
  stage.put("akita_black_bowl_1", x, y, touching + .003);
  EXPECT_FALSE(stage.goal()) << "held above the plate";
}

TEST(GoalIn, IsTheCentreInsideTheBox) {
  Stage stage("vla/object", "pick_up_the_milk");
  const mjtNum* basket = stage.data->qpos + stage.named("basket_1").qpos;
  const double x = basket[0], y = basket[1];
  stage.put("milk_1", x + .07, y, .04);
  EXPECT_TRUE(stage.goal());
  stage.put("milk_1", x + .077, y, .04);
  EXPECT_FALSE(stage.goal());
  stage.put("milk_1", x, y, .062);
  EXPECT_FALSE(stage.goal()) << "above the basket";
}

TEST(GoalOpen, UsesLiberosThresholdOfADrawer) {
  Stage stage("vla/goal", "open_the_top_drawer_of_the_cabinet");
  EXPECT_FALSE(stage.goal());
  stage.set_joint("wooden_cabinet_1_top_drawer", -.139);
  EXPECT_FALSE(stage.goal());
  stage.set_joint("wooden_cabinet_1_bottom_drawer", -.15);
  EXPECT_FALSE(stage.goal()) << "the other drawer";
  stage.set_joint("wooden_cabinet_1_top_drawer", -.141);
  EXPECT_TRUE(stage.goal());
}

TEST(GoalTurnon, UsesLiberosThresholdOfTheStove) {
  Stage stage("vla/goal", "turn_on_the_stove");
  EXPECT_FALSE(stage.goal());
  stage.set_joint("flat_stove_1_knob", .49);
  EXPECT_FALSE(stage.goal());
  stage.set_joint("flat_stove_1_knob", .5);
  EXPECT_TRUE(stage.goal());
}

TEST(GoalConjunction, NeedsEveryAtomAtOnce) {
  Stage stage("vla/long", "put_the_black_bowl_in_the_bottom_drawer");
  stage.set_joint("wooden_cabinet_1_bottom_drawer", .008);
  EXPECT_FALSE(stage.goal()) << "closed, but empty";
  const auto& fixture = stage.scene->fixtures.front();
  stage.put("akita_black_bowl_1", fixture.x, fixture.y, .041);
  EXPECT_TRUE(stage.goal());
  stage.set_joint("wooden_cabinet_1_bottom_drawer", -.005);
  EXPECT_FALSE(stage.goal()) << "not quite closed";
}

TEST(Scenes, EveryTaskOfOneSuiteSceneHasTheSameStateSize) {
  // One scene, ten goals: the batch can hold them all.
  const auto tasks = tasks_of("vla/goal");
  const auto first = build_scene(tasks.front().file);
  for (const auto& task : tasks)
    EXPECT_TRUE(same_layout(*first->model, *build_scene(task.file)->model)) << task.file.name;
}

}  // namespace
}  // namespace pionbench::vla
