/// The spectral engine, form against form, with the error of each beside its time.
///   build/release/bin/optim_bench --benchmark_filter=map/muon
/// Compare rows of one run only: the ratio standard/gram at equal shape and map is the figure that carries over.

#include <benchmark/benchmark.h>

#include "optim/registry.h"
#include "optim/spectral/engine.h"

namespace pionbench::optim {
namespace {

double relative_error(const torch::Tensor& x, const SpectralMap& map, const EngineOptions& options) {
  EngineOptions exact = options;
  exact.precision = Precision::kFloat64;
  exact.form = Form::kStandard;
  const auto expected = apply_spectral_map(x.to(torch::kFloat64), map, exact);
  const auto off = (apply_spectral_map(x, map, options).to(torch::kFloat64) - expected).norm() / expected.norm().clamp_min(1e-300);
  return off.item<double>();
}

void bench_map(benchmark::State& state, const SpectralMap& map, EngineOptions options) {
  torch::manual_seed(1);
  const auto x = torch::randn({state.range(0), state.range(1), state.range(2)});
  for (auto _ : state) benchmark::DoNotOptimize(apply_spectral_map(x, map, options));
  state.counters["error"] = relative_error(x, map, options);
}

/// One whole step over the distinct matrices of a decoder block, scaled down eightfold from Qwen3-0.6B.
void bench_step(benchmark::State& state, const std::string& name, const Values& hyper) {
  torch::manual_seed(1);
  const auto make = [](std::int64_t m, std::int64_t n) { return torch::randn({m, n}).set_requires_grad(true); };
  std::vector<Parameter> model = {{"q", make(256, 128), Role::kHeadsOut, Modality::kLanguage, 16},
                                  {"k", make(128, 128), Role::kHeadsOut, Modality::kLanguage, 8},
                                  {"v", make(128, 128), Role::kHeadsOut, Modality::kLanguage, 8},
                                  {"o", make(128, 256), Role::kHeadsIn, Modality::kLanguage, 16},
                                  {"gate", make(384, 128), Role::kMatrix},
                                  {"up", make(384, 128), Role::kMatrix},
                                  {"down", make(128, 384), Role::kMatrix}};
  const auto optimizer = make_optimizer(name, model, hyper);
  for (auto& p : model) p.tensor.mutable_grad() = torch::randn_like(p.tensor);
  for (auto _ : state) optimizer->step();
}

[[maybe_unused]] const bool kRegistered = [] {
  using namespace std::string_literals;
  const std::vector<std::pair<const char*, SpectralMap>> maps = {
      {"muon", muon_map()}, {"pion_kp0", pion_map(0)}, {"pion_kp2", pion_map(2)}};
  for (const auto& [name, map] : maps)
    for (const auto& [form_name, form, precision] :
         {std::tuple{"standard_fp32", Form::kStandard, Precision::kFloat32}, std::tuple{"gram_fp32", Form::kGram, Precision::kFloat32},
          std::tuple{"standard_bf16", Form::kStandard, Precision::kBFloat16}}) {
      EngineOptions options;
      options.form = form;
      options.precision = precision;
      auto* row = benchmark::RegisterBenchmark(("map/"s + name + "/" + form_name).c_str(),
                                               [map = map, options](benchmark::State& s) { bench_map(s, map, options); });
      for (const auto& shape : {std::array<std::int64_t, 3>{1, 256, 256}, {1, 256, 512}, {1, 256, 1024}, {1, 256, 2048}, {16, 64, 512}})
        row->Args({shape[0], shape[1], shape[2]});
      row->Unit(benchmark::kMicrosecond)->UseRealTime();
    }
  for (const auto& entry : registry())
    benchmark::RegisterBenchmark(("step/" + entry.info.name).c_str(), [name = entry.info.name](benchmark::State& s) { bench_step(s, name, {}); })
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
  benchmark::RegisterBenchmark("step/pion/per-head", [](benchmark::State& s) { bench_step(s, "pion", {{"heads", "per-head"s}}); })
      ->Unit(benchmark::kMicrosecond)
      ->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace pionbench::optim

BENCHMARK_MAIN();
