#pragma once
/// Runs the built programs as a user would.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace pionbench::integration {

namespace fs = std::filesystem;

struct Result {
  int code = -1;       ///< exit code, or 128 + signal
  std::string output;  ///< stdout
  std::string errors;  ///< stderr
};

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

inline fs::path bin() {
  return environment("PIONBENCH_BIN");
}
inline fs::path home() {
  return environment("PIONBENCH_HOME");
}
inline fs::path python() {
  return environment("PIONBENCH_PYTHON");
}

inline std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// A folder of its own for each test, removed afterwards.
class Sandbox : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("pionbench-" + std::string(info->name()) + "-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::permissions(folder_, fs::perms::owner_all, fs::perm_options::add, ignored);
    fs::remove_all(folder_, ignored);
  }

  /// `prefix` stands before the program: variables, ulimit.
  Result shell(const std::string& command) const {
    const auto errors = folder_ / "stderr.txt";
    const std::string line = "cd " + folder_.string() + " && { " + command + "; } 2>" + errors.string();
    Result result;
    FILE* pipe = ::popen(line.c_str(), "r");
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      result.output.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.errors = slurp(errors);
    return result;
  }
  Result pionbench(const std::string& arguments, const std::string& prefix = "") const {
    return shell(prefix + " " + (bin() / "pionbench").string() + " " + arguments + " --out out");
  }
  nlohmann::json json(const std::string& arguments) const {
    const auto result = pionbench(arguments + " --json");
    const auto parsed = nlohmann::json::parse(result.output, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << arguments << "\n" << result.output << result.errors;
    return parsed;
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  fs::path folder_;
};

/// Real reinforcement learning, small enough for a test: about a second a run.
inline const char* kTinyExperiment = R"(name: tiny
title: A small experiment
suite: rlvr/arith
defaults:
  lr: 1e-3
  steps: 2
  eval_every: 1
  probe_every: 1
  prompts: 2
  mini_batches: 1
  samples: 2
  max_new_tokens: 6
  hidden: 16
  layers: 1
  query_heads: 2
  kv_heads: 1
  head_dim: 8
  ffn: 16
  train_problems: 64
  validation_problems: 4
  test_problems: 4
  warm_steps: 3
  warm_batch: 4
arms:
  AdamW: {optimizer: adamw}
  Pion: {optimizer: pion, preset: pion-rl, heads: per-head}
grid:
  seed: 0..1
scales:
  quick: {}
)";

}  // namespace pionbench::integration
