#include "harness/spec/value_grammar.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "core/error.h"

namespace pionbench {
namespace {

// More points than anybody would run; a slip such as 0..1e9 must not eat the memory.
constexpr std::int64_t kMostPoints = 100000;

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  // from_chars also reads "inf" and "nan", which are text here.
  if (digits.empty() || !(digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'))) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  return parse_number<std::int64_t>(text);
}

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
}

std::vector<std::string_view> split_list(std::string_view text, const std::string& where) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  char quote = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && quote) {
      if (text[i] == quote) quote = 0;
    } else if (i == text.size() || text[i] == ',') {
      out.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    } else if ((text[i] == '"' || text[i] == '\'') && trimmed(text.substr(begin, i - begin)).empty()) {
      quote = text[i];  // only at the start of an item: don't is text
    }
  }
  if (quote) throw UserError(where + ": the quote that opens in " + std::string(text) + " is never closed");
  return out;
}

/// log:first..last[:count] or lin:...: points, or without a count the range.
Domain parse_points(std::string_view item, bool logarithmic, const std::string& where) {
  const auto malformed = [&](const std::string& why) {
    const std::string form = logarithmic ? "log:1e-5..1e-3:5" : "lin:0..1:5";
    return UserError(where + ": \"" + std::string(item) + "\": " + why + "; the form is " + form +
                     " (first..last:number of points), or without the number to draw from all in between");
  };
  const std::string_view body = item.substr(4);
  const std::size_t dots = body.find("..");
  if (dots == std::string_view::npos) throw malformed("not a range");
  const std::size_t colon = std::min(body.find(':', dots), body.size());
  const auto first = parse_number<double>(trimmed(body.substr(0, dots)));
  const auto last = parse_number<double>(trimmed(body.substr(dots + 2, colon - dots - 2)));
  if (!first || !last) throw malformed("not numbers");
  if (logarithmic && (*first <= 0 || *last <= 0)) throw malformed("both ends must be above 0");
  if (colon == body.size()) {
    if (*last <= *first) throw malformed("a range to draw from must rise");
    return {{}, Range{*first, *last, logarithmic}};
  }
  const auto count = parse_int(trimmed(body.substr(colon + 1)));
  if (!count) throw malformed("not numbers");
  if (*count < 2 || *count > kMostPoints) throw malformed("the number of points must be at least 2");
  Domain out;
  for (std::int64_t i = 0; i < *count; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(*count - 1);
    out.values.emplace_back(
        std::in_place_type<double>,
        rounded(logarithmic ? std::exp(std::log(*first) + part * (std::log(*last) - std::log(*first)))
                            : *first + part * (*last - *first)));
  }
  return out;
}

/// Values of "0..4", or nothing when the item is no range.
std::vector<Value> parse_range(std::string_view item, const std::string& where) {
  const std::size_t dots = item.find("..");
  if (dots == std::string_view::npos) return {};
  const std::string_view left = trimmed(item.substr(0, dots)), right = trimmed(item.substr(dots + 2));
  if (!parse_number<double>(left) || !parse_number<double>(right)) return {};
  const auto first = parse_int(left), last = parse_int(right);
  const std::string quoted = where + ": \"" + std::string(item) + "\": ";
  if (!first || !last) throw UserError(quoted + "a..b runs over integers; for reals write lin:a..b:n or log:a..b:n");
  if (*last < *first)
    throw UserError(quoted + "the range ends before it begins; write " + std::string(right) + ".." + std::string(left));
  // Unsigned, as the difference of two int64 may not fit in one.
  if (static_cast<std::uint64_t>(*last) - static_cast<std::uint64_t>(*first) >= kMostPoints)
    throw UserError(quoted + "more than " + std::to_string(kMostPoints) + " values");
  std::vector<Value> out;
  for (std::int64_t i = *first; i <= *last; ++i) out.emplace_back(std::in_place_type<std::int64_t>, i);
  return out;
}

Domain parse_item(std::string_view item, const std::string& where) {
  if (item.empty()) throw UserError(where + ": a value is missing");
  if (is_quoted(item)) return {{std::string(item.substr(1, item.size() - 2))}};
  if (item.starts_with("log:")) return parse_points(item, true, where);
  if (item.starts_with("lin:")) return parse_points(item, false, where);
  if (auto range = parse_range(item, where); !range.empty()) return {std::move(range)};
  return {{parse_scalar(item)}};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Value parse_scalar(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto i = parse_int(text)) return *i;
  const bool zero_padded = text.size() > 1 && text[0] == '0' && text.find_first_not_of("0123456789") == text.npos;
  if (const auto x = parse_number<double>(text); x && !zero_padded) return *x;
  return std::string(text);
}

Domain parse_domain(std::string_view text, const std::string& where) {
  text = trimmed(text);
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) throw UserError(where + ": the list " + std::string(text) + " lacks its \"]\"");
    text = trimmed(text.substr(1, text.size() - 2));
  }
  Domain out;
  const auto items = split_list(text, where);
  for (const auto item : items) {
    Domain part = parse_item(item, where);
    if (part.range && items.size() > 1)
      throw UserError(where + ": \"" + std::string(item) + "\" is a range to draw from and stands alone; give it a " +
                      "number of points to put it in a list (" + std::string(item) + ":5)");
    out.range = part.range;
    for (auto& value : part.values) out.values.push_back(std::move(value));
  }
  return out;
}

std::vector<Value> parse_values(std::string_view text, const std::string& where) {
  Domain domain = parse_domain(text, where);
  if (domain.range)
    throw UserError(where + ": \"" + std::string(trimmed(text)) + "\" has no number of points; write " +
                    std::string(trimmed(text)) + ":5");
  return std::move(domain.values);
}

double rounded(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", x);
  return std::strtod(buffer, nullptr);
}

std::string to_text(const Range& range) {
  return (range.logarithmic ? "log:" : "lin:") + to_text(Value(range.min)) + ".." + to_text(Value(range.max));
}

}  // namespace pionbench
