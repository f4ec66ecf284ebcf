#include "experiments/vla/data/demonstrations.h"

#include <fstream>

#include "core/files.h"
#include "experiments/vla/data/hdf5_file.h"
#include "experiments/vla/data/png.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

using testing::HasSubstr;

/// Runs tests/tools/libero_demos.py; nothing when Python's h5py is not there.
std::optional<Finished> python(const std::string& arguments) {
  const char *home = std::getenv("PIONBENCH_HOME"), *interpreter = std::getenv("PIONBENCH_PYTHON");
  if (!home || !interpreter) return std::nullopt;
  auto done = shell("'" + std::string(interpreter) + "' '" + home + "/tests/tools/libero_demos.py' " + arguments);
  if (done.code == 3) return std::nullopt;
  return done;
}
#define SKIP_WITHOUT_H5PY(done) \
  if (!(done)) GTEST_SKIP() << "needs Python with h5py (PIONBENCH_PYTHON)"

TEST(LiberoFile, WrittenByH5pyLoadsInNumericOrderTurnedShiftedAndWithoutNoOps) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5";
  const auto done = python("write '" + path.string() + "'");
  SKIP_WITHOUT_H5PY(done);
  ASSERT_EQ(done->code, 0) << done->output;
  const auto loaded = load_demonstrations(path);
  EXPECT_EQ(loaded.instruction, "turn on the stove");
  EXPECT_EQ(loaded.image_size, 16);
  ASSERT_EQ(loaded.episodes.size(), 12U);
  EXPECT_EQ(loaded.episodes[2].name, "demo_2");
  EXPECT_EQ(loaded.episodes[11].name, "demo_11");
  // The script writes into demo d, row t: actions[t] = d + t/100, ee_states[t] = 10 d + t, fingers likewise, and
  // agentview_rgb[t] = t except one pixel at OpenGL's row 0, column 0, which is 200 + t; row 3 is a no-op.
  const int d = 4;
  const auto& episode = loaded.episodes[d];
  EXPECT_EQ(episode.steps, 6 - 1 - 1) << "six rows, less the first action and one no-op";
  EXPECT_EQ(loaded.dropped_noops, 12);
  const int rows[] = {1, 2, 4, 5};
  for (int k = 0; k < episode.steps; ++k) {
    const int t = rows[k];
    EXPECT_FLOAT_EQ(episode.actions[static_cast<std::size_t>(k) * 7], static_cast<float>(d + t / 100.)) << k;
    EXPECT_FLOAT_EQ(episode.proprio[static_cast<std::size_t>(k) * 8], static_cast<float>(10 * d + t - 1))
        << "observed before the action";
    EXPECT_FLOAT_EQ(episode.proprio[static_cast<std::size_t>(k) * 8 + 6], static_cast<float>(.01 * (t - 1)));
    const unsigned char* agent = episode.images.data() + static_cast<std::size_t>(k) * 2 * 16 * 16 * 3;
    EXPECT_EQ(agent[0], t - 1);
    EXPECT_EQ(agent[(16 * 16 - 1) * 3], 200 + t - 1) << "OpenGL's first pixel is the last one after half a turn";
    EXPECT_EQ(agent[16 * 16 * 3], 100 + t - 1) << "the second camera follows";
  }
  const auto all_rows = load_demonstrations(path, {.drop_noops = false, .most = 3});
  EXPECT_EQ(all_rows.episodes.size(), 3U);
  EXPECT_EQ(all_rows.episodes[0].steps, 5);
}

TEST(OurFile, HasLiberosLayoutInTheEyesOfH5py) {
  const TemporaryFolder folder;
  const auto tasks = tasks_of("vla/object");
  const auto report = record_demonstrations(tasks[0], folder.path(), {.per_task = 11, .image_size = 32});
  EXPECT_EQ(report.kept, 11);
  const auto done = python("check '" + (folder.path() / (tasks[0].file.name + "_demo.hdf5")).string() + "' 11 32");
  SKIP_WITHOUT_H5PY(done);
  EXPECT_EQ(done->code, 0) << done->output;
}

