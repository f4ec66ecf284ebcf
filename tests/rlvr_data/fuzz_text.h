#pragma once
/// Random texts that are hard on tokenizers, deterministic in their seed: many scripts, emoji with joiners, combining
/// marks in and out of order, Hangul jamos, digits, every white space, contractions, special tokens and their halves,
/// broken UTF-8.

#include <random>
#include <string>
#include <vector>

#include "experiments/rlvr/data/utf8.h"

namespace pionbench::rlvr {

class TextFuzzer {
 public:
  explicit TextFuzzer(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string out;
    for (std::size_t n = 1 + random_() % 16; n > 0; --n) append_part(out);
    return out;
  }

 private:
  char32_t between(char32_t low, char32_t high) { return low + static_cast<char32_t>(random_() % (high - low + 1)); }

  void append_word(std::string& out, char32_t low, char32_t high) {
    for (std::size_t n = 1 + random_() % 8; n > 0; --n) utf8::append(out, between(low, high));
  }

  void append_part(std::string& out) {
    static const std::vector<std::string> kWords = {
        "the",        " answer", " is",           "Straße",    " naïve",   " Привет", "你好",     "こんにちは",
        " ガギグ",    "안녕",    "שלום",          " مرحبا",    "नमस्ते",     "ไทย",     "Việt Nam", "'s",
        "'S",         "'ll",     "'RE",           "'\xC5\xBF", "don't",    "we've",   "I'M",      "<|im_start|>",
        "<|im_end|>", "<|im_",   "<|endoftext|>", "<think>",   "</think>", "<",       "\n\n",     "\r\n",
        "3.14",       "1,000",   " 42",           "\\boxed{",  "####",     " #### ",  "x^2",      "  if (a) {\n"};
    static const std::vector<char32_t> kSpaces = {' ',    ' ',    ' ',    '\n',   '\r',   '\t',   0x0B,
                                                  0x0C,   0x85,   0xA0,   0x1680, 0x2000, 0x200A, 0x2028,
                                                  0x2029, 0x202F, 0x205F, 0x3000, 0x180E, 0x200B, 0xFEFF};
    switch (random_() % 14) {
      case 0:
      case 1:
      case 2:
        out += kWords[random_() % kWords.size()];
        break;
      case 3:
        for (std::size_t n = 1 + random_() % 6; n > 0; --n) utf8::append(out, kSpaces[random_() % kSpaces.size()]);
        break;
      case 4:
        append_word(out, 0x20, 0x7E);
        break;
      case 5:
        append_word(out, 0xA0, 0x24F);
        break;
      case 6:
      case 7: {
        static const std::vector<std::pair<char32_t, char32_t>> kScripts = {
            {0x391, 0x3A1}, {0x3A3, 0x3FF}, {0x400, 0x52F},   {0x5D0, 0x5EA},   {0x620, 0x6FF},   {0x900, 0x97F},
            {0xE01, 0xE3A}, {0xF71, 0xF84}, {0x10D0, 0x10FF}, {0x1E00, 0x1EFF}, {0x2150, 0x2188}, {0xA640, 0xA6F7}};
        const auto& script = kScripts[random_() % kScripts.size()];
        append_word(out, script.first, script.second);
        break;
      }
      case 8:
        append_word(out, 0x1100, 0x11FF);
        break;
      case 9: {
        static const std::vector<std::pair<char32_t, char32_t>> kScripts = {
            {0x3041, 0x3096}, {0x3099, 0x30FF}, {0x4E00, 0x9FFC}, {0xAC00, 0xD7A3}, {0xF900, 0xFA6D}};
        const auto& script = kScripts[random_() % kScripts.size()];
        append_word(out, script.first, script.second);
        break;
      }
      case 10:  // a letter and marks, in any order
        utf8::append(out, between('a', 'z'));
        append_word(out, 0x300, 0x345);
        break;
      case 11:  // emoji, skin tones, joiners, flags
        utf8::append(out, between(0x1F300, 0x1F64F));
        if (random_() % 2) utf8::append(out, between(0x1F3FB, 0x1F3FF));
        if (random_() % 2) utf8::append(out, 0x200D);
        if (random_() % 3 == 0) utf8::append(out, between(0x1F1E6, 0x1F1FF));
        break;
      case 12: {
        // Beyond the basic plane only blocks that have not grown since Unicode 14: libraries differ in their age.
        auto c = random_() % 32  ? between(0x20, 0x33FF)
                 : random_() % 2 ? between(0x1D400, 0x1D7FF)
                                 : between(0x20000, 0x2A6D0);
        if (c >= 0xD800 && c <= 0xDFFF) c = 0x212B;
        utf8::append(out, c);
        break;
      }
      default:
        for (std::size_t n = 1 + random_() % 4; n > 0; --n) out += static_cast<char>(random_());
    }
  }

  std::mt19937_64 random_;
};

inline std::string hex(const std::string& bytes) {
  static const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char c : bytes) out += kDigits[c >> 4], out += kDigits[c & 15];
  return out;
}

}  // namespace pionbench::rlvr
