#include "experiments/rlvr/data/reward.h"

namespace pionbench::rlvr {
namespace {

constexpr std::string_view kMark = "####";

std::string without(std::string_view text, std::string_view dropped) {
  std::string out;
  for (const char c : text)
    if (dropped.find(c) == std::string_view::npos) out += c;
  return out;
}

bool is_number_part(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == ',';
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
  if (completion.size() > 300) completion = completion.substr(completion.size() - 300);
  // The regular expression is #### (\-?[0-9\.\,]+): search from the back for the last place where it matches.
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

}  // namespace pionbench::rlvr