TEST(OurFile, ReadBackPairsEveryImageWithTheActionThatFollowsIt) {
  const TemporaryFolder folder;
  const auto tasks = tasks_of("vla/robot");
  record_demonstrations(tasks[0], folder.path(),
                        {.per_task = 2, .image_size = 32, .noise = {.translation = 0, .rotation = 0}});
  const auto loaded = load_demonstration_folder(folder.path(), {.drop_noops = false});
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].instruction, tasks[0].instruction);
  ASSERT_EQ(loaded[0].episodes.size(), 2U);
  const auto& episode = loaded[0].episodes[0];
  // Replay: without noise the recorded actions reproduce the recorded observations, frame by frame.
  VectorEnv env({{&tasks[0], 1000}}, {.image_size = 32});
  for (int t = 0; t < episode.steps; ++t) {
    env.render();
    const auto begin = episode.images.begin() + static_cast<std::ptrdiff_t>(t) * 2 * 32 * 32 * 3;
    ASSERT_TRUE(std::equal(env.images().begin(), env.images().end(), begin)) << "frame " << t;
    for (int k = 0; k < kProprioSize; ++k)
      ASSERT_EQ(env.proprio()[k], episode.proprio[static_cast<std::size_t>(t) * kProprioSize + k]) << t;
    env.step(std::span(episode.actions).subspan(static_cast<std::size_t>(t) * kActionSize, kActionSize));
  }
  EXPECT_EQ(env.status(0), EpisodeStatus::kSuccess);
}

TEST(OurFile, IsTheSameAtAnyNumberOfThreads) {
  const TemporaryFolder a, b;
  const auto tasks = tasks_of("vla/goal");
  const auto& task = task_named(tasks, "turn_on_the_stove");
  record_demonstrations(task, a.path(), {.per_task = 3, .image_size = 16, .threads = 1});
  record_demonstrations(task, b.path(), {.per_task = 3, .image_size = 16, .threads = 3});
  const auto one = load_demonstration_folder(a.path()), three = load_demonstration_folder(b.path());
  ASSERT_EQ(one[0].episodes.size(), three[0].episodes.size());
  for (std::size_t i = 0; i < one[0].episodes.size(); ++i) {
    EXPECT_EQ(one[0].episodes[i].actions, three[0].episodes[i].actions);
    EXPECT_EQ(one[0].episodes[i].images, three[0].episodes[i].images);
  }
}

TEST(NoOps, FollowOpenVlasRule) {
  const float still[] = {0, 0, 5e-5F, 0, 0, 0, -1}, closes[] = {0, 0, 0, 0, 0, 0, 1},
              moves[] = {0, 0, 2e-4F, 0, 0, 0, -1};
  EXPECT_TRUE(is_noop(still, nullptr));
  EXPECT_TRUE(is_noop(still, moves));
  EXPECT_FALSE(is_noop(closes, still)) << "the gripper changes";
  EXPECT_FALSE(is_noop(moves, still));
}

class BadFile : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "open_the_drawer_demo.hdf5"; }
  /// A sound file but for what `spoil` leaves out or adds.
  void write(const std::function<void(Hdf5File&)>& spoil, bool with_obs = true) {
    auto file = Hdf5File::create(path());
    const std::vector<double> actions(3 * 7, .5), pose(3 * 6, 0.), fingers(3 * 2, 0.);
    const std::vector<unsigned char> image(3 * 8 * 8 * 3, 9);
    if (with_obs) {
      file.write("data/demo_0/actions", actions, {3, 7});
      file.write("data/demo_0/obs/ee_states", pose, {3, 6});
      file.write("data/demo_0/obs/gripper_states", fingers, {3, 2});
      file.write("data/demo_0/obs/agentview_rgb", image, {3, 8, 8, 3});
    }
    spoil(file);
    file.close();
  }
  std::string load_error() const {
    return error_of([this] { load_demonstrations(path()); });
  }
  TemporaryFolder folder_;
};

