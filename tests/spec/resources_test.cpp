#include "harness/spec/resources.h"

#include <gmock/gmock.h>

#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST(Bytes, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_bytes("4GiB"), 4 * kGiB);
  EXPECT_EQ(parse_bytes("512 MiB"), kGiB / 2);
  EXPECT_EQ(parse_bytes("1.5 GB"), 1'500'000'000);
  EXPECT_EQ(parse_bytes("2G"), 2 * kGiB);
  EXPECT_EQ(parse_bytes("1048576"), 1 << 20);
  for (const char* bad : {"", "GiB", "-1GiB", "0", "4 gigs", "1e40GiB", "nan"})
    EXPECT_FALSE(parse_bytes(bad).has_value()) << bad;
  EXPECT_EQ(bytes_text(31.2 * static_cast<double>(kGiB)), "31.2 GiB");
  EXPECT_EQ(bytes_text(512.0 * (1 << 20)), "512 MiB");
}

class ResourcesTest : public PlanTest {
 protected:
  static inline const std::string kHead = "name: e\nsuite: toy\narms:\n  SGD: {optimizer: sgd}\n";
};

TEST_F(ResourcesTest, GoToEveryCellAndAreNoPartOfItsIdentity) {
  const auto with = plan(kHead + "resources: {cores: 2, memory: 4GiB, gpus: 1, gpu_memory: 20GiB, exclusive: true}\n");
  const auto without = plan(kHead);
  ASSERT_EQ(with.cells.size(), 2u);
  EXPECT_EQ(with.cells[1].id, without.cells[1].id);
  const Resources expected{
      .cores = 2, .memory_bytes = 4 * kGiB, .gpu_memory_bytes = 20 * kGiB, .gpus = 1, .exclusive = true};
  EXPECT_EQ(with.cells[1].resources, expected);
  EXPECT_FALSE(with.cells[0].resources.exclusive) << "a prerequisite is never timed";
  EXPECT_EQ(without.cells[1].resources, Resources{});
}

TEST_F(ResourcesTest, AScaleOverridesKeyByKey) {
  const std::string text =
      kHead + "resources: {cores: 2, memory: 4GiB}\nscales:\n  quick: {}\n  paper: {resources: {memory: 64GiB}}\n";
  EXPECT_EQ(plan(text).cells[1].resources.memory_bytes, 4 * kGiB);
  const auto paper = plan(text, {.scale = "paper"}).cells[1].resources;
  EXPECT_EQ(paper.memory_bytes, 64 * kGiB);
  EXPECT_EQ(paper.cores, 2);
}

TEST_F(ResourcesTest, TheDeviceSaysHowManyGpus) {
  const auto gpus = [](const char* device) {
    CellConfig config;
    if (device) config.settings["device"] = std::string(device);
    return resources_of({}, config, false).gpus;
  };
  EXPECT_EQ(gpus(nullptr), 0);
  EXPECT_EQ(gpus("cpu"), 0);
  EXPECT_EQ(gpus("cuda"), 1);
  EXPECT_EQ(gpus("cuda:0"), 1);
  EXPECT_EQ(gpus("cuda:3"), 4);
}

TEST_F(ResourcesTest, MistakesNameTheLineAndWhatIsAllowed) {
  EXPECT_THAT(error_of(kHead + "resources: {coers: 2}\n"), HasSubstr("exp.yaml:5"));
  EXPECT_THAT(error_of(kHead + "resources: {coers: 2}\n"), HasSubstr("cores"));
  EXPECT_THAT(error_of(kHead + "resources: {cores: 0}\n"),
              HasSubstr("resources.cores: got \"0\", allowed: whole numbers from 1 up"));
  EXPECT_THAT(error_of(kHead + "resources: {memory: much}\n"), HasSubstr("sizes such as 4GiB"));
  EXPECT_THAT(error_of(kHead + "resources: {exclusive: maybe}\n"), HasSubstr("allowed: true or false"));
  EXPECT_THAT(error_of(kHead + "resources: {gpus: [1, 2]}\n"), HasSubstr("expected text, got a list"));
}

}  // namespace
}  // namespace pionbench
