#pragma once
/// Drawing one token from probabilities, with randomness that belongs to the sequence and not to the batch.

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace pionbench::rlvr {

/// Philox4x32-10 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four words that are a
/// function of a counter and a key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// Uniform in [0, 1), 53 bits, a function of the three numbers alone: whichever slot, batch or order a sequence is
/// sampled in, its draws are the same.
double uniform(std::uint64_t seed, std::uint64_t sequence, std::uint64_t token);

/// Which tokens may be drawn, applied in this order (that of transformers): the top_k most likely; of these,
/// renormalised, the fewest whose probabilities reach top_p, the one that reaches it included; of these, the ones at
/// least min_p times as likely as the likeliest. At least one is left. Ties go to the lower id.
struct Truncation {
  std::int64_t top_k = 0;  ///< 0: all
  double top_p = 1;
  double min_p = 0;

  bool none() const { return top_k == 0 && top_p >= 1 && min_p <= 0; }
};

/// The tokens that may be drawn with their probabilities, renormalised, the likeliest first.
/// Cost: O(V) plus sorting as far as top_p reaches.
std::vector<std::pair<float, std::int64_t>> kept_tokens(std::span<const float> probabilities,
                                                        const Truncation& truncation);

/// A token by inversion: the first whose cumulative probability exceeds `u` in [0, 1). Never one of probability 0.
std::int64_t draw(std::span<const float> probabilities, const Truncation& truncation, double u);

}  // namespace pionbench::rlvr
