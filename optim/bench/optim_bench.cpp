/// The spectral engine and the optimizers' steps, an error beside every time.
///   build/release/bin/optim_bench --benchmark_filter='map/muon/.*/256/'
/// Compare rows of one run only: the ratio to naive_bf16 (the released formula) or plain_gram at equal map and shape
/// carries over. Against Python's torch.optim.Muon: tests/bench/optim_peers.py.

#include <benchmark/benchmark.h>

#include "optim/bench/naive.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "optim/spectral/engine.h"

namespace pionbench::optim {
namespace {

using MapFunction = std::function<torch::Tensor(const torch::Tensor& batch)>;

double relative_error(const torch::Tensor& x, const torch::Tensor& got, const SpectralMap& map) {
  EngineOptions exact;
  exact.precision = Precision::kFloat64;
  exact.form = Form::kStandard;
  const auto expected = apply_spectral_map(x.to(torch::kFloat64), map, exact);
  return (got.to(torch::kFloat64) - expected).norm().item<double>() / std::max(expected.norm().item<double>(), 1e-3);
}

void bench_map(benchmark::State& state, const SpectralMap& map, const MapFunction& function) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({state.range(0), state.range(1), state.range(2)});
  for (auto _ : state) benchmark::DoNotOptimize(function(x));
  state.counters["error"] = relative_error(x, function(x), map);
}

/// One matrix after the other, as a loop over heads does.
MapFunction each(torch::Tensor (*function)(const torch::Tensor&, const SpectralMap&), const SpectralMap& map) {
  return [=](const torch::Tensor& batch) {
    std::vector<torch::Tensor> out;
    for (const auto& x : batch.unbind()) out.push_back(function(x, map));
    return torch::stack(out);
  };
}

MapFunction engine(const SpectralMap& map, Form form, Precision precision) {
  EngineOptions options;
  options.form = form;
  options.precision = precision;
  return [=](const torch::Tensor& batch) { return apply_spectral_map(batch, map, options); };
}

/// The fast path alone, from a cold start.
MapFunction leading(const SpectralMap& map) {
  return [map, profile = filter_profile(map)](const torch::Tensor& batch) {
    const auto x = batch.unbind();
    std::vector<std::uint64_t> seeds(x.size());
    for (std::size_t i = 0; i < seeds.size(); ++i) seeds[i] = i;
    std::vector<torch::Tensor> out;
    for (const auto& u : leading_updates(x, std::vector<torch::Tensor>(x.size()), seeds, map, profile, {}))
      out.push_back(torch::matmul(u.left.t(), u.right));
    return torch::stack(out);
  };
}

/// A whole step over the distinct matrices of one layer: Qwen3-0.6B's decoder, or VLA-Adapter's action head at half its
/// width.
std::vector<Parameter> layer(const std::string& name) {
  torch::manual_seed(1);
  const auto make = [](std::int64_t m, std::int64_t n) { return torch::randn({m, n}).set_requires_grad(true); };
  std::vector<Parameter> out;
  if (name == "qwen3")
    out = {{"q", make(2048, 1024), Role::kHeadsOut, Modality::kLanguage, 16},
           {"k", make(1024, 1024), Role::kHeadsOut, Modality::kLanguage, 8},
           {"v", make(1024, 1024), Role::kHeadsOut, Modality::kLanguage, 8},
           {"o", make(1024, 2048), Role::kHeadsIn, Modality::kLanguage, 16},
           {"gate", make(3072, 1024), Role::kMatrix},
           {"up", make(3072, 1024), Role::kMatrix},
           {"down", make(1024, 3072), Role::kMatrix}};
  else
    out = {{"q", make(448, 448), Role::kHeadsOut, Modality::kAction, 8},
           {"o", make(448, 448), Role::kHeadsIn, Modality::kAction, 8},
           {"ffn", make(1792, 448), Role::kMatrix, Modality::kAction},
           {"fc1", make(448, 3136), Role::kMatrix, Modality::kAction}};
  for (auto& p : out) p.tensor.mutable_grad() = torch::randn_like(p.tensor);
  return out;
}

void bench_step(benchmark::State& state, const std::string& of, const std::string& name, const Values& hyper) {
  auto model = layer(of);
  const auto optimizer = make_optimizer(name, model, hyper);
  for (auto _ : state) optimizer->step();
}

void register_row(const std::string& name, const SpectralMap& map, const MapFunction& function,
                  const std::vector<std::array<std::int64_t, 3>>& shapes) {
  auto* row = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { bench_map(s, map, function); });
  for (const auto& shape : shapes) row->Args({shape[0], shape[1], shape[2]});
  row->Unit(benchmark::kMicrosecond)->UseRealTime();
}

[[maybe_unused]] const bool kRegistered = [] {
  using namespace std::string_literals;
  std::vector<std::array<std::int64_t, 3>> shapes;  // batch, rows, cols
  for (const std::int64_t m : {32, 64, 128, 256, 512, 1024, 2048})
    for (const std::int64_t aspect : {1, 2, 4, 8, 32})
      if (m * m * aspect <= 2048 * 4096) shapes.push_back({1, m, m * aspect});
  for (const std::int64_t heads : {8, 16, 32}) shapes.push_back({heads, 128, 1024});
  for (const auto& [name, map] : {std::pair{"muon"s, muon_map()},
                                  {"pion_kp0"s, pion_map(0)},
                                  {"pion_kp1"s, pion_map(1)},
                                  {"pion_kp2"s, pion_map(2)}}) {
    const auto row = [&, &name = name, &map = map](const char* form, const MapFunction& function) {
      register_row("map/" + name + "/" + form, map, function, shapes);
    };
    row("auto", engine(map, Form::kAuto, Precision::kAuto));
    row("standard_fp32", engine(map, Form::kStandard, Precision::kFloat32));
    row("gram_fp32", engine(map, Form::kGram, Precision::kFloat32));
    row("standard_bf16", engine(map, Form::kStandard, Precision::kBFloat16));
    row("gram_bf16", engine(map, Form::kGram, Precision::kBFloat16));
    row("naive_bf16", each(naive_map, map));
    row("plain_gram", each(plain_gram_map, map));
    if (few_directions(filter_profile(map), 128, 128)) row("leading", leading(map));
  }
  for (const auto* of : {"qwen3", "vla"}) {
    const auto row = [&](const std::string& name, const std::string& optimizer, const Values& hyper) {
      benchmark::RegisterBenchmark(("step/"s + of + "/" + name).c_str(),
                                   [=](benchmark::State& s) { bench_step(s, of, optimizer, hyper); })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    };
    for (const auto& entry : registry()) row(entry.info.name, entry.info.name, {});
    row("muon/per-head", "muon", {{"heads", "per-head"s}});
    row("pion/per-head", "pion", {{"heads", "per-head"s}});
    row("pion/k_p=2", "pion", {{"k_p", std::int64_t{2}}});
  }
  return true;
}();

}  // namespace
}  // namespace pionbench::optim

BENCHMARK_MAIN();
