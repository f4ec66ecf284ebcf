#include "results/stats/permutation.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace pionbench::stats {
namespace {

/// Contributions of one stratum to the statistic, one per arrangement of its labels.
using Contributions = std::vector<double>;

struct Stratum {
  std::vector<double> values;  ///< pooled, or differences
  std::size_t picked = 0;      ///< size of a; unused when paired
};

/// mean(a) − mean(b), given the sum of a's values.
double contrast(double sum_of_a, double total, std::size_t picked, std::size_t n) {
  return sum_of_a / static_cast<double>(picked) - (total - sum_of_a) / static_cast<double>(n - picked);
}

double binomial(std::size_t n, std::size_t k) {
  double out = 1;
  for (std::size_t i = 1; i <= k; ++i) out = out * static_cast<double>(n - k + i) / static_cast<double>(i);
  return std::round(out);
}

void add_subsets(const Stratum& stratum, double total, std::size_t from, std::size_t left, double sum,
                 Contributions& out) {
  if (left == 0) {
    out.push_back(contrast(sum, total, stratum.picked, stratum.values.size()));
    return;
  }
  for (std::size_t i = from; i + left <= stratum.values.size(); ++i)
    add_subsets(stratum, total, i + 1, left - 1, sum + stratum.values[i], out);
}

Contributions all_labelings(const Stratum& stratum) {
  Contributions out;
  const double total = std::accumulate(stratum.values.begin(), stratum.values.end(), 0.0);
  add_subsets(stratum, total, 0, stratum.picked, 0, out);
  return out;
}

Contributions all_signs(const Stratum& stratum) {
  Contributions out;
  const std::size_t n = stratum.values.size();
  for (std::uint64_t signs = 0; signs < std::uint64_t{1} << n; ++signs) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += signs >> i & 1 ? -stratum.values[i] : stratum.values[i];
    out.push_back(sum / static_cast<double>(n));
  }
  return out;
}

double random_labeling(Stratum& stratum, double total, Random& random) {
  // The first `picked` places of a Fisher-Yates shuffle are a random subset.
  auto& values = stratum.values;
  double sum = 0;
  for (std::size_t i = 0; i < stratum.picked; ++i) {
    std::swap(values[i], values[i + random.below(static_cast<std::uint32_t>(values.size() - i))]);
    sum += values[i];
  }
  return contrast(sum, total, stratum.picked, values.size());
}

double random_signs(const Stratum& stratum, Random& random) {
  double sum = 0;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < stratum.values.size(); ++i) {
    if (i % 32 == 0) bits = random.word();
    sum += bits >> i % 32 & 1 ? -stratum.values[i] : stratum.values[i];
  }
  return sum / static_cast<double>(stratum.values.size());
}

/// |t| ≥ |observed| up to rounding; `size` is the magnitude of the terms that were summed.
class Extreme {
 public:
  Extreme(double observed, double size) : least_(std::abs(observed) - 1e-9 * std::max(std::abs(observed), size)) {}
  bool operator()(double t) const { return std::abs(t) >= least_; }

 private:
  double least_;
};

/// Sums over all combinations of one contribution per stratum.
void count_sums(const std::vector<Contributions>& strata, std::size_t from, double sum, double divisor,
                const Extreme& extreme, std::int64_t& hits) {
  if (from == strata.size()) {
    hits += extreme(sum / divisor);
    return;
  }
  for (const double c : strata[from]) count_sums(strata, from + 1, sum + c, divisor, extreme, hits);
}

struct Design {
  double effect;
  double arrangements;
  /// Arrangements that give the extreme value: 2 where swapping all labels is an arrangement, too.
  double at_the_extreme;
};

template <typename All, typename Draw>
PermutationTest run(std::vector<Stratum> strata, const Design& design, const All& all, const Draw& draw, Random& random,
                    const PermutationOptions& options) {
  double size = 0;
  for (const auto& stratum : strata)
    for (const double x : stratum.values) size = std::max(size, std::abs(x));
  const Extreme extreme(design.effect, size);
  const auto divisor = static_cast<double>(strata.size());
  PermutationTest out{.effect = design.effect};
  if (design.arrangements <= static_cast<double>(options.exact_up_to)) {
    std::vector<Contributions> contributions;
    for (const auto& stratum : strata) contributions.push_back(all(stratum));
    std::int64_t hits = 0;
    count_sums(contributions, 0, 0, divisor, extreme, hits);
    out.arrangements = static_cast<std::int64_t>(design.arrangements);
    out.is_exact = true;
    out.p = static_cast<double>(hits) / design.arrangements;
    out.least_p = std::min(1.0, design.at_the_extreme / design.arrangements);
    return out;
  }
  std::int64_t hits = 0;
  for (std::int64_t i = 0; i < options.random_arrangements; ++i) {
    double sum = 0;
    for (auto& stratum : strata) sum += draw(stratum, random);
    hits += extreme(sum / divisor);
  }
  out.arrangements = options.random_arrangements;
  out.p = static_cast<double>(1 + hits) / static_cast<double>(1 + options.random_arrangements);
  out.least_p = 1.0 / static_cast<double>(1 + options.random_arrangements);
  return out;
}

}  // namespace

PermutationTest permutation_test(const Strata& a, const Strata& b, Random random, const PermutationOptions& options) {
  if (a.empty() || a.size() != b.size()) throw std::logic_error("a permutation test of unequal strata");
  std::vector<Stratum> strata;
  std::vector<double> totals;
  Design design{stratified_mean(a) - stratified_mean(b), 1, 2};
  for (std::size_t i = 0; i < a.size(); ++i) {
    Stratum stratum{a[i], a[i].size()};
    stratum.values.insert(stratum.values.end(), b[i].begin(), b[i].end());
    design.arrangements *= binomial(stratum.values.size(), stratum.picked);
    if (a[i].size() != b[i].size()) design.at_the_extreme = 1;
    totals.push_back(std::accumulate(stratum.values.begin(), stratum.values.end(), 0.0));
    strata.push_back(std::move(stratum));
  }
  std::size_t next = 0;
  const auto draw = [&](Stratum& stratum, Random& r) {
    const double total = totals[next];
    next = (next + 1) % totals.size();
    return random_labeling(stratum, total, r);
  };
  return run(std::move(strata), design, all_labelings, draw, random, options);
}

PermutationTest paired_permutation_test(const Strata& differences, Random random, const PermutationOptions& options) {
  std::vector<Stratum> strata;
  Design design{stratified_mean(differences), 1, 2};
  for (const auto& stratum : differences) {
    strata.push_back({stratum, 0});
    design.arrangements *= std::exp2(static_cast<double>(stratum.size()));
  }
  return run(
      std::move(strata), design, all_signs, [](Stratum& s, Random& r) { return random_signs(s, r); }, random, options);
}

}  // namespace pionbench::stats
