#pragma once
/// What reads files of unknown origin, each as a function of bytes that must return or throw UserError: nothing else,
/// whatever the bytes. ci/fuzz drives them by libFuzzer, tests/rlvr_data/fuzz_test.cpp by seeded mutations.

#include <string>
#include <string_view>
#include <vector>

namespace pionbench::fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view bytes);
  std::vector<std::string> seeds;       ///< well-formed inputs to begin from
  std::vector<std::string> dictionary;  ///< pieces of the format
};

/// safetensors, tokenizer, problems, graders.
const std::vector<Target>& targets();

}  // namespace pionbench::fuzz
