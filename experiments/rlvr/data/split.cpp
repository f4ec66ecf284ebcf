#include "experiments/rlvr/data/split.h"

#include <array>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "experiments/rlvr/data/utf8.h"

#ifdef PIONBENCH_HAS_UTF8PROC
#include <utf8proc.h>
#endif
#ifdef PIONBENCH_HAS_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

namespace pionbench::rlvr {

const std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

bool has_utf8proc() {
#ifdef PIONBENCH_HAS_UTF8PROC
  return true;
#else
  return false;
#endif
}

bool has_pcre2() {
#ifdef PIONBENCH_HAS_PCRE2
  return true;
#else
  return false;
#endif
}

namespace {

#ifdef PIONBENCH_HAS_UTF8PROC

enum Class : std::uint8_t { kOther, kLetter, kNumber, kSpace, kClassMask = 3, kNormal = 4 };

/// Class of every code point, and whether it is its own normal form C whatever stands beside it. Made once, 30 ms.
const std::vector<std::uint8_t>& classes() {
  static const std::vector<std::uint8_t> table = [] {
    constexpr char32_t kEnd = 0x110000;
    std::vector<std::uint8_t> out(kEnd, kOther | kNormal);
    for (char32_t c = 0; c < kEnd; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
      std::uint8_t kind = kOther;
      switch (property->category) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
          kind = kLetter;
          break;
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_NO:
          kind = kNumber;
          break;
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
          kind = kSpace;
          break;
        default:
          break;
      }
      if ((c >= 0x09 && c <= 0x0D) || c == 0x85) kind = kSpace;
      // Marks may reorder or compose with what stands before; so may the vowel and tail jamos.
      const bool mark = property->category == UTF8PROC_CATEGORY_MN || property->category == UTF8PROC_CATEGORY_MC ||
                        property->category == UTF8PROC_CATEGORY_ME || property->combining_class != 0;
      bool normal = !mark && !(c >= 0x1160 && c <= 0x11FF);
      if (normal && c >= 0xC0) {
        std::array<utf8proc_int32_t, 8> parts;
        int boundary = 0;
        const auto count =
            utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(),
                                    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary);
        if (count != 1 || parts[0] != static_cast<utf8proc_int32_t>(c)) {
          // It decomposes; most come together again.
          std::string text;
          utf8::append(text, c);
          utf8proc_uint8_t* composed = nullptr;
          const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &composed,
                                         static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
          normal = size >= 0 &&
                   text == std::string_view(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
          std::free(composed);
        }
      }
      out[c] = static_cast<std::uint8_t>(kind | (normal ? kNormal : 0));
    }
    return out;
  }();
  return table;
}

struct Point {
  char32_t value;
  std::size_t length;
};

/// Valid UTF-8 only.
inline Point point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

/// kQwenPattern's alternatives in their order. Each character is looked at a bounded number of times.
class QwenSplitter : public Splitter {
 public:
  QwenSplitter() : classes_(classes().data()) {}

  std::size_t piece_end(std::string_view text, std::size_t at) const override {
    const auto first = point_at(text, at);
    const auto kind = class_of(first.value);
    const std::size_t next = at + first.length;
    if (first.value == '\'')
      if (const auto end = contraction_end(text, next)) return end;
    if (kind == kLetter) return run_end<kLetter>(text, next);
    const bool newline = first.value == '\r' || first.value == '\n';
    if (kind != kNumber && !newline && next < text.size()) {
      const auto second = point_at(text, next);
      if (class_of(second.value) == kLetter) return run_end<kLetter>(text, next + second.length);
    }
    if (kind == kNumber) return next;
    if (kind == kOther) return newlines_end(text, run_end<kOther>(text, next));
    if (first.value == ' ' && next < text.size()) {
      const auto second = point_at(text, next);
      if (class_of(second.value) == kOther) return newlines_end(text, run_end<kOther>(text, next + second.length));
    }
    return blanks_end(text, at);
  }

 private:
  std::uint8_t class_of(char32_t c) const { return classes_[c] & kClassMask; }

