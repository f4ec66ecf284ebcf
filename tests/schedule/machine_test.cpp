#include "harness/schedule/machine.h"

#include <gmock/gmock.h>
#include <unistd.h>

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr int kNobody = 1 << 22;  // above the kernel's highest process number

class MachineTest : public testing::Test {
 protected:
  MachineTest() {
    inventory_.has_tool = true;
    add("GPU-a", 80, 80);
    add("GPU-b", 80, 60);
  }
  void add(const std::string& uuid, int total_gib, int free_gib) {
    Gpu gpu{.index = static_cast<int>(inventory_.gpus.size()), .uuid = uuid, .name = "H100"};
    gpu.total_bytes = total_gib * kGiB;
    gpu.free_bytes = free_gib * kGiB;
    gpu.label = "GPU " + std::to_string(gpu.index);
    inventory_.gpus.push_back(gpu);
  }
  Machine machine(int runs = 4, int cores = 8) {
    return Machine(
        runs, cores,
        {.gpus = [this] { return inventory_; }, .free_memory = [this] { return free_memory_; }, .visible = visible_});
  }
  static Demand gpu_run(int known_gib, bool exclusive = false) {
    Demand d;
    d.resources = {.cores = 1, .gpus = 1, .exclusive = exclusive};
    d.expected_gpu_memory_bytes = known_gib * kGiB;
    return d;
  }
  static Demand cpu_run(int cores, int known_gib = 0) {
    Demand d;
    d.resources.cores = cores;
    d.expected_memory_bytes = known_gib * kGiB;
    return d;
  }
  /// Places and occupies; the devices.
  static std::vector<std::string> let_in(Machine& m, const std::string& run, const Demand& d) {
    const auto placement = m.place(d);
    EXPECT_TRUE(placement.granted) << placement.waits;
    m.occupy(run, d, placement, kNobody);
    return placement.devices;
  }

  GpuInventory inventory_;
  std::int64_t free_memory_ = 64 * kGiB;
  std::optional<std::string> visible_;
};

TEST_F(MachineTest, CoresAreNeverGivenTwice) {
  auto m = machine();
  let_in(m, "r.1", cpu_run(5));
  EXPECT_EQ(m.place(cpu_run(4)).waits, "waits: needs 4 cores, 5 of 8 are in use");
  let_in(m, "r.2", cpu_run(3));
  m.release("r.1");
  EXPECT_TRUE(m.place(cpu_run(4)).granted);
}

TEST_F(MachineTest, WhatCanNeverFitIsSaidAtOnce) {
  auto m = machine();
  const auto cores = m.place(cpu_run(9));
  EXPECT_TRUE(cores.never);
  EXPECT_EQ(cores.waits, "needs 9 cores, this machine has 8");
  Demand three = gpu_run(1);
  three.resources.gpus = 3;
  EXPECT_TRUE(m.place(three).never);
  EXPECT_EQ(m.place(three).waits, "needs 3 GPUs, 2 can be used here");
}

TEST_F(MachineTest, AnInheritedListOfDevicesIsTheWholeWorld) {
  visible_ = "1";
  auto m = machine();
  EXPECT_THAT(let_in(m, "r.1", gpu_run(0)), ElementsAre("GPU-b"));
  EXPECT_EQ(m.place(gpu_run(0)).waits, "waits: GPU 1 belongs to r.1, whose need of memory is not known yet");
  visible_ = "";
  EXPECT_EQ(machine().place(gpu_run(0)).waits, "needs 1 GPU, 0 can be used here (CUDA_VISIBLE_DEVICES=)");
}

TEST_F(MachineTest, ATimedRunHasItsGpuToItself) {
  auto m = machine();
  EXPECT_THAT(let_in(m, "timed.1", gpu_run(10, true)), ElementsAre("GPU-a")) << "the emptiest";
  m.warmed_up("timed.1");
  EXPECT_THAT(let_in(m, "other.1", gpu_run(10)), ElementsAre("GPU-b"));
  m.warmed_up("other.1");
  EXPECT_THAT(let_in(m, "other.2", gpu_run(10)), ElementsAre("GPU-b")) << "the timed run's GPU stays its own";
  EXPECT_THAT(m.place(gpu_run(10, true)).waits, HasSubstr("GPU 0 belongs to timed.1, which is timed"));
}

TEST_F(MachineTest, OthersArePackedByLearnedMemoryOneWarmingUpAtATime) {
  inventory_.gpus.pop_back();
  auto m = machine();
  let_in(m, "r.1", gpu_run(30));
  EXPECT_EQ(m.place(gpu_run(30)).waits, "waits: r.1 is still warming up on GPU 0");
  // It has reported its first step, and by then taken 20 of its 33 GiB.
  inventory_.gpus[0].free_bytes = 60 * kGiB;
  inventory_.processes = {{"GPU-a", kNobody, 20 * kGiB}};
  m.warmed_up("r.1");
  EXPECT_TRUE(m.place(gpu_run(30)).granted);
  let_in(m, "r.2", gpu_run(30));
  m.warmed_up("r.2");
  inventory_.gpus[0].free_bytes = 27 * kGiB;
  inventory_.processes = {{"GPU-a", kNobody, 33 * kGiB}};
  EXPECT_EQ(m.place(gpu_run(30)).waits, "waits: needs 33.0 GiB on a GPU, GPU 0 has 27.0 GiB free");
}

TEST_F(MachineTest, ARunOfUnknownSizeIsAloneSoThatItCanBeMeasured) {
  inventory_.gpus.pop_back();
  auto m = machine();
  let_in(m, "r.1", gpu_run(0));
  EXPECT_EQ(m.place(gpu_run(5)).waits, "waits: GPU 0 belongs to r.1, whose need of memory is not known yet");
}

