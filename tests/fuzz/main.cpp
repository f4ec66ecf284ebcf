/// libFuzzer's entry: the target is named when the program is built (-DPIONBENCH_FUZZ_TARGET=...).

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets.h"

namespace {

const pionbench::fuzz::Target& target() {
  for (const auto& t : pionbench::fuzz::targets())
    if (std::strcmp(t.name, PIONBENCH_FUZZ_TARGET) == 0) return t;
  std::abort();
}

}  // namespace

// With PIONBENCH_FUZZ_CORPUS set, the seeds are written there first: a corpus to begin from.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("PIONBENCH_FUZZ_CORPUS");
  if (!folder) return 0;
  std::filesystem::create_directories(folder);
  int n = 0;
  for (const auto& seed : target().seeds)
    std::ofstream(std::filesystem::path(folder) / ("seed-" + std::to_string(n++)), std::ios::binary) << seed;
  std::ofstream dictionary(std::filesystem::path(folder).string() + ".dict");
  for (const auto& word : target().dictionary) {
    dictionary << '"';
    for (const char c : word) {
      if (c == '"' || c == '\\') dictionary << '\\';
      if (c == '\n')
        dictionary << "\\x0a";
      else
        dictionary << c;
    }
    dictionary << "\"\n";
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& chosen = target();
  chosen.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
