#pragma once
/// The texts of results/reference/*.yaml, compiled in (results/CMakeLists.txt): a program carries the numbers that it
/// compares with.

#include <span>

namespace pionbench {

struct ReferenceFile {
  const char* stem;
  const char* text;
};
std::span<const ReferenceFile> reference_files();

}  // namespace pionbench
