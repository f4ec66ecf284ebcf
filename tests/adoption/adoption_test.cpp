/// The optimizers as an outsider meets them: installed, found by another project, called from Python.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>

namespace pionbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const fs::path kBuild = PIONBENCH_BUILD;
const fs::path kTorchConfig = PIONBENCH_TORCH_CONFIG;

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}
fs::path home() {
  return from_environment("PIONBENCH_HOME");
}

std::string slurp(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

struct Result {
  int code;
  std::string output;  ///< stdout and stderr
};

/// A folder outside the tree, removed afterwards.
class Adoption : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("pionbench-" + std::string(info->name()) + "-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Result shell(const std::string& command) const {
    FILE* pipe = ::popen(("cd " + folder_.string() + " && { " + command + "; } 2>&1").c_str(), "r");
    Result result{-1, ""};
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      result.output.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
  }
  void write(const fs::path& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  /// Installs, then moves the prefix: what is in it must not depend on where it was put.
  fs::path installed() const {
    const auto result =
        shell("cmake --install " + kBuild.string() + " --prefix first --component optim && mv first prefix");
    EXPECT_EQ(result.code, 0) << result.output;
    return folder_ / "prefix";
  }
  /// Configures a project that only looks for the package.
  Result configure_finder(const std::string& arguments) const {
    write("finder/CMakeLists.txt",
          "cmake_minimum_required(VERSION 3.25)\nproject(finder LANGUAGES NONE)\nfind_package(pionbench_optim "
          "REQUIRED)\n");
    return shell("cmake -S finder -B finder/build -DCMAKE_PREFIX_PATH=" + installed().string() + " " + arguments);
  }
  /// The output on one line: CMake breaks its messages where they happen to be long.
  static std::string unbroken(const std::string& text) { return std::regex_replace(text, std::regex("\\s+"), " "); }

  fs::path folder_;
};

class Install : public Adoption {};
class Example : public Adoption {};
class Operators : public Adoption {};

TEST_F(Install, AProjectOutsideTheTreeFindsBuildsAndTrains) {
  installed();
  fs::create_directories(folder_ / "project");
  for (const char* file : {"CMakeLists.txt", "train.cpp"})
    fs::copy_file(home() / "optim/examples" / file, folder_ / "project" / file);
  // ccache, where there is one, knows the file again although the folder has another name each time.
  const auto result = shell("export CCACHE_BASEDIR=" + folder_.string() +
                            "; cmake -S project -B project/build -G Ninja -DCMAKE_BUILD_TYPE=Release "
                            "-DCMAKE_PREFIX_PATH=" +
                            (folder_ / "prefix").string() + " -DTorch_DIR=" + kTorchConfig.string() +
                            " $(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)"
                            " && cmake --build project/build && project/build/train muon");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("step 200  loss 0.0"));
  const auto commands = slurp(folder_ / "project/build/build.ninja");
  EXPECT_THAT(commands, Not(HasSubstr("cmake_pch"))) << "the precompiled header stays at home";
  // libtorch itself may live in the source tree's .venv.
  for (const auto* part : {"core", "optim", "build"})
    EXPECT_THAT(commands, Not(HasSubstr((home() / part).string()))) << "nothing of ours comes from the source tree";
}

TEST_F(Install, NamesNoFolderOfTheMachineThatBuiltIt) {
  const auto prefix = installed();
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(prefix / "lib"))
    if (entry.path().extension() == ".cmake") {
      ++files;
      for (const auto& folder : {home(), kBuild, kTorchConfig.parent_path().parent_path().parent_path(), folder_})
        EXPECT_THAT(slurp(entry.path()), Not(HasSubstr(folder.string()))) << entry.path();
    }
  EXPECT_EQ(files, 5);  // configuration, version, find_torch, targets, targets of this build type
}

