#pragma once
/// Many tests at once.

#include <span>
#include <vector>

namespace pionbench::stats {

/// Benjamini and Hochberg's adjusted p-values, in the order given: adjusted_(i) = min over j ≥ i of p_(j) · n / j, at
/// most 1. Calling all with adjusted ≤ q a finding keeps the expected share of false ones at q or below.
std::vector<double> benjamini_hochberg(std::span<const double> p);

}  // namespace pionbench::stats
