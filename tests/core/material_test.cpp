#include "core/material.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace pionbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Materials : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "pionbench-materials-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ::setenv("PIONBENCH_MODELS", folder_.c_str(), 1);
    ::setenv("PIONBENCH_DATA", folder_.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("PIONBENCH_MODELS");
    ::unsetenv("PIONBENCH_DATA");
    fs::remove_all(folder_);
  }
  void write(const std::string& name, std::size_t bytes = 1) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << std::string(bytes, ' ');
  }
  static std::string problem(MaterialKind kind, const std::string& name) {
    const auto missing = missing_material(kind, name);
    return missing ? missing->problem + " | " + missing->fix : "there";
  }
  fs::path folder_;
};

TEST_F(Materials, RelativeNamesLieInTheFolderOfTheirVariable) {
  EXPECT_EQ(material_path(MaterialKind::kModel, "a/b"), folder_ / "a/b");
  EXPECT_EQ(material_path(MaterialKind::kData, "/a/b"), fs::path("/a/b"));
  ::unsetenv("PIONBENCH_MODELS");
  EXPECT_EQ(material_path(MaterialKind::kModel, "a/b"), fs::path("a/b"));
}

TEST_F(Materials, AModelIsThereOnceItsFilesAre) {
  const std::string name = "Qwen/Qwen3-1.7B";
  EXPECT_THAT(problem(MaterialKind::kModel, name), HasSubstr("no folder"));
  EXPECT_THAT(problem(MaterialKind::kModel, name), HasSubstr("hf download Qwen/Qwen3-1.7B"));
  write(name + "/config.json");
  EXPECT_THAT(problem(MaterialKind::kModel, name), HasSubstr("no tokenizer.json in"));
  write(name + "/tokenizer.json");
  EXPECT_THAT(problem(MaterialKind::kModel, name), HasSubstr("neither model.safetensors nor"));
  write(name + "/model.safetensors.index.json");
  EXPECT_EQ(problem(MaterialKind::kModel, name), "there");
}

TEST_F(Materials, APublishedFileOfAnotherSizeIsNotTheFile) {
  EXPECT_THAT(problem(MaterialKind::kData, "gsm8k/test.jsonl"), HasSubstr("sha256 3730d312f6e3"));
  write("gsm8k/test.jsonl", 749737);
  EXPECT_THAT(problem(MaterialKind::kData, "gsm8k/test.jsonl"),
              HasSubstr("has 749737 bytes, the published file 749738"));
  write("gsm8k/test.jsonl", 749738);
  EXPECT_EQ(problem(MaterialKind::kData, "gsm8k/test.jsonl"), "there");
  write("mine.jsonl");
  EXPECT_EQ(problem(MaterialKind::kData, "mine.jsonl"), "there");
}

TEST_F(Materials, WithoutTheVariableTheFixNamesIt) {
  ::unsetenv("PIONBENCH_DATA");
  EXPECT_THAT(problem(MaterialKind::kData, "none/here.jsonl"), HasSubstr("set PIONBENCH_DATA"));
}

}  // namespace
}  // namespace pionbench
