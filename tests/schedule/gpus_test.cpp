#include "harness/schedule/gpus.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/schedule/fake_nvidia_smi.h"

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> uuids(const std::vector<Gpu>& gpus) {
  std::vector<std::string> out;
  for (const auto& gpu : gpus) out.push_back(gpu.uuid);
  return out;
}

TEST(Gpus, ARowIsReadAsNvidiaSmiWritesIt) {
  const auto gpus = parse_gpu_csv(
      "0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 81008, Disabled, Default, 550.54.15\n"
      "1, GPU-bbbb, NVIDIA A100-SXM4-40GB, 40960, 40384, Enabled, Exclusive_Process, 550.54.15\n"
      "2, GPU-cccc, NVIDIA GB10, [N/A], [N/A], [N/A], Default, 580.1\n"
      "Unable to determine the device handle for GPU 0000:3D:00.0: Unknown Error\n");
  ASSERT_EQ(gpus.size(), 3u);
  EXPECT_EQ(gpus[0].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(*gpus[0].total_bytes, std::int64_t{81559} << 20);
  EXPECT_EQ(*gpus[0].free_bytes, std::int64_t{81008} << 20);
  EXPECT_FALSE(gpus[0].has_instances);
  EXPECT_TRUE(gpus[1].has_instances);
  EXPECT_EQ(gpus[1].compute_mode, "Exclusive_Process");
  EXPECT_FALSE(gpus[2].free_bytes.has_value());
}

TEST(Gpus, MigInstancesAreListedBehindTheirGpu) {
  auto gpus = parse_gpu_csv(
      "0, GPU-aaaa, A100, 40960, 40000, Enabled, Default, 1\n1, GPU-bbbb, A100, 40960, 40000, "
      "Disabled, Default, 1\n");
  add_instances(gpus,
                "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)\n"
                "  MIG 3g.20gb     Device  0: (UUID: MIG-1111)\n"
                "  MIG 1g.5gb      Device  1: (UUID: MIG-2222)\n"
                "GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)\n");
  EXPECT_THAT(uuids(gpus), ElementsAre("GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-bbbb"));
  EXPECT_EQ(gpus[1].label, "GPU 0 MIG 0");
  EXPECT_EQ(*gpus[1].total_bytes, std::int64_t{20} << 30);
  EXPECT_EQ(gpus[2].parent, "GPU-aaaa");
}

struct Visible {
  const char* value;  // nullptr: unset
  std::vector<std::string> uuids;
};

void PrintTo(const Visible& v, std::ostream* out) {
  *out << (v.value ? v.value : "(unset)");
}

class CudaVisibleDevices : public testing::TestWithParam<Visible> {};
INSTANTIATE_TEST_SUITE_P(Cases, CudaVisibleDevices,
                         testing::Values(Visible{nullptr, {"GPU-aaaa", "GPU-abbb", "MIG-1111", "MIG-2222"}},
                                         Visible{"", {}}, Visible{"-1", {}}, Visible{"1,0", {"GPU-abbb", "GPU-aaaa"}},
                                         Visible{"0,7,1", {"GPU-aaaa"}}, Visible{"0,-1,1", {"GPU-aaaa"}},
                                         Visible{"0,0", {}}, Visible{" 1 , 0 ", {"GPU-abbb", "GPU-aaaa"}},
                                         Visible{"GPU-aa", {"GPU-aaaa"}}, Visible{"GPU-a", {}},
                                         Visible{"GPU-aaaa,MIG-2222", {"GPU-aaaa", "MIG-2222"}},
                                         Visible{"MIG-2222,MIG-1111", {"MIG-2222", "MIG-1111"}},
                                         Visible{"2", {"MIG-1111"}}, Visible{"nonsense", {}}));

TEST_P(CudaVisibleDevices, IsReadAsCudaReadsIt) {
  GpuInventory inventory{.has_tool = true};
  inventory.gpus = parse_gpu_csv(
      "0, GPU-aaaa, A, 100, 100, Disabled, Default, 1\n1, GPU-abbb, A, 100, 100, Disabled, Default, 1\n"
      "2, GPU-cccc, A, 100, 100, Enabled, Default, 1\n3, GPU-dddd, A, 100, 100, Disabled, Prohibited, 1\n");
  add_instances(inventory.gpus,
                "GPU 2: A (UUID: GPU-cccc)\n  MIG 1g.5gb Device 0: (UUID: MIG-1111)\n  MIG 1g.5gb Device 1: (UUID: "
                "MIG-2222)\n");
  EXPECT_EQ(uuids(usable_gpus(inventory, GetParam().value)), GetParam().uuids);
}

TEST(Gpus, OnlyWhatWorriesAStopwatchIsCalledThrottling) {
  EXPECT_EQ(throttle_text(0x1), "") << "idle";
  EXPECT_EQ(throttle_text(0x2), "") << "clocks that somebody set";
  EXPECT_EQ(throttle_text(0x4 | 0x20), "power cap, thermal slowdown");
}

using NvidiaSmi = FakeNvidiaSmi;

TEST_F(NvidiaSmi, TheInventoryIsWhatItSays) {
  says({.gpus = "0, GPU-aaaa, NVIDIA H100, 80000, 70000, Disabled, Default, 550.1",
        .throttle = "GPU-aaaa, 0x0000000000000004",
        .processes = "GPU-aaaa, 4121, 9000\nGPU-aaaa, 77, [N/A]"});
  const auto found = query_gpus();
  EXPECT_TRUE(found.has_tool);
  EXPECT_EQ(found.problem, "");
  EXPECT_EQ(found.driver, "550.1");
  ASSERT_EQ(found.gpus.size(), 1u);
  EXPECT_EQ(throttle_text(found.gpus[0].throttle), "power cap");
  ASSERT_EQ(found.processes.size(), 2u);
  EXPECT_EQ(found.processes[0].pid, 4121);
  EXPECT_EQ(*found.processes[0].bytes, std::int64_t{9000} << 20);
  EXPECT_FALSE(found.processes[1].bytes.has_value());
}

TEST_F(NvidiaSmi, AFailingDriverIsAProblemNotAnEmptyMachine) {
  script("echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; exit 9");
  const auto found = query_gpus();
  EXPECT_TRUE(found.has_tool);
  EXPECT_THAT(found.problem, HasSubstr("couldn't communicate with the NVIDIA driver"));
  EXPECT_THAT(found.gpus, IsEmpty());
}

TEST_F(NvidiaSmi, WithoutOneThereIsNothing) {
  std::filesystem::remove(folder_ / "bin/nvidia-smi");
  ::setenv("PATH", (folder_ / "bin").c_str(), 1);
  std::filesystem::create_symlink("/usr/bin/timeout", folder_ / "bin/timeout");
  const auto found = query_gpus();
  EXPECT_FALSE(found.has_tool);
  EXPECT_THAT(found.gpus, IsEmpty());
}

}  // namespace
}  // namespace pionbench
