#pragma once
/// Coefficient sets as data: published ones, and the low-pass fitted here. Standard library only.

#include <string>
#include <vector>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

/// What a set does to the singular values of the normalised matrix.
enum class Response {
  kOrthogonal,  ///< all towards 1
  kHighPass,    ///< above a cutoff towards 1, below towards 0
  kLowPass,     ///< below a cutoff towards 1, above towards 0
};

struct CoefficientSet {
  std::string name;
  SpectralMap steps;         ///< in the order of application
  double norm_factor = 1.0;  ///< the input is divided by norm_factor·‖X‖ + eps
  /// After how many steps the Gram form must form its matrix anew (spectral/engine.h): a large first slope multiplies
  /// the rounding of small eigenvalues by its square.
  std::vector<std::int64_t> restarts = {};
  std::string source;
  Response response = Response::kOrthogonal;
  Normalisation normalisation = Normalisation::kFrobenius;
};

/// In display order; the first is Muon's own.
const std::vector<CoefficientSet>& coefficient_sets();
/// All names, or those of one response.
std::vector<std::string> coefficient_names();
std::vector<std::string> coefficient_names(Response response);
/// UserError with the nearest name when there is none.
const CoefficientSet& find_coefficients(const std::string& name);

/// `n` steps of a set: its own in order; beyond its end the last one repeats, as Polar Express does.
SpectralMap take_steps(const CoefficientSet& set, std::int64_t n);

}  // namespace pionbench::optim
