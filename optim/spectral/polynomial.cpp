#include "optim/spectral/polynomial.h"

#include "core/error.h"

namespace pionbench::optim {

SpectralMap muon_map(std::int64_t steps) {
  return SpectralMap(static_cast<std::size_t>(steps), kMuonStep);
}

SpectralMap pion_map(std::int64_t k_p, std::int64_t steps) {
  if (k_p < 0 || k_p > steps)
    throw UserError("setting \"k_p\": got " + std::to_string(k_p) + ", allowed: integer in [0, steps], steps is " +
                    std::to_string(steps));
  SpectralMap map(static_cast<std::size_t>(k_p), kPromotionStep);
  map.insert(map.end(), static_cast<std::size_t>(steps - k_p), kSuppressionStep);
  return map;
}

double evaluate(const SpectralMap& map, double s) {
  for (const auto& step : map) s = step(s);
  return s;
}

}  // namespace pionbench::optim
