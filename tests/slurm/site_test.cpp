#include "harness/slurm/site.h"

#include <gmock/gmock.h>

#include "harness/slurm/batch.h"
#include "harness/slurm/queue.h"
#include "tests/spec/fixture.h"

namespace pionbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::string& text) {
  try {
    parse_site(text, "site.yaml");
  } catch (const UserError& e) {
    return e.what();
  }
  return "(no error)";
}

TEST(Site, SaysHowTheClusterWantsItsJobs) {
  const Site site = parse_site(
      "backend: slurm\nslurm:\n  partition: gpu\n  time: 4:00:00\n  memory: 16G\n  cpus: 4\n  gres: gpu:a100\n"
      "  options: [--reservation=spring, --exclude=node7]\n  setup: |\n    module load cuda/12.4\n",
      "site.yaml");
  EXPECT_EQ(site.backend, "slurm");
  EXPECT_EQ(site.slurm.time, "4:00:00") << "not a number in base 60";
  EXPECT_EQ(site.slurm.cpus, 4);
  EXPECT_EQ(site.slurm.setup, "module load cuda/12.4\n");
  EXPECT_THAT(site.slurm.options, ElementsAre("--reservation=spring", "--exclude=node7"));
  EXPECT_EQ(parse_site("", "site.yaml").backend, "local");
}

TEST(Site, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(error_of("slurm:\n  partion: gpu\n"), HasSubstr("site.yaml:2: unknown key of slurm \"partion\"; did you "
                                                              "mean \"partition\"?"));
  EXPECT_THAT(error_of("backend: slrum\n"), HasSubstr("did you mean \"slurm\"?"));
  EXPECT_THAT(error_of("slurm:\n  time: tomorrow\n"), HasSubstr("site.yaml:2: time: got \"tomorrow\", allowed:"));
  EXPECT_THAT(error_of("slurm: {memory: lots}\n"), HasSubstr("e.g. 16G"));
  EXPECT_THAT(error_of("slurm: {cpus: 0}\n"), HasSubstr("site.yaml:1"));
  EXPECT_THAT(error_of("slurm:\n  options: [--mem=1G]\n"), HasSubstr("--mem has a key of its own: \"memory\""));
  EXPECT_THAT(error_of("slurm:\n  options: [--array=0-3]\n"), HasSubstr("is set by pionbench"));
  EXPECT_THAT(error_of("slurm:\n  options: [debug]\n"), HasSubstr("one option of sbatch each"));
}

using SiteFile = FolderTest;

TEST_F(SiteFile, IsFoundByNameThenByVariableThenInTheConfigFolder) {
  write_file_atomic(folder_ / "a.yaml", "slurm: {partition: a}\n");
  write_file_atomic(folder_ / "b.yaml", "slurm: {partition: b}\n");
  write_file_atomic(folder_ / "pionbench/site.yaml", "slurm: {partition: c}\n");
  ::setenv("XDG_CONFIG_HOME", folder_.c_str(), 1);
  ::unsetenv("PIONBENCH_SITE");
  EXPECT_EQ(load_site("").slurm.partition, "c");
  ::setenv("PIONBENCH_SITE", (folder_ / "b.yaml").c_str(), 1);
  EXPECT_EQ(load_site("").slurm.partition, "b");
  EXPECT_EQ(load_site((folder_ / "a.yaml").string()).slurm.partition, "a");
  EXPECT_THROW(load_site((folder_ / "missing.yaml").string()), UserError);
  ::unsetenv("PIONBENCH_SITE");
  ::setenv("XDG_CONFIG_HOME", (folder_ / "empty").c_str(), 1);
  EXPECT_EQ(load_site("").slurm.partition, "") << "no file is no mistake";
  ::unsetenv("XDG_CONFIG_HOME");
}

SlurmSite cluster() {
  SlurmSite site;
  site.partition = "gpu";
  site.account = "physics";
  site.time = "4:00:00";
  site.options = {"--reservation=spring"};
  site.setup = "module load cuda/12.4";
  return site;
}

