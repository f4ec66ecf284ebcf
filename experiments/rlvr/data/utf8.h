#pragma once
/// UTF-8, one code point at a time. Broken bytes decode to U+FFFD, one for each maximal subpart of a sequence
/// (Unicode 15, 3.9, practice that Python's errors="replace" and Rust's from_utf8_lossy follow).

#include <cstddef>
#include <string>
#include <string_view>

namespace pionbench::rlvr::utf8 {

struct CodePoint {
  char32_t value;      ///< U+FFFD when the bytes are broken
  std::size_t length;  ///< bytes it stands for, at least 1
  bool valid;
};

/// The code point at `at`, which must be within `text`.
CodePoint decode(std::string_view text, std::size_t at);
void append(std::string& out, char32_t value);
bool is_valid(std::string_view text);
/// `text` with broken bytes replaced.
std::string repaired(std::string_view text);
/// The last `n` code points; broken bytes count as decode() counts them.
std::string_view last(std::string_view text, std::size_t n);

}  // namespace pionbench::rlvr::utf8
