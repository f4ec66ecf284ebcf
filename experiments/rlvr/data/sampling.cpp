#include "experiments/rlvr/data/sampling.h"

#include <algorithm>

namespace pionbench::rlvr {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> x, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
    x = {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x;
}

double uniform(std::uint64_t seed, std::uint64_t sequence, std::uint64_t token) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto words = philox({low(token), high(token), low(sequence), high(sequence)}, {low(seed), high(seed)});
  return static_cast<double>((static_cast<std::uint64_t>(words[0]) << 32 | words[1]) >> 11) * 0x1.0p-53;
}

std::vector<std::pair<float, std::int64_t>> kept_tokens(std::span<const float> probabilities,
                                                        const Truncation& truncation) {
  using Entry = std::pair<float, std::int64_t>;
  std::vector<Entry> all;
  all.reserve(probabilities.size());
  for (std::size_t i = 0; i < probabilities.size(); ++i)
    // NaN would leave the order undefined.
    all.emplace_back(probabilities[i] > 0 ? probabilities[i] : 0.0f, static_cast<std::int64_t>(i));
  const auto likelier = [](const Entry& a, const Entry& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  std::size_t sorted = 0;
  const auto sort_to = [&](std::size_t n) {
    n = std::min(n, all.size());
    if (n <= sorted) return;
    std::partial_sort(all.begin() + static_cast<std::ptrdiff_t>(sorted), all.begin() + static_cast<std::ptrdiff_t>(n),
                      all.end(), likelier);
    sorted = n;
  };
  std::size_t keep = all.size();
  double total = 0;
  if (truncation.top_k > 0 && static_cast<std::size_t>(truncation.top_k) < keep) {
    keep = static_cast<std::size_t>(truncation.top_k);
    sort_to(keep);
    for (std::size_t i = 0; i < keep; ++i) total += all[i].first;
  } else {
    for (const auto& entry : all) total += entry.first;
  }
  if (truncation.top_p < 1) {
    double reached = 0;
    for (std::size_t i = 0; i < keep; ++i) {
      if (i >= sorted) sort_to(std::max<std::size_t>(64, 4 * i));
      reached += all[i].first;
      if (reached >= truncation.top_p * total) keep = i + 1;
    }
  }
  sort_to(truncation.min_p > 0 ? 1 : keep);
  if (truncation.min_p > 0) {
    const double least = truncation.min_p * static_cast<double>(all[0].first);
    for (std::size_t i = 1; i < keep; ++i) {
      if (i >= sorted) sort_to(std::max<std::size_t>(64, 4 * i));
      if (all[i].first < least) keep = i;
    }
  }
  all.resize(std::max<std::size_t>(keep, 1));
  double kept = 0;
  for (const auto& entry : all) kept += entry.first;
  for (auto& entry : all) entry.first = static_cast<float>(entry.first / kept);
  return all;
}

std::int64_t draw(std::span<const float> probabilities, const Truncation& truncation, double u) {
  double total = 0, reached = 0;
  std::int64_t last = 0;  // rounding may leave `u` beyond the sum
  if (truncation.none()) {
    for (const float p : probabilities) total += p;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      if (!(probabilities[i] > 0)) continue;
      last = static_cast<std::int64_t>(i);
      reached += probabilities[i];
      if (reached > u * total) break;
    }
    return last;
  }
  for (const auto& [p, id] : kept_tokens(probabilities, truncation)) {
    if (!(p > 0)) continue;
    last = id;
    reached += p;
    if (reached > u) break;
  }
  return last;
}

}  // namespace pionbench::rlvr