  /// 's 't 're 've 'm 'll 'd without regard to case, `at` behind the apostrophe; 0 when none stands there.
  /// The long s (U+017F) folds to s.
  static std::size_t contraction_end(std::string_view text, std::size_t at) {
    const auto lower = [&](std::size_t i) {
      const char c = i < text.size() ? text[i] : '\0';
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    switch (lower(at)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return at + 1;
      case 'r':
      case 'v':
        return lower(at + 1) == 'e' ? at + 2 : 0;
      case 'l':
        return lower(at + 1) == 'l' ? at + 2 : 0;
      default:
        return text.substr(at).starts_with("\xC5\xBF") ? at + 2 : 0;
    }
  }

  template <Class kind>
  std::size_t run_end(std::string_view text, std::size_t at) const {
    while (at < text.size()) {
      const auto point = point_at(text, at);
      if (class_of(point.value) != kind) break;
      at += point.length;
    }
    return at;
  }

  static std::size_t newlines_end(std::string_view text, std::size_t at) {
    while (at < text.size() && (text[at] == '\r' || text[at] == '\n')) ++at;
    return at;
  }

  /// \s*[\r\n]+ | \s+(?!\S) | \s+
  std::size_t blanks_end(std::string_view text, std::size_t at) const {
    std::size_t end = at, last_begin = at, newline_end = 0;
    while (end < text.size()) {
      const auto point = point_at(text, end);
      if (class_of(point.value) != kSpace) break;
      last_begin = end;
      end += point.length;
      if (point.value == '\r' || point.value == '\n') newline_end = end;
    }
    if (newline_end) return newline_end;
    return end == text.size() || last_begin == at ? end : last_begin;
  }

  const std::uint8_t* classes_;
};

#endif

#ifdef PIONBENCH_HAS_PCRE2

class Pcre2Splitter : public Splitter {
 public:
  Pcre2Splitter(const std::string& pattern, const std::string& where) : where_(where) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error,
                          &offset, nullptr);
    if (!code_) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      throw UserError(where + ": the pattern does not compile at its character " + std::to_string(offset) + ": " +
                      reinterpret_cast<const char*>(message.data()));
    }
    pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE);  // where it is not to be had, matching interprets
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Pcre2Splitter() override {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }
  Pcre2Splitter(const Pcre2Splitter&) = delete;
  Pcre2Splitter& operator=(const Pcre2Splitter&) = delete;

  std::size_t piece_end(std::string_view text, std::size_t at) const override {
    const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                  PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match_, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) return text.size();
    if (found < 0)
      throw UserError(where_ + ": the pattern fails on an input (PCRE2 error " + std::to_string(found) +
                      "); it backtracks too much");
    const auto* ends = pcre2_get_ovector_pointer(match_);
    return ends[0] > at ? ends[0] : ends[1];
  }

 private:
  std::string where_;
  pcre2_code* code_ = nullptr;
  pcre2_match_data* match_ = nullptr;
};

#endif

[[noreturn, maybe_unused]] void missing(const std::string& where, const char* library, const char* package) {
  throw UserError(where + ": this build lacks " + library + "; install " + package +
                  " (ci/setup does) and build again");
}

}  // namespace

std::unique_ptr<Splitter> make_pcre2_splitter(const std::string& pattern, const std::string& where) {
#ifdef PIONBENCH_HAS_PCRE2
  return std::make_unique<Pcre2Splitter>(pattern, where);
#else
  missing(where + ": pattern " + pattern, "PCRE2", "libpcre2-dev");
#endif
}

std::unique_ptr<Splitter> make_splitter(const std::string& pattern, const std::string& where) {
#ifdef PIONBENCH_HAS_UTF8PROC
  if (pattern == kQwenPattern) return std::make_unique<QwenSplitter>();
#endif
  return make_pcre2_splitter(pattern, where);
}

NormalFormC::NormalFormC() {
#ifdef PIONBENCH_HAS_UTF8PROC
  classes();
#else
  missing("normalizer NFC", "utf8proc", "libutf8proc-dev");
#endif
}

std::string_view NormalFormC::operator()(std::string_view text, [[maybe_unused]] std::string& buffer) const {
#ifdef PIONBENCH_HAS_UTF8PROC
  const auto* table = classes().data();
  bool normal = true;
  for (std::size_t at = 0; at < text.size() && normal;) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const auto point = point_at(text, at);
    normal = table[point.value] & kNormal;
    at += point.length;
  }
  if (normal) return text;
  // utf8proc (2.8) composes a Hangul syllable with U+11A7, the code point before the first trailing consonant, and
  // drops it. It composes with nothing, so the text may be cut before it.
  constexpr std::string_view kBeforeTrailing = "\xE1\x86\xA7";
  buffer.clear();
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(kBeforeTrailing, 1));
    text.remove_prefix(part.size());
    utf8proc_uint8_t* composed = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(part.data()), static_cast<utf8proc_ssize_t>(part.size()),
                     &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (size < 0) throw UserError(std::string("Unicode normalisation failed: ") + utf8proc_errmsg(size));
    buffer.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
    std::free(composed);
  }
  return buffer;
#else
  return text;
#endif
}

}  // namespace pionbench::rlvr
