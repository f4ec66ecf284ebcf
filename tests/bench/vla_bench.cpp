/// The simulator: environment steps, camera frames, and both as a rollout takes them, per second and by threads.
///   build/release/bin/vla_bench --benchmark_filter=rollout
/// The time column is wall clock, the CPU column that of all threads: their ratio is the number of cores it really had.
/// One environment step is one action: 10 physics steps and the goal's test. A frame is one image of one camera.
/// tests/bench/vla_loop.py runs this beside the same loop in Python and prints the ratio of the two.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>

#include "experiments/vla/data/demonstrations.h"
#include "experiments/vla/expert.h"
#include "experiments/vla/sim/vector_env.h"

namespace pionbench::vla {
namespace {

/// A suite's tasks in turn, far from the end of their horizons.
class Bench {
 public:
  Bench(const std::string& suite, int episodes, const EnvOptions& options)
      : tasks_(load_tasks(find_task_suite(suite))), env_(trials(episodes), options) {}

  /// One action of the expert for every episode; starts over when one has ended.
  void step() {
    if (static_cast<int>(env_.running().size()) < env_.size()) env_.reset();
    env_.step(actions_);
  }
  VectorEnv& env() { return env_; }

 private:
  std::vector<Trial> trials(int episodes) {
    std::vector<Trial> out;
    for (int i = 0; i < episodes; ++i)
      out.push_back({&tasks_[static_cast<std::size_t>(i) % tasks_.size()], i / static_cast<int>(tasks_.size())});
    // Downwards and sideways, with the fingers at work: contacts as in an episode, and no success.
    Random random(1);
    for (int i = 0; i < episodes; ++i)
      for (int k = 0; k < kActionSize; ++k)
        actions_.push_back(static_cast<float>(k == 6 ? 1 : k > 2 ? 0 : random.uniform(-.15, .1)));
    return out;
  }

  std::vector<SuiteTask> tasks_;
  std::vector<float> actions_;
  VectorEnv env_;
};

void bench_steps(benchmark::State& state, const std::string& suite, Engine engine) {
  const int episodes = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  Bench bench(suite, episodes, {.image_size = 0, .threads = threads, .engine = engine});
  for (auto _ : state) bench.step();
  state.counters["env_steps/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * episodes, benchmark::Counter::kIsRate);
}

void bench_frames(benchmark::State& state, const std::string& suite) {
  const int size = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  constexpr int kEpisodes = 40;
  Bench bench(suite, kEpisodes, {.image_size = size, .threads = threads});
  for (auto _ : state) bench.env().render();
  state.counters["frames/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 2 * kEpisodes, benchmark::Counter::kIsRate);
}

void bench_rollout(benchmark::State& state, const std::string& suite) {
  const int size = static_cast<int>(state.range(0)), threads = static_cast<int>(state.range(1));
  constexpr int kEpisodes = 40;
  Bench bench(suite, kEpisodes, {.image_size = size, .threads = threads});
  for (auto _ : state) {
    bench.step();
    bench.env().render();
  }
  state.counters["env_steps/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kEpisodes, benchmark::Counter::kIsRate);
}

/// Recording: expert with noise, physics, both frames, an HDF5 file.
void bench_demos(benchmark::State& state, const std::string& suite) {
  const auto tasks = load_tasks(find_task_suite(suite));
  const auto folder = std::filesystem::temp_directory_path() / ("vla_bench_" + std::to_string(::getpid()));
  std::int64_t frames = 0, kept = 0;
  for (auto _ : state) {
    const auto report = record_demonstrations(
        tasks.front(), folder, {.per_task = 20, .image_size = 64, .threads = static_cast<int>(state.range(0))});
    frames += report.frames;
    kept += report.kept;
  }
  std::filesystem::remove_all(folder);
  state.counters["frames/s"] = benchmark::Counter(static_cast<double>(2 * frames), benchmark::Counter::kIsRate);
  state.counters["demonstrations/s"] = benchmark::Counter(static_cast<double>(kept), benchmark::Counter::kIsRate);
}

void register_all() {
  std::vector<std::int64_t> threads;
  for (std::int64_t t = 1; t <= available_threads(); t *= 2) threads.push_back(t);
  for (const std::string suite : {"vla/object", "vla/goal"}) {
    for (const auto t : threads) {
      for (const auto& [name, engine] : {std::pair{"mjbatch", Engine::kBatch}, std::pair{"loop", Engine::kLoop}}) {
        if (engine == Engine::kBatch && default_engine() != Engine::kBatch) continue;
        benchmark::RegisterBenchmark(("steps/" + suite + "/" + name).c_str(),
                                     [=](benchmark::State& s) { bench_steps(s, suite, engine); })
            ->Args({40, t})
            ->ArgNames({"episodes", "threads"})
            ->MeasureProcessCPUTime()
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
      for (const std::int64_t size : {48, 64, 128})
        benchmark::RegisterBenchmark(("frames/" + suite).c_str(), [=](benchmark::State& s) { bench_frames(s, suite); })
            ->Args({size, t})
            ->ArgNames({"pixels", "threads"})
            ->MeasureProcessCPUTime()
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      benchmark::RegisterBenchmark(("demos/" + suite).c_str(), [=](benchmark::State& s) { bench_demos(s, suite); })
          ->Arg(t)
          ->ArgName("threads")
          ->MeasureProcessCPUTime()
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
      benchmark::RegisterBenchmark(("rollout/" + suite).c_str(), [=](benchmark::State& s) { bench_rollout(s, suite); })
          ->Args({64, t})
          ->ArgNames({"pixels", "threads"})
          ->MeasureProcessCPUTime()
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace pionbench::vla

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  pionbench::vla::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