TEST_F(MachineTest, OtherPeoplesProcessesCountAndAreNamed) {
  inventory_.gpus.pop_back();
  inventory_.gpus[0].free_bytes = 22 * kGiB;
  inventory_.processes = {{"GPU-a", 4'190'001, 18 * kGiB}};
  auto m = machine();
  Demand d = gpu_run(0);
  d.resources.gpu_memory_bytes = static_cast<std::int64_t>(31.2 * static_cast<double>(kGiB));
  EXPECT_EQ(m.place(d).waits,
            "waits: needs 31.2 GiB on a GPU, GPU 0 has 22.0 GiB free, 18.0 GiB are held by process 4190001 (not ours)");
  EXPECT_EQ(m.place(gpu_run(1, true)).waits,
            "waits: needs a GPU for itself, on GPU 0 18.0 GiB are held by process 4190001 (not ours)");
  EXPECT_TRUE(m.place(gpu_run(10)).granted) << "what fits beside them may run";
}

TEST_F(MachineTest, AMigParentIsNeverGivenAnInstanceTakesOneRun) {
  inventory_.gpus.resize(1);
  inventory_.gpus[0].has_instances = true;
  for (const char* uuid : {"MIG-1", "MIG-2"}) {
    Gpu instance{.uuid = uuid, .name = "MIG 1g.10gb"};
    instance.parent = "GPU-a";
    instance.total_bytes = 10 * kGiB;
    instance.label = uuid;
    inventory_.gpus.push_back(instance);
  }
  auto m = machine();
  EXPECT_THAT(let_in(m, "r.1", gpu_run(5)), ElementsAre("MIG-1"));
  m.warmed_up("r.1");
  EXPECT_THAT(let_in(m, "r.2", gpu_run(5)), ElementsAre("MIG-2"));
  m.warmed_up("r.2");
  EXPECT_THAT(m.place(gpu_run(2)).waits, HasSubstr("takes one process at a time"));
}

TEST_F(MachineTest, ATimedRunWithoutAGpuHasTheMachineToItself) {
  auto m = machine();
  Demand timed = cpu_run(1);
  timed.resources.exclusive = true;
  let_in(m, "r.1", cpu_run(1));
  EXPECT_EQ(m.place(timed).waits, "waits: it is timed and runs alone; 1 other run is still going");
  m.release("r.1");
  let_in(m, "timed.1", timed);
  EXPECT_EQ(m.place(cpu_run(1)).waits, "waits: timed.1 is timed and has the machine to itself");
}

TEST_F(MachineTest, MemoryThatStartingRunsWillTakeIsNotGivenAgain) {
  auto m = machine();
  let_in(m, "r.1", cpu_run(1, 40));
  EXPECT_EQ(m.place(cpu_run(1, 20)).waits,
            "waits: needs 22.0 GiB of memory, 64.0 GiB are free, 44.0 GiB of them reserved for runs that are still "
            "starting");
  EXPECT_TRUE(m.place(cpu_run(1, 10)).granted);
  m.release("r.1");
  free_memory_ = kGiB;
  EXPECT_TRUE(m.place(cpu_run(1, 20)).granted) << "alone it may try: the estimate can be wrong";
}

TEST_F(MachineTest, PeakThrottlingAndForeignProcessesAreRemembered) {
  auto m = machine();
  auto d = gpu_run(10, true);
  const auto placement = m.place(d);
  m.occupy("timed.1", d, placement, ::getpid());
  m.warmed_up("timed.1");  // the next look is due at once
  inventory_.gpus[0].throttle = 0x20;
  inventory_.processes = {{"GPU-a", ::getpid(), 7 * kGiB}, {"GPU-a", ::getppid(), 2 * kGiB}};
  m.observe();
  const auto used = m.release("timed.1");
  EXPECT_EQ(used.peak_gpu_memory, 7 * kGiB);
  EXPECT_EQ(used.disturbance, "clocks held back (thermal slowdown) in 1 of 1 looks; process " +
                                  std::to_string(::getppid()) + " (not ours) on its device in 1 of 1 looks");
}

TEST_F(MachineTest, AProcessOnAnotherDeviceThanItsOwnIsReportedOnce) {
  auto m = machine();
  const auto d = gpu_run(10);
  m.occupy("r.1", d, m.place(d), ::getpid());
  m.warmed_up("r.1");
  inventory_.processes = {{"GPU-b", ::getpid(), kGiB}};
  m.observe();
  EXPECT_THAT(m.take_warnings(), ElementsAre("r.1 works on GPU-b, which it was not given"));
  m.warmed_up("r.1");
  m.observe();
  EXPECT_THAT(m.take_warnings(), IsEmpty());
}

TEST_F(MachineTest, WithoutNvidiaSmiOneRunAtATimeUsesWhatCudaShows) {
  inventory_ = {};
  auto m = machine();
  EXPECT_THAT(let_in(m, "r.1", gpu_run(0)), IsEmpty());
  EXPECT_THAT(m.place(gpu_run(0)).waits, HasSubstr("there is no nvidia-smi here"));
}

TEST_F(MachineTest, ABrokenDriverIsWaitedForWithItsMessage) {
  inventory_ = {.has_tool = true, .problem = "NVIDIA-SMI has failed"};
  const auto placement = machine().place(gpu_run(0));
  EXPECT_FALSE(placement.never);
  EXPECT_EQ(placement.waits, "waits: needs 1 GPU, 0 can be used here: NVIDIA-SMI has failed");
}

}  // namespace
}  // namespace pionbench
