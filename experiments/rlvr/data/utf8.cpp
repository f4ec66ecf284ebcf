#include "experiments/rlvr/data/utf8.h"

namespace pionbench::rlvr::utf8 {

CodePoint decode(std::string_view text, std::size_t at) {
  constexpr char32_t kReplacement = 0xFFFD;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {kReplacement, 1, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {kReplacement, i, false};
    const unsigned char next = byte(at + i);
    if (next < (i == 1 ? low : 0x80) || next > (i == 1 ? high : 0xBF)) return {kReplacement, i, false};
    value = value << 6 | (next & 0x3Fu);
  }
  return {value, length, true};
}

void append(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6), put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12), put(0x80 | (value >> 6 & 0x3F)), put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18), put(0x80 | (value >> 12 & 0x3F)), put(0x80 | (value >> 6 & 0x3F)),
        put(0x80 | (value & 0x3F));
  }
}

bool is_valid(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode(text, at);
    if (!point.valid) return false;
    at += point.length;
  }
  return true;
}

std::string repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode(text, at);
    append(out, point.value);
    at += point.length;
  }
  return out;
}

std::string_view last(std::string_view text, std::size_t n) {
  // Decoding goes forwards only. n code points take at most 4n bytes; four more, so that a sequence cut at the
  // beginning lies outside of what is returned.
  const std::size_t reach = 4 * n + 4;
  const std::size_t begin = text.size() > reach ? text.size() - reach : 0;
  std::size_t count = 0;
  for (std::size_t at = begin; at < text.size(); at += decode(text, at).length) ++count;
  std::size_t at = begin;
  for (; count > n; --count) at += decode(text, at).length;
  return text.substr(at);
}

}  // namespace pionbench::rlvr::utf8
