/// usage: rollout_bench [THREADS]
/// Tokens per second of the rollout engine on a small random model, its growth with batch and length, and the same
/// work by transformers.generate in the same run (PIONBENCH_HOME and PIONBENCH_PYTHON as for the tests), in turns, the
/// best of three rounds. Every sequence runs to its full length, except in the last row: there sequences end at random
/// and slots are refilled.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "experiments/rlvr/generate.h"
#include "tests/rlvr_data/support.h"

int main(int argc, char** argv) {
  using namespace pionbench;
  using namespace pionbench::rlvr;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (argc > 2 || threads < 1) {
    std::cerr << "usage: rollout_bench [THREADS], THREADS at least 1 (the default)\n";
    return 64;
  }
  torch::set_num_threads(threads);
  Qwen3Config config;
  config.vocabulary = 4096;
  config.hidden = 256;
  config.layers = 6;
  config.query_heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.ffn = 768;
  const Qwen3 model(config, 1, 1.0, torch::kCPU, torch::kFloat32);
  const auto folder = scratch("bench-model");
  model.save(folder);

  // prompts · samples sequences of `length` new tokens after 32 prompt tokens; ends > 0: that many end tokens.
  struct Row {
    std::int64_t prompts, samples, length, ends;
  };
  const std::vector<Row> rows = {{1, 1, 64, 0},  {8, 1, 64, 0},  {4, 8, 64, 0},
                                 {16, 8, 64, 0}, {4, 8, 256, 0}, {32, 8, 128, 96}};
  const auto tokens_per_second = [&](const Row& row, std::uint64_t seed) {
    std::vector<TokenIds> prompts;
    torch::manual_seed(2);
    for (std::int64_t p = 0; p < row.prompts; ++p) {
      const auto ids = torch::randint(100, config.vocabulary, {32});
      prompts.emplace_back(ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + 32);
    }
    TokenIds ends;
    for (std::int64_t e = 0; e < row.ends; ++e) ends.push_back(e);
    GenerateOptions options;
    options.samples = row.samples;
    options.max_new_tokens = row.length;
    options.most_slots = 128;
    options.seed = seed;
    GenerateStats stats;
    const auto begin = std::chrono::steady_clock::now();
    generate(model, prompts, ends, options, &stats);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return static_cast<double>(stats.completion_tokens) / seconds.count();
  };
  std::string asked;
  for (const auto& row : rows)
    asked += " " + std::to_string(row.prompts) + "," + std::to_string(row.samples) + "," + std::to_string(row.length) +
             "," + std::to_string(row.ends);
  // In turns, the best of each: other work on the machine only slows, and not both sides at the same time.
  constexpr int kRounds = 3;
  std::vector<double> ours(rows.size(), 0), theirs(rows.size(), 0);
  const auto out = scratch("bench-rollout");
  bool compared = true;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::uint64_t pass = 0; pass < 2; ++pass)
        ours[i] = std::max(ours[i], tokens_per_second(rows[i], 2 * round + pass));
    compared = compared && run_tool("rollout_reference.py",
                                    folder.string() + " " + std::to_string(threads) + " " + out.string() + asked) == 0;
    if (!compared) continue;
    std::ifstream in(out);
    for (auto& best : theirs) {
      double x = 0;
      in >> x;
      best = std::max(best, x);
    }
  }
  std::printf(
      "%lld parameters, %d thread(s); tokens per second\nprompts samples length  ours  transformers  ratio\n",
      [&] {
        long long n = 0;
        for (const auto& p : model.parameters()) n += p.tensor.numel();
        return n;
      }(),
      threads);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::printf("%7lld %7lld %5s%lld %6.0f %8.0f %9.2f\n", static_cast<long long>(rows[i].prompts),
                static_cast<long long>(rows[i].samples), rows[i].ends ? "<=" : "",
                static_cast<long long>(rows[i].length), ours[i], theirs[i], theirs[i] > 0 ? ours[i] / theirs[i] : 0.0);
  if (!compared) std::cerr << "no comparison: no Python with transformers at PIONBENCH_PYTHON\n";
  return 0;
}
