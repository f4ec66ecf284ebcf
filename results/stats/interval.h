#pragma once
/// Means over seeds, and how far they can be trusted.

#include <optional>
#include <span>

namespace pionbench {

/// Arithmetic mean; the sample must not be empty (std::logic_error).
double mean(std::span<const double> sample);

/// Standard deviation with divisor n − 1; nothing below two values.
std::optional<double> sample_sd(std::span<const double> sample);

/// Below this many seeds an interval is marked approximate: simulated coverage of nominal 95 % falls to 85 % where some
/// seeds collapse.
inline constexpr int kFewSeeds = 5;

struct MeanInterval {
  double mean = 0;
  int n = 0;
  std::optional<double> sd;         ///< nothing for n = 1
  std::optional<double> low, high;  ///< mean ∓ t(1 − α/2, n − 1)·sd/√n; nothing for n = 1
  bool is_approximate = true;       ///< n < kFewSeeds
};

/// Two-sided Student-t interval of the mean; the sample must not be empty. 0 < level < 1.
MeanInterval mean_interval(std::span<const double> sample, double level = 0.95);

}  // namespace pionbench
