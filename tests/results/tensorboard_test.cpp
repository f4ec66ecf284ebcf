#include "results/tensorboard.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "core/files.h"
#include "tests/results/synthetic.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;

TEST(TensorBoard, ChecksumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(""), 0u);
}

/// What a reader in Python makes of the files; null where it is missing.
Json read_back(const std::filesystem::path& folder, const std::string& reader) {
  const char *python = std::getenv("PIONBENCH_PYTHON"), *home = std::getenv("PIONBENCH_HOME");
  if (!python || !home || !std::filesystem::exists(python)) return nullptr;
  const auto file = folder / "read.json";
  std::string command = std::string("TF_CPP_MIN_LOG_LEVEL=3 ") + python + " -B " + home;
  command += "/tests/tools/read_event_files.py " + (folder / "tb").string() + " " + reader + " > " + file.string() +
             " 2>/dev/null";
  if (std::system(command.c_str()) != 0) return nullptr;
  return Json::parse(read_file(file));
}

class TensorBoardFiles : public ::testing::TestWithParam<const char*> {};

TEST_P(TensorBoardFiles, HoldEveryPointOfEveryRun) {
  const TemporaryFolder folder;
  Store store(folder.path(), Store::Mode::kReadWrite);
  MadeUp m{.name = "fig2a",
           .arms = {{"AdamW"}, {"Muon/5", "muon"}},
           .metrics = {"grad_snr", "evaluation/test/sampled"},
           .seeds = 2};
  m.value = [](const auto& p) { return p.seed + 0.001 * p.step + (p.metric == "grad_snr" ? 0.5 : 0); };
  m.is_run = [](const auto& p) { return !(p.arm == "AdamW" && p.seed == 1); };
  add_made_up(store, m);
  const auto report = write_tensorboard(store, folder.path() / "tb");
  EXPECT_EQ(report.runs, 3u);
  EXPECT_EQ(report.points, 3u * 2 * 4);
  const Json read = read_back(folder.path(), GetParam());
  if (read.is_null()) GTEST_SKIP() << "no reader " << GetParam() << " at PIONBENCH_PYTHON";
  EXPECT_EQ(read.size(), 3u);
  // A slash in an arm's name makes no folder.
  const Json& run = read.at("fig2a.quick/Muon_5, seed=1");
  const Json& points = run.at("grad_snr");
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[3][0], 30);
  EXPECT_FLOAT_EQ(points[3][1].get<float>(), 1.53f);
  // 2026-01-02T03:04:05Z and thirty seconds of training.
  EXPECT_DOUBLE_EQ(points[3][2].get<double>(), 1767323045.0 + 30);
  EXPECT_EQ(run.at("evaluation/test/sampled").size(), 4u);
}

INSTANTIATE_TEST_SUITE_P(Readers, TensorBoardFiles, ::testing::Values("own", "tensorboard"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TensorBoard, TheSameStoreGivesTheSameBytes) {
  const TemporaryFolder folder;
  Store store(folder.path(), Store::Mode::kReadWrite);
  add_fig2b(store);
  std::vector<std::string> bytes;
  for (const char* name : {"a", "b"}) {
    write_tensorboard(store, folder.path() / name);
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / name))
      if (entry.is_regular_file())
        files[std::filesystem::relative(entry.path(), folder.path() / name).string()] = read_file(entry.path());
    std::string all;
    for (const auto& [file, text] : files) all += file + text;
    bytes.push_back(std::move(all));
  }
  EXPECT_TRUE(bytes[0] == bytes[1]);
  EXPECT_GT(bytes[0].size(), 1000u);
}

}  // namespace
}  // namespace pionbench