TEST_F(Install, ShipsEveryHeaderThatItsHeadersInclude) {
  const auto include = installed() / "include/pionbench";
  const std::regex quoted("#include \"([^\"]+)\"");
  int found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(include)) {
    if (!entry.is_regular_file()) continue;
    const auto text = slurp(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it, ++found)
      EXPECT_TRUE(fs::exists(include / (*it)[1].str())) << entry.path() << " includes " << (*it)[1];
  }
  EXPECT_GT(found, 10);
}

TEST_F(Install, WithoutLibtorchTheMessageSaysWhatToPass) {
  const auto result = configure_finder("-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON");
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(unbroken(result.output), HasSubstr("pionbench_optim needs libtorch " PIONBENCH_TORCH_SERIES
                                                 ", and none was found. Pass -DTorch_DIR=<torch>/share/cmake/Torch"));
}

TEST_F(Install, ALibtorchOfAnotherSeriesIsRefused) {
  write("torch/TorchConfig.cmake", "set(TORCH_LIBRARIES torch)\n");
  write("torch/TorchConfigVersion.cmake", "set(PACKAGE_VERSION 2.5.1)\n");
  const auto result = configure_finder("-DTorch_DIR=" + (folder_ / "torch").string());
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(unbroken(result.output), HasSubstr("was built with libtorch " PIONBENCH_TORCH_SERIES));
  EXPECT_THAT(unbroken(result.output), HasSubstr("but this project finds 2.5.1 in"));
}

TEST_F(Example, TrainsByWhateverOptimizerIsNamed) {
  for (const char* name : {"muon", "adamw", "normuon"}) {
    const auto result =
        shell("OMP_NUM_THREADS=1 " + (from_environment("PIONBENCH_BIN") / "optim_example").string() + " " + name);
    EXPECT_EQ(result.code, 0) << name << "\n" << result.output;
    EXPECT_THAT(result.output, HasSubstr("step   0  loss 0.")) << name;
    EXPECT_THAT(result.output, HasSubstr("step 200  loss 0.0")) << name;
  }
  const auto slip = shell((from_environment("PIONBENCH_BIN") / "optim_example").string() + " moun");
  EXPECT_EQ(slip.code, 64);
  EXPECT_THAT(slip.output, HasSubstr("did you mean \"muon\"?"));
}

/// Runs tests/tools/ops_test.py; exit 3 of it means that this Python cannot.
Result run_operator_tests(const std::function<Result(const std::string&)>& shell, const fs::path& library,
                          const std::string& which) {
  const auto python = from_environment("PIONBENCH_PYTHON");
  if (!fs::exists(python)) return {3, "no Python at PIONBENCH_PYTHON; ci/setup makes one"};
  return shell("PIONBENCH_TORCH=" PIONBENCH_TORCH_VERSION " PIONBENCH_OPS=" + library.string() + " " + python.string() +
               " " + (home() / "tests/tools/ops_test.py").string() + " " + which);
}

TEST_F(Operators, InPythonAgreeWithFloat64AndCompileAndExport) {
  const auto result =
      run_operator_tests([&](const auto& c) { return shell(c); }, kBuild / "lib/libpionbench_optim_ops.so",
                         "Maps Metrics Tracing Mistakes Readme");
  if (result.code == 3) GTEST_SKIP() << result.output;
  EXPECT_EQ(result.code, 0) << result.output;
}

TEST_F(Operators, LoadFromAnInstalledPrefix) {
  const auto result = run_operator_tests([&](const auto& c) { return shell(c); },
                                         installed() / "lib/libpionbench_optim_ops.so", "Readme");
  if (result.code == 3) GTEST_SKIP() << result.output;
  EXPECT_EQ(result.code, 0) << result.output;
}

class GpuOperators : public Adoption {};

TEST_F(GpuOperators, AgreeWithFloat64OnTheGpu) {
  const auto result =
      run_operator_tests([&](const auto& c) { return shell(c); }, kBuild / "lib/libpionbench_optim_ops.so", "Gpu");
  if (result.code == 3) GTEST_SKIP() << result.output;
  EXPECT_EQ(result.code, 0) << result.output;
}

}  // namespace
}  // namespace pionbench
