#pragma once
/// Points of a search: draws from ranges and lists, the same on every machine and in every run.
///
/// Point i depends on the method, the seed and the names of the dimensions, and on nothing else: a larger budget keeps
/// the points it had, and the order of an experiment file, other arms and their names do not move any.
///
///   halton    low discrepancy. Dimension d, in order of names, has the d-th prime p as its base. With i's digits in
///             base p, i = Σ_k a_k p^k:  u_i = frac(Σ_k π(a_k) p^(-k-1) + shift), where π permutes the digits, π(0) =
///             0, and both come from (seed, name). Source: arXiv 1706.03200.
///   random    u_i uniform and independent, from SHA-256 of (seed, name, i).
///   algoperf  the trials of AlgoPerf's external tuning, number for number (algoperf/halton.py: the largest primes
///             below 997, digits and shift from NumPy's MT19937 seeded with the prime, 100 points skipped). Dimensions
///             in the order of its file. AlgoPerf then shuffles the trials without a seed; here they stay in order.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/spec/value_grammar.h"

namespace pionbench {

enum class SearchMethod { kHalton, kRandom, kAlgoperf };
/// UserError("WHERE: ...") with the nearest name.
SearchMethod search_method_from_string(const std::string& text, const std::string& where);
std::string to_string(SearchMethod method);

/// What one setting is drawn from.
struct Dimension {
  std::string key;             ///< the setting; "" holds a place in the sequence and sets nothing
  std::optional<Range> range;  ///< or
  std::vector<Value> choices;  ///< equally likely
  bool complement = false;     ///< the setting is 1 − the value drawn (AlgoPerf's one_minus_beta1)
  bool whole = false;          ///< an integer setting: min..max with both ends equally likely
};

/// The value at `u` in [0, 1): reals with 6 significant digits, so that a cell's identity does not hang on the last
/// bits of exp().
Value value_at(const Dimension& dimension, double u);

/// Coordinates in [0, 1) of the points 0 to `points` − 1 in each dimension: [dimension][point].
std::vector<std::vector<double>> coordinates(SearchMethod method, std::uint64_t seed,
                                             const std::vector<std::string>& names, std::size_t points);

/// The first `budget` points that differ; fewer where the choices have no more. kAlgoperf does not go on past a
/// repetition: its trials are what they are. Cost: budget × dimensions.
std::vector<Values> draw(SearchMethod method, std::uint64_t seed, std::vector<Dimension> dimensions,
                         std::size_t budget);

}  // namespace pionbench
