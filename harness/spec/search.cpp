#include "harness/spec/search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "common/hash.h"
#include "core/error.h"

namespace pionbench {
namespace {

constexpr std::array kMethods = {std::pair{SearchMethod::kHalton, "halton"}, std::pair{SearchMethod::kRandom, "random"},
                                 std::pair{SearchMethod::kAlgoperf, "algoperf"}};

// Where every choice has been drawn, more draws find nothing new; this bounds the looking.
constexpr std::size_t kDrawsPerPoint = 64;

/// 64 bits that depend on all of the text.
std::uint64_t bits_of(std::uint64_t seed, const std::string& name, const std::string& what, std::uint64_t index) {
  const std::string hex =
      sha256("search\n" + std::to_string(seed) + "\n" + name + "\n" + what + "\n" + std::to_string(index));
  return std::stoull(hex.substr(0, 16), nullptr, 16);
}

double unit(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

bool is_prime(int n) {
  for (int i = 2; i * i <= n; ++i)
    if (n % i == 0) return false;
  return n > 1;
}

std::vector<int> first_primes(std::size_t count) {
  std::vector<int> out;
  for (int n = 2; out.size() < count; ++n)
    if (is_prime(n)) out.push_back(n);
  return out;
}

/// `count` primes in rising order that end with the one before the largest below 1000, as AlgoPerf chooses them.
std::vector<int> algoperf_primes(std::size_t count) {
  std::vector<int> all;
  int below = 1000;
  do {
    all.clear();
    for (int n = 3; n < below; n += 2)
      if (is_prime(n)) all.push_back(n);
    below += 1000;
  } while (all.size() < count + 1);
  const auto end = all.end() - 1;
  return {end - static_cast<std::ptrdiff_t>(count), end};
}

struct Scrambling {
  std::vector<int> digits;  ///< π; π(0) = 0
  double shift = 0;
};

Scrambling seeded_scrambling(std::uint64_t seed, const std::string& name, int base) {
  Scrambling out;
  out.digits.resize(static_cast<std::size_t>(base));
  std::iota(out.digits.begin(), out.digits.end(), 0);
  for (std::size_t i = out.digits.size() - 1; i > 1; --i)
    std::swap(out.digits[i], out.digits[1 + bits_of(seed, name, "digit", i) % i]);
  out.shift = unit(bits_of(seed, name, "shift", 0));
  return out;
}

/// What numpy.random.RandomState(base) makes of list(range(1, base)) by shuffle, and its next random_sample.
Scrambling algoperf_scrambling(int base) {
  std::mt19937 generator(static_cast<std::uint32_t>(base));
  std::vector<int> digits(static_cast<std::size_t>(base - 1));
  std::iota(digits.begin(), digits.end(), 1);
  for (std::uint32_t i = static_cast<std::uint32_t>(digits.size()) - 1; i >= 1; --i) {
    std::uint32_t mask = i;
    for (const int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
    std::uint32_t j;
    do j = static_cast<std::uint32_t>(generator()) & mask;
    while (j > i);
    std::swap(digits[i], digits[j]);
  }
  Scrambling out;
  out.digits = {0};
  out.digits.insert(out.digits.end(), digits.begin(), digits.end());
  const auto high = static_cast<std::uint32_t>(generator()) >> 5, low = static_cast<std::uint32_t>(generator()) >> 6;
  out.shift = (high * 67108864.0 + low) / 9007199254740992.0;
  return out;
}

double radical_inverse(std::uint64_t i, int base, const Scrambling& scrambling) {
  double number = 0, denominator = base;
  const auto b = static_cast<std::uint64_t>(base);
  for (; i; i /= b, denominator *= base) number += scrambling.digits[i % b] / denominator;
  return std::fmod(number + scrambling.shift, 1.0);
}

std::int64_t whole_at(const Range& range, double u) {
  const double low = std::ceil(range.min), high = std::floor(range.max);
  // Each whole number owns an equal part, in the logarithm as well as without.
  const double x = range.logarithmic ? (low - 0.5) * std::exp(u * std::log((high + 0.5) / (low - 0.5))) + 0.5
                                     : low + u * (high - low + 1);
  return static_cast<std::int64_t>(std::clamp(std::floor(x), low, high));
}

/// The number of different points; 0 where a range makes them uncountable.
std::size_t countable(const std::vector<Dimension>& dimensions) {
  std::size_t count = 1;
  for (const auto& d : dimensions) {
    if (d.key.empty()) continue;
    if (d.range && !d.whole) return 0;
    const double here =
        d.range ? std::floor(d.range->max) - std::ceil(d.range->min) + 1 : static_cast<double>(d.choices.size());
    if (here * static_cast<double>(count) > 1e9) return 0;
    count *= static_cast<std::size_t>(here);
  }
  return count;
}

}  // namespace

SearchMethod search_method_from_string(const std::string& text, const std::string& where) {
  std::vector<std::string> known;
  for (const auto& [method, name] : kMethods) {
    if (name == text) return method;
    known.emplace_back(name);
  }
  throw UserError(where + ": " + unknown_name("search method", text, known));
}

std::string to_string(SearchMethod method) {
  for (const auto& [value, name] : kMethods)
    if (value == method) return name;
  throw std::logic_error("a search method without a name");
}

Value value_at(const Dimension& d, double u) {
  if (!d.range) {
    const auto index = static_cast<std::size_t>(u * static_cast<double>(d.choices.size()));
    const Value& value = d.choices.at(std::min(index, d.choices.size() - 1));
    if (!d.complement) return value;
    const double x = std::holds_alternative<std::int64_t>(value) ? static_cast<double>(std::get<std::int64_t>(value))
                                                                 : std::get<double>(value);
    return 1 - x;
  }
  if (d.whole) return whole_at(*d.range, u);
  const double x = rounded(d.range->logarithmic ? d.range->min * std::exp(u * std::log(d.range->max / d.range->min))
                                                : d.range->min + u * (d.range->max - d.range->min));
  return d.complement ? 1 - x : x;
}

std::vector<std::vector<double>> coordinates(SearchMethod method, std::uint64_t seed,
                                             const std::vector<std::string>& names, std::size_t points) {
  constexpr std::size_t kSkipped = 100;  // AlgoPerf's
  const bool algoperf = method == SearchMethod::kAlgoperf;
  const auto bases = algoperf ? algoperf_primes(names.size()) : first_primes(names.size());
  std::vector<std::vector<double>> out(names.size(), std::vector<double>(points));
  for (std::size_t d = 0; d < names.size(); ++d) {
    if (method == SearchMethod::kRandom) {
      for (std::size_t i = 0; i < points; ++i) out[d][i] = unit(bits_of(seed, names[d], "point", i));
      continue;
    }
    const auto scrambling = algoperf ? algoperf_scrambling(bases[d]) : seeded_scrambling(seed, names[d], bases[d]);
    for (std::size_t i = 0; i < points; ++i)
      out[d][i] = radical_inverse(i + 1 + (algoperf ? kSkipped : 0), bases[d], scrambling);
  }
  return out;
}

std::vector<Values> draw(SearchMethod method, std::uint64_t seed, std::vector<Dimension> dimensions,
                         std::size_t budget) {
  const bool algoperf = method == SearchMethod::kAlgoperf;
  if (!algoperf) std::ranges::sort(dimensions, {}, &Dimension::key);
  std::vector<std::string> names;
  for (const auto& d : dimensions) names.push_back(d.key);
  const std::size_t different = countable(dimensions);
  const std::size_t wanted = different ? std::min(budget, different) : budget;
  std::vector<Values> out;
  std::set<std::string> seen;
  for (std::size_t points = budget; out.size() < wanted; points *= 2) {
    const auto u = coordinates(method, seed, names, points);
    out.clear();
    seen.clear();
    for (std::size_t i = 0; i < points && out.size() < wanted; ++i) {
      Values point;
      std::string text;
      for (std::size_t d = 0; d < dimensions.size(); ++d) {
        if (names[d].empty()) continue;
        const Value value = value_at(dimensions[d], u[d][i]);
        text += to_text(value) + "\n";
        point[names[d]] = value;
      }
      if (seen.insert(text).second) out.push_back(std::move(point));
    }
    if (algoperf || points > budget * kDrawsPerPoint) break;
  }
  return out;
}

}  // namespace pionbench
