/// One training step of a robot policy: forward, loss, backward, optimizer. Rows step/<head>/<optimizer>/batch:<B>.
/// tests/bench/vla_policy_peer.py times the same model in eager PyTorch beside it.

#include <benchmark/benchmark.h>

#include "experiments/vla/policy/losses.h"
#include "experiments/vla/train/suites.h"
#include "experiments/worker/allocator.h"
#include "optim/registry.h"

namespace pionbench::vla {
namespace {

void step(benchmark::State& state, HeadKind head, const std::string& optimizer) {
  torch::set_num_threads(1);
  const auto batch = state.range(0);
  const SettingTable table = {training_settings(find_task_suite("vla/object")), {model_bundles(), recipe_bundles()}};
  auto config = policy_config(table.resolve({}), std::vector<std::string>(150, "word"));
  config.head = head;
  const Policy policy(config, 0, torch::kCPU, torch::kFloat32);
  const auto routed = optim::make_optimizer(optimizer, policy.parameters(), {{"lr", 1e-3}});
  const Observation seen = {torch::randn({batch, 2, config.image, config.image, 3}), torch::randint(2, 100, {batch, 9}),
                            torch::randn({batch, 8})};
  const auto actions = torch::randn({batch, config.chunk, 7}), noise = torch::randn({batch, config.chunk, 7});
  const auto sigma = torch::rand({batch});
  for (auto _ : state) {
    for (const auto& p : policy.parameters()) p.tensor.mutable_grad() = torch::Tensor();
    const auto features = policy.encode(seen);
    torch::Tensor loss;
    if (head == HeadKind::kL1) {
      loss = chunk_l1_loss(policy.chunk(features), actions);
    } else {
      const auto sample = flow_sample(actions, noise, sigma);
      loss = flow_loss(policy.velocity(features, sample.noisy, sigma), sample, actions, sigma, .1);
    }
    loss.backward();
    routed->step();
    benchmark::DoNotOptimize(loss.item<float>());
  }
  state.counters["frames/s"] =
      benchmark::Counter(static_cast<double>(batch), benchmark::Counter::kIsIterationInvariantRate);
}

const bool kRegistered = [] {
  keep_freed_memory();  // as the worker does
  for (const auto& [name, head] : {std::pair{"l1", HeadKind::kL1}, {"flow", HeadKind::kFlow}})
    for (const std::string optimizer : {"adamw", "muon", "modules"})
      benchmark::RegisterBenchmark((std::string("step/") + name + "/" + optimizer + "/batch").c_str(),
                                   [head = head, optimizer](benchmark::State& s) { step(s, head, optimizer); })
          ->Arg(32)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace pionbench::vla

BENCHMARK_MAIN();
