/// What the spectral metrics cost, beside what they replace (a full SVD) and beside the step they accompany.
///   build/release/bin/metrics_bench
/// Compare rows of one run only. "summary" is every metric of a matrix from one Gram eigenvalue decomposition.

#include <benchmark/benchmark.h>

#include "optim/registry.h"
#include "optim/spectral/metrics.h"

namespace pionbench::optim {
namespace {

torch::Tensor input(const benchmark::State& state) {
  torch::manual_seed(1);
  return torch::randn({state.range(0), state.range(1), state.range(2)});
}

void summary(benchmark::State& state) {
  const auto x = input(state);
  for (auto _ : state) benchmark::DoNotOptimize(spectral_summary(x));
  // Largest difference of a singular value from LAPACK's float64 SVD, relative to the largest.
  const auto exact = torch::linalg_svdvals(x.to(torch::kFloat64));
  state.counters["error"] = ((singular_values(x) - exact).abs().max() / exact.max()).item<double>();
}

void svd_float32(benchmark::State& state) {
  const auto x = input(state);
  for (auto _ : state) benchmark::DoNotOptimize(torch::linalg_svdvals(x));
}

void orthogonality(benchmark::State& state) {
  const auto x = input(state);
  for (auto _ : state) benchmark::DoNotOptimize(orthogonality_error(x));
}

void snr(benchmark::State& state) {
  const auto x = input(state);
  GradientSnr accumulator;
  for (auto _ : state) accumulator.add(x);
}

/// Rows to hold the others against: one step of an optimizer that owns these matrices.
void step(benchmark::State& state, const std::string& name) {
  const auto x = input(state);
  std::vector<Parameter> model;
  for (std::int64_t i = 0; i < x.size(0); ++i)
    model.push_back({"w" + std::to_string(i), torch::randn_like(x[i]).set_requires_grad(true), Role::kMatrix});
  const auto optimizer = make_optimizer(name, model, {});
  for (auto& p : model) p.tensor.mutable_grad() = torch::randn_like(p.tensor);
  for (auto _ : state) optimizer->step();
}

[[maybe_unused]] const bool kRegistered = [] {
  using Body = std::function<void(benchmark::State&)>;
  const std::vector<std::pair<std::string, Body>> rows = {
      {"summary", summary},
      {"svd_float32", svd_float32},
      {"orthogonality_error", orthogonality},
      {"gradient_snr/add", snr},
      {"step/muon", [](benchmark::State& s) { step(s, "muon"); }},
  };
  for (const auto& [name, body] : rows) {
    auto* row = benchmark::RegisterBenchmark(name.c_str(), [body = body](benchmark::State& s) { body(s); });
    for (const auto& shape : {std::array<std::int64_t, 3>{1, 128, 512}, {1, 256, 1024}, {1, 512, 512}, {16, 64, 512}})
      row->Args({shape[0], shape[1], shape[2]});
    row->Unit(benchmark::kMicrosecond)->UseRealTime()->MinTime(0.2);
  }
  return true;
}();

}  // namespace
}  // namespace pionbench::optim

BENCHMARK_MAIN();
