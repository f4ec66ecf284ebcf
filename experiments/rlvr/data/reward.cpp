#include "experiments/rlvr/data/reward.h"

#include <cstdint>

#include "core/error.h"
#include "experiments/rlvr/data/utf8.h"

namespace pionbench::rlvr {
namespace {

constexpr std::string_view kMark = "####";
// verl cuts here so that its regular expressions stay fast on long completions.
constexpr std::size_t kGsm8kTail = 300;

std::string without(std::string_view text, std::string_view dropped) {
  std::string out;
  for (const char c : text)
    if (dropped.find(c) == std::string_view::npos) out += c;
  return out;
}

bool is_number_part(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == ',';
}

/// Every `from` replaced, left to right, without looking at what was put in.
std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  std::size_t begin = 0;
  for (auto at = text.find(from); at != std::string_view::npos; at = text.find(from, begin)) {
    out.append(text.substr(begin, at - begin)).append(to);
    begin = at + from.size();
  }
  return out.append(text.substr(begin));
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  for (auto at = text.find(separator); at != std::string_view::npos; at = text.find(separator, begin)) {
    out.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  out.push_back(text.substr(begin));
  return out;
}

/// The first character (code point) of a text that is not empty.
std::string_view first_character(std::string_view text) {
  return text.substr(0, utf8::decode(text, 0).length);
}

bool at_most_two_characters(std::string_view text) {
  for (int n = 0; n < 2 && !text.empty(); ++n) text.remove_prefix(first_character(text).size());
  return text.empty();
}

/// "\sqrt3" -> "\sqrt{3}"; nothing when "\sqrt" ends the text.
std::optional<std::string> brace_roots(std::string_view text) {
  const auto parts = split(text, "\\sqrt");
  std::string out(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto part = parts[i];
    if (part.empty()) return std::nullopt;
    out += "\\sqrt";
    if (part.front() == '{') {
      out += part;
      continue;
    }
    const auto radicand = first_character(part);
    out.append("{").append(radicand).append("}").append(part.substr(radicand.size()));
  }
  return out;
}

/// "\frac12" -> "\frac{1}{2}", "\frac1{72}" -> "\frac{1}{72}"; nothing when "\frac" ends the text; the text itself
/// when only one character follows a "\frac".
std::optional<std::string> brace_fractions(std::string_view text) {
  const auto parts = split(text, "\\frac");
  std::string out(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto part = parts[i];
    if (part.empty()) return std::nullopt;
    out += "\\frac";
    if (part.front() == '{') {
      out += part;
      continue;
    }
    const auto above = first_character(part);
    const auto rest = part.substr(above.size());
    if (rest.empty()) return std::string(text);
    out.append("{").append(above).append("}");
    if (rest.front() == '{') {
      out += rest;
      continue;
    }
    const auto below = first_character(rest);
    out.append("{").append(below).append("}").append(rest.substr(below.size()));
  }
  return out;
}

/// An integer as Python prints it: no plus sign, no leading zero, no "-0".
bool is_plain_integer(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (text == "0") return false;
  }
  if (text.empty() || (text.front() == '0' && text.size() > 1)) return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

double strict_reward(std::string_view completion, std::string_view label, bool ended) {
  if (!ended || label.empty()) return 0;
  const auto mark = completion.find(kMark);
  if (mark == std::string_view::npos || completion.find(kMark, mark + 1) != std::string_view::npos) return 0;
  // "5 5" must not read as 55: blanks go at the ends only.
  auto rest = completion.substr(mark + kMark.size());
  const auto first = rest.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return 0;
  rest = rest.substr(first, rest.find_last_not_of(" \t\r\n") - first + 1);
  return without(rest, ",$") == label ? 1 : 0;
}

double gsm8k_strict_reward(std::string_view completion, std::string_view label) {
  completion = utf8::last(completion, kGsm8kTail);
  // Search from the back for the last place where the regular expression matches.
  for (auto at = completion.rfind("#### "); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : completion.rfind("#### ", at - 1)) {
    const auto begin = at + 5;
    auto end = begin;
    if (end < completion.size() && completion[end] == '-') ++end;
    const auto digits = end;
    while (end < completion.size() && is_number_part(completion[end])) ++end;
    if (end > digits) return without(completion.substr(begin, end - begin), ",$") == label ? 1 : 0;
  }
  return 0;
}

double gsm8k_flexible_reward(std::string_view completion, std::string_view label) {
  completion = utf8::last(completion, kGsm8kTail);
  std::string_view found;
  for (auto end = completion.size(); end > 0;) {
    if (!is_number_part(completion[end - 1])) {
      --end;
      continue;
    }
    auto begin = end;
    while (begin > 0 && is_number_part(completion[begin - 1])) --begin;
    const bool signed_number = begin > 0 && completion[begin - 1] == '-';
    found = completion.substr(begin - signed_number, end - begin + signed_number);
    if (found != ".") break;
    end = begin;
  }
  return !found.empty() && found == label ? 1 : 0;
}

std::optional<std::string> last_boxed(std::string_view text) {
  constexpr std::string_view kBlank = "\\boxed ", kBox = "\\boxed", kOpen = "\\boxed{";
  if (const auto at = text.rfind(kBlank); at != std::string_view::npos) {
    const auto rest = text.substr(at + kBlank.size());
    return std::string(rest.substr(0, rest.find('$')));
  }
  const auto at = text.rfind(kBox);
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t open = 0;
  for (auto end = at; end < text.size(); ++end) {
    if (text[end] == '{') ++open;
    if (text[end] != '}' || --open != 0) continue;
    const auto box = text.substr(at, end + 1 - at);
    if (!box.starts_with(kOpen)) return std::nullopt;
    return std::string(box.substr(kOpen.size(), box.size() - kOpen.size() - 1));
  }
  return std::nullopt;
}

std::optional<std::string> normalize_math(std::string_view text) {
  std::string s(text);
  for (const auto& [from, to] : {
           std::pair<const char*, const char*>{"\n", ""},
           {"\\!", ""},
           {"\\\\", "\\"},
           {"tfrac", "frac"},
           {"dfrac", "frac"},
           {"\\left", ""},
           {"\\right", ""},
           {"^{\\circ}", ""},
           {"^\\circ", ""},
           {"\\$", ""},
       })
    s = replaced(s, from, to);
  const auto units = split(s, "\\text{ ");
  if (units.size() > 2) return std::nullopt;
  s = std::string(units.front());
  for (const auto& [from, to] : {std::pair<const char*, const char*>{"\\%", ""}, {" .", " 0."}, {"{.", "{0."}})
    s = replaced(s, from, to);
  if (s.empty()) return s;
  if (s.front() == '.') s.insert(0, 1, '0');
  if (const auto sides = split(s, "="); sides.size() == 2 && at_most_two_characters(sides[0]))
    s = std::string(sides[1]);
  auto rooted = brace_roots(s);
  if (!rooted) return std::nullopt;
  auto fractions = brace_fractions(replaced(*rooted, " ", ""));
  if (!fractions) return std::nullopt;
  s = std::move(*fractions);
  if (s == "0.5") s = "\\frac{1}{2}";
  if (const auto sides = split(s, "/"); sides.size() == 2 && is_plain_integer(sides[0]) && is_plain_integer(sides[1]))
    s = "\\frac{" + std::string(sides[0]) + "}{" + std::string(sides[1]) + "}";
  return s;
}

double math_reward(std::string_view completion, std::string_view label) {
  const auto answer = last_boxed(completion);
  if (!answer) return 0;
  const auto ours = normalize_math(*answer), theirs = normalize_math(label);
  return (ours && theirs ? *ours == *theirs : *answer == label) ? 1 : 0;
}

const std::vector<Grader>& graders() {
  static const std::vector<Grader> all = {
      {"gsm8k-strict", "the last \"#### number\" of the last 300 characters", gsm8k_strict_reward},
      {"gsm8k-flexible", "the last number of the last 300 characters", gsm8k_flexible_reward},
      {"math", "the last \\boxed{}, normalised", math_reward},
  };
  return all;
}

const Grader& find_grader(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& grader : graders()) {
    if (grader.name == name) return grader;
    known.push_back(grader.name);
  }
  throw UserError(unknown_name("grader", name, known));
}

}  // namespace pionbench::rlvr
