#include "experiments/vla/sim/task_file.h"

#include "experiments/vla/sim/init_state.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

using testing::HasSubstr;

const std::string kTask = R"((define (problem LIBERO_Floor_Manipulation)
  (:domain robosuite)
  (:language Pick the milk) ; a comment
  (:regions
    (slot_region (:target floor) (:ranges ((-0.1 -0.1 -0.05 -0.05) (0.05 -0.1 0.1 -0.05))) (:yaw_rotation ((-0.2 0.2))))
    (basket_region (:target floor) (:ranges ((-0.01 0.18 0.01 0.2)))))
  (:fixtures floor - floor)
  (:objects milk_1 - milk butter_1 - butter basket_1 - basket)
  (:obj_of_interest milk_1)
  (:init (On milk_1 floor_slot_region) (On butter_1 floor_slot_region) (On basket_1 floor_basket_region))
  (:goal (And (In milk_1 basket_1_contain_region)))))";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kTask;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}
void build(const std::string& text) {
  sample_init(*build_scene(parse_task(text, "t.bddl")), 0);
}

TEST(TaskFile, ReadsEverySectionOfALiberoFile) {
  const TaskFile task = parse_task(kTask, "folder/pick_up_the_milk.bddl");
  EXPECT_EQ(task.name, "pick_up_the_milk");
  EXPECT_EQ(task.problem, "LIBERO_Floor_Manipulation");
  EXPECT_EQ(task.language, "Pick the milk");
  ASSERT_EQ(task.regions.size(), 2U);
  EXPECT_EQ(task.regions[0].name, "floor_slot_region");
  ASSERT_EQ(task.regions[0].ranges.size(), 2U);
  EXPECT_DOUBLE_EQ(task.regions[0].ranges[1].x1, .1);
  EXPECT_DOUBLE_EQ(task.regions[0].yaw_max, .2);
  ASSERT_EQ(task.objects.size(), 3U);
  EXPECT_EQ(task.objects[1].kind, "butter");
  ASSERT_EQ(task.goal.size(), 1U);
  EXPECT_EQ(task.goal[0].arguments[1], "basket_1_contain_region");
}

TEST(TaskFile, InstructionComesFromTheFileNameAsInLibero) {
  EXPECT_EQ(instruction_of("pick_up_the_milk_and_place_it_in_the_basket"),
            "pick up the milk and place it in the basket");
  EXPECT_EQ(instruction_of("KITCHEN_SCENE3_turn_on_the_stove"), "turn on the stove");
  EXPECT_EQ(instruction_of("LIVING_ROOM_SCENE10_put_it_in_the_basket"), "put it in the basket");
}