TEST_F(BadFile, ThatIsMissingOrNoHdf5OrCutShortNamesItself) {
  EXPECT_THAT(load_error(), testing::AllOf(HasSubstr(path().string()), HasSubstr("no such file")));
  std::ofstream(path()) << "not hdf5";
  EXPECT_THAT(load_error(), HasSubstr("not an HDF5 file, or a damaged one"));
  write([](Hdf5File& f) {
    f.write("data/demo_0/obs/eye_in_hand_rgb", std::vector<unsigned char>(3 * 8 * 8 * 3), {3, 8, 8, 3});
  });
  EXPECT_EQ(load_demonstrations(path()).episodes[0].steps, 2);
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) / 2);
  EXPECT_THAT(load_error(), HasSubstr("damaged"));
}

TEST_F(BadFile, WithoutADatasetOrWithAWrongShapeSaysWhatCameAndWhatWasExpected) {
  write([](Hdf5File&) {});
  EXPECT_THAT(load_error(), HasSubstr("has no dataset \"data/demo_0/obs/eye_in_hand_rgb\""));
  write([](Hdf5File& f) {
    f.write("data/demo_0/obs/eye_in_hand_rgb", std::vector<unsigned char>(2 * 8 * 8 * 3), {2, 8, 8, 3});
  });
  EXPECT_THAT(load_error(),
              HasSubstr("\"data/demo_0/obs/eye_in_hand_rgb\" has shape (2, 8, 8, 3), expected (3, 8, 8, 3)"));
  write([](Hdf5File& f) { f.write("data/demo_0/actions", std::vector<double>(6, 0.), {1, 6}); }, false);
  EXPECT_THAT(load_error(), HasSubstr("\"data/demo_0/actions\" has shape (1, 6), expected (any, 7)"));
  write([](Hdf5File& f) { f.make_group("data"); }, false);
  EXPECT_THAT(load_error(), HasSubstr("holds no demo_<n>"));
}

TEST_F(BadFile, WithNumbersThatAreNotFiniteIsRefused) {
  write(
      [](Hdf5File& f) {
        std::vector<double> actions(3 * 7, 0.);
        actions[4] = std::numeric_limits<double>::quiet_NaN();
        f.write("data/demo_0/actions", actions, {3, 7});
        f.write("data/demo_0/obs/ee_states", std::vector<double>(18, 0.), {3, 6});
        f.write("data/demo_0/obs/gripper_states", std::vector<double>(6, 0.), {3, 2});
        for (const char* name : {"agentview_rgb", "eye_in_hand_rgb"})
          f.write(std::string("data/demo_0/obs/") + name, std::vector<unsigned char>(3 * 8 * 8 * 3), {3, 8, 8, 3});
      },
      false);
  EXPECT_THAT(load_error(), HasSubstr("not finite"));
}

TEST_F(BadFile, NamesAreCheckedBeforeTheFileIsOpened) {
  EXPECT_THAT(error_of([&] { load_demonstrations(folder_.path() / "stove.hdf5"); }),
              HasSubstr("is called <task>_demo.hdf5"));
  EXPECT_THAT(error_of([&] { load_demonstration_folder(folder_.path()); }), HasSubstr("no *_demo.hdf5"));
}

TEST_F(BadFile, AFolderWithoutATasksFileNamesIt) {
  std::ofstream(folder_.path() / "put_it_down_demo.hdf5") << "whatever";
  EXPECT_THAT(error_of([&] {
                load_demonstration_folder(folder_.path(), {.tasks = {"put_it_down", "open_it"}});
              }),
              HasSubstr(": open_it_demo.hdf5 is missing"));
}

TEST(Png, IsReadBackByPython) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.png";
  std::vector<unsigned char> rgb(7 * 5 * 3);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<unsigned char>(i * 2);
  write_png(path, rgb, 7, 5);
  const auto done = python("png '" + path.string() + "'");
  SKIP_WITHOUT_H5PY(done);
  EXPECT_EQ(done->code, 0);
  EXPECT_EQ(done->output, "7 5 0 208\n") << "width, height, first and last byte";
}

}  // namespace
}  // namespace pionbench::vla
