#include "experiments/vla/data/init_file.h"

#include <fstream>
#include <optional>

#include "core/files.h"
#include "tests/vla/fixture.h"

namespace pionbench::vla {
namespace {

using testing::HasSubstr;

class InitFile : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "turn_on_the_stove.pruned_init"; }
  /// Has Python write the file; false where Python, or the library that `how` needs, is missing.
  bool write(const std::string& how) {
    const char *home = std::getenv("PIONBENCH_HOME"), *interpreter = std::getenv("PIONBENCH_PYTHON");
    if (!home || !interpreter) return false;
    const auto done = shell("'" + std::string(interpreter) + "' '" + home + "/tests/tools/libero_demos.py' inits '" +
                            path().string() + "' " + how);
    EXPECT_TRUE(done.code == 0 || done.code == 3) << done.output;
    return done.code == 0;
  }
  std::string load_error() const {
    return error_of([this] { load_init_states(path()); });
  }
  TemporaryFolder folder_;
};
#define SKIP_UNLESS(written) \
  if (!(written)) GTEST_SKIP() << "needs Python with numpy, h5py and, for torch.save, torch (PIONBENCH_PYTHON)"

TEST_F(InitFile, WrittenByTorchOrByEitherPickleProtocolReadsAsTheNumbersThatWereStored) {
  for (const char* how : {"2", "4", "torch"}) {
    SKIP_UNLESS(write(how));
    const InitStates read = load_init_states(path());
    ASSERT_EQ(read.states, 5) << how;
    ASSERT_EQ(read.width, 11) << how;
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 11; ++j)
        EXPECT_EQ(read.values[static_cast<std::size_t>(11 * i + j)], i + j / 7. - 3) << how << " " << i << " " << j;
  }
}

TEST_F(InitFile, WithOneStateOfOneDimensionIsOneRow) {
  SKIP_UNLESS(write("row"));
  const InitStates read = load_init_states(path());
  EXPECT_EQ(read.states, 1);
  EXPECT_EQ(read.width, 11);
}

TEST_F(InitFile, NeverRunsWhatItsPickleWouldCall) {
  SKIP_UNLESS(write("call"));
  EXPECT_THAT(load_error(), HasSubstr("it would call posix.system; only what builds a numpy array is allowed"));
  EXPECT_FALSE(std::filesystem::exists(path().string() + ".ran"));
}

TEST_F(InitFile, OfAnotherKindSaysWhatItHolds) {
  SKIP_UNLESS(write("float32"));
  EXPECT_THAT(load_error(), HasSubstr("its array is not of float64"));
  SKIP_UNLESS(write("deflated"));
  EXPECT_THAT(load_error(), HasSubstr("compressed"));
  SKIP_UNLESS(write("tensor"));
  EXPECT_THAT(load_error(), HasSubstr("it would call torch._utils._rebuild_tensor"));
}

TEST_F(InitFile, ThatIsMissingOrDamagedIsOneErrorWhereverItIsCut) {
  EXPECT_THAT(load_error(), HasSubstr("no such file"));
  std::ofstream(path()) << "not a zip archive, and long enough to be searched for one";
  EXPECT_THAT(load_error(), HasSubstr("it is no zip archive"));
  SKIP_UNLESS(write("2"));
  const std::string whole = read_file(path());
  int refused = 0, trials = 0;
  const auto load = [&](const std::string& bytes) {
    std::ofstream(path(), std::ios::binary) << bytes;
    ++trials;
    try {
      load_init_states(path());
    } catch (const UserError& e) {
      EXPECT_THAT(e.what(), HasSubstr(path().string()));
      ++refused;
    }
  };
  for (std::size_t keep = 0; keep < whole.size(); keep += 7) load(whole.substr(0, keep));
  EXPECT_EQ(refused, trials) << "a file cut short";
  // Any one byte changed: an error or other numbers, never a crash.
  for (std::size_t i = 0; i < whole.size(); i += 3) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x5a);
    load(changed);
  }
}

}  // namespace
}  // namespace pionbench::vla