TEST(BatchScript, IsWhatSlurmIsHanded) {
  const auto options =
      batch_options(cluster(), {.cpus = 4, .gpus = 1, .memory = "16G"}, "0a1b2c3d4e5f", "/out/slurm/0a1b2c3d4e5f", 12);
  EXPECT_EQ(batch_script(options, cluster().setup, "/opt/pion bench/pionbench-node", "/out/slurm/0a1b2c3d4e5f"),
            "#!/bin/bash\n"
            "# Written by pionbench; tasks.json beside it says which run each task is.\n"
            "#SBATCH --job-name=pionbench-0a1b2c3d4e5f\n"
            "#SBATCH --comment=pionbench:0a1b2c3d4e5f\n"
            "#SBATCH --array=0-11\n"
            "#SBATCH --partition=gpu\n"
            "#SBATCH --account=physics\n"
            "#SBATCH --time=4:00:00\n"
            "#SBATCH --nodes=1\n"
            "#SBATCH --ntasks=1\n"
            "#SBATCH --cpus-per-task=4\n"
            "#SBATCH --mem=16G\n"
            "#SBATCH --gres=gpu:1\n"
            "#SBATCH --signal=B:USR2@120\n"
            "#SBATCH --requeue\n"
            "#SBATCH --open-mode=append\n"
            "#SBATCH --output=/out/slurm/0a1b2c3d4e5f/task-%a.log\n"
            "#SBATCH --reservation=spring\n"
            "module load cuda/12.4\n"
            "exec '/opt/pion bench/pionbench-node' task /out/slurm/0a1b2c3d4e5f\n");
}

TEST(BatchScript, AsksForMemoryAlwaysAndForGpusOnlyWhereTheyAreUsed) {
  const auto text = [](const std::vector<std::string>& options) { return join(options, " "); };
  const auto plain = text(batch_options({}, {}, "b", "/f", 1));
  EXPECT_THAT(plain, HasSubstr("--mem=4G"));
  EXPECT_THAT(plain, HasSubstr("--array=0-0"));
  for (const char* absent : {"--gres", "--partition", "--account", "--time", "--qos", "--exclusive"})
    EXPECT_THAT(plain, Not(HasSubstr(absent)));
  SlurmSite site;
  site.gres = "gpu:a100";
  site.requeue = false;
  const auto timed = text(batch_options(site, {.gpus = 2, .exclusive = true}, "b", "/f", 1));
  EXPECT_THAT(timed, HasSubstr("--gres=gpu:a100:2"));
  EXPECT_THAT(timed, HasSubstr("--exclusive"));
  EXPECT_THAT(timed, HasSubstr("--no-requeue"));
}

TEST(BatchKeys, AreTwelveDigitsAndDiffer) {
  const auto a = new_batch_id(), b = new_batch_id();
  EXPECT_EQ(a.size(), 12u);
  EXPECT_EQ(a.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(a, b);
  const auto named = parse_job_text(job_text(a, 17));
  ASSERT_TRUE(named);
  EXPECT_EQ(named->batch, a);
  EXPECT_EQ(named->task, 17);
  for (const char* wrong : {"", "slurm:", "slurm:abc", "slurm:abc.", "slurm:abc.x", "local:abc.1", "slurm:.1"})
    EXPECT_FALSE(parse_job_text(wrong)) << wrong;
}

using BatchFiles = FolderTest;

TEST_F(BatchFiles, SayWhatWasWritten) {
  write_batch(folder_ / "b", {"b", "/bin/worker", false, {{"r.1", "/out/runs/r.1"}, {"s.1", "/out/runs/s.1"}}});
  const Batch batch = read_batch(folder_ / "b");
  EXPECT_EQ(batch.worker, "/bin/worker");
  EXPECT_FALSE(batch.requeue);
  ASSERT_EQ(batch.tasks.size(), 2u);
  EXPECT_EQ(batch.tasks[1].folder, "/out/runs/s.1");
  write_file_atomic(folder_ / "c/tasks.json", "{");
  EXPECT_THROW(read_batch(folder_ / "c"), UserError);
  EXPECT_FALSE(read_lease(folder_));
  write_lease(folder_, {"b", 3, true});
  EXPECT_EQ(read_lease(folder_)->task, 3);
  EXPECT_TRUE(read_lease(folder_)->stop);
}

}  // namespace
}  // namespace pionbench