TEST(TaskFile, SyntaxErrorsNameTheLine) {
  EXPECT_THAT(error_of([] { parse_task("(define (problem P)\n (:goal (And (On a b))", "t.bddl"); }),
              HasSubstr("t.bddl:2: this parenthesis is never closed"));
  EXPECT_THAT(error_of([] { build(with("(:fixtures", "(:fixture")); }), HasSubstr("did you mean \":fixtures\"?"));
  EXPECT_THAT(error_of([] { build(with("-0.05 -0.05)", "-0.05)")); }),
              HasSubstr("t.bddl:5: a range is (x0 y0 x1 y1), got 3"));
  EXPECT_THAT(error_of([] { build(with("-0.05 -0.05)", "-0.05 wide)")); }),
              HasSubstr("expected a number, got \"wide\""));
  EXPECT_THAT(error_of([] { build(kTask + ")"); }), HasSubstr("text after the closing parenthesis"));
  EXPECT_THAT(error_of([] { parse_task(std::string(100, '('), "t.bddl"); }), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(error_of([] { read_task("/nowhere/t.bddl"); }), HasSubstr("/nowhere/t.bddl"));
}

TEST(TaskFile, UnknownNamesGiveTheNearestKnownOneAndTheLine) {
  EXPECT_THAT(error_of([] { build(with("milk_1 - milk", "milk_1 - mlik")); }),
              HasSubstr("t.bddl:8: unknown object kind \"mlik\"; did you mean \"milk\"?"));
  EXPECT_THAT(error_of([] { build(with("floor - floor", "floor - floor stove_1 - flat_stov")); }),
              HasSubstr("unknown fixture kind \"flat_stov\"; did you mean \"flat_stove\"?"));
  EXPECT_THAT(error_of([] { build(with("LIBERO_Floor", "LIBERO_Flor")); }),
              HasSubstr("did you mean \"LIBERO_Floor_Manipulation\"?"));
  EXPECT_THAT(error_of([] { build(with("(In milk_1", "(In mlk_1")); }),
              HasSubstr("t.bddl:11: unknown object \"mlk_1\"; did you mean \"milk_1\"?"));
  EXPECT_THAT(error_of([] { build(with("(In milk_1", "(Inn milk_1")); }), HasSubstr("unknown predicate \"Inn\""));
  EXPECT_THAT(error_of([] { build(with("(In milk_1 basket_1_contain", "(In milk_1 basket_1_contein")); }),
              HasSubstr("did you mean \"basket_1_contain_region\"?"));
  EXPECT_THAT(error_of([] { build(with("(In milk_1 basket_1_contain_region)", "(Open basket_1_contain_region)")); }),
              HasSubstr("unknown thing to Open"));
}

TEST(TaskFile, GoalsAndInitsThatCannotWorkAreRefused) {
  EXPECT_THAT(error_of([] { build(with("(In milk_1", "(On milk_1")); }), HasSubstr("use In for"));
  EXPECT_THAT(error_of([] { build(with("(On butter_1 floor_slot_region) ", "")); }),
              HasSubstr("\"butter_1\" is placed nowhere"));
  EXPECT_THAT(error_of([] { build(with("(On butter_1 floor_slot_region)", "(On milk_1 floor_slot_region)")); }),
              HasSubstr("placed twice"));
  EXPECT_THAT(error_of([] { build(with("butter_1 - butter", "milk_1 - butter")); }),
              HasSubstr("\"milk_1\" is declared twice"));
  EXPECT_THAT(error_of([] { build(with("(-0.1 -0.1 -0.05 -0.05) (0.05 -0.1 0.1 -0.05)", "(0.05 -0.1 0.06 -0.09)")); }),
              HasSubstr("no arrangement without overlap"));
  EXPECT_THAT(error_of([] { build(with("(0.05 -0.1 0.1 -0.05)", "(0.05 -0.1 0.7 -0.05)")); }),
              HasSubstr("leaves the table"));
}

TEST(TaskFile, EveryShippedTaskBuildsAndItsInitialStatesAreTheStoredOnes) {
  for (const auto& suite : task_suites()) EXPECT_THAT(changed_inits(suite), testing::IsEmpty()) << suite.name;
}

TEST(InitStates, ObjectsThatShareARegionChangePlacesFromOneInitialStateToTheNext) {
  const auto scene = build_scene(parse_task(kTask, "t.bddl"));
  int left = 0;
  for (int i = 0; i < 50; ++i) {
    const auto qpos = sample_init(*scene, i);
    const double milk = qpos[scene->objects[0].qpos], butter = qpos[scene->objects[1].qpos];
    EXPECT_LT(milk * butter, 0) << "both in one range";
    left += milk < 0;
  }
  EXPECT_GT(left, 12);
  EXPECT_LT(left, 38);
}

TEST(InitStates, ADemonstrationNeverStartsWhereAnEvaluationDoes) {
  const auto scene = build_scene(parse_task(kTask, "t.bddl"));
  for (int i = 0; i < kEvaluationInits; ++i)
    EXPECT_NE(sample_init(*scene, i), sample_init(*scene, kFirstDemonstrationInit + i));
  EXPECT_EQ(sample_init(*scene, 7), sample_init(*scene, 7));
}

}  // namespace
}  // namespace pionbench::vla
