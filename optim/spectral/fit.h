#pragma once
/// Fits a low-pass: five odd quintics whose chain f comes close to 1 for singular values up to τ and to 0 above.
/// This is how LPMuon's coefficients (spectral/coefficients.h, set "lpmuon") were found; its paper (arXiv 2605.19282,
/// appendix L) states the four terms of the loss and no coefficients. Standard library only.
///
///   L = mean over the pass band of (f − 1)²  +  mean over the stop band of f²
///       + mean of max(0, f − 1)²  +  mean of max(0, −f)²,  the last two over every sample
///   pass band   [lowest, τ − transition/2], sampled evenly in log s: spectra of real updates crowd near 0
///   stop band   [τ + transition/2, highest], sampled evenly
///   all samples pass band, stop band, the transition between them, and [lowest/20, lowest]
///
/// Why `lowest` is not 0: f'(0) is the product of the five slopes a. The lower the pass band reaches, the steeper the
/// chain and the less its few degrees of freedom can do elsewhere. Best fits at τ = ½, transition 0.16; deviations are
/// the greatest in that band, and are reached at its edge next to the slope:
///   lowest                        0.05    0.02    0.01    0.005   0.003   0.002
///   f'(0)  (Muon's five: 485)     0       0       0       252     346     401
///   pass band                     3e-5    0.0016  0.060   0.075   0.154   0.284
///   from 0.01 up (to 0.42)        0.70    0.44    0.060   0.008   0.027   0.058
///   stop band                     3e-5    1e-4    0.003   0.081   0.104   0.104
///   f(0.003), f(0.001)            .01 .00 .03 .00 .08 .00 .67 .25 .85 .34 .94 .39
/// From 0.01 up the best last step has no slope at all, (0, 2.5…3.0, −1.5…−2.0): it is Pion's suppression. Such a chain
/// cleans the stop band and drops small singular values as cubes. But a Gaussian 1024 × 1024 matrix has all of them
/// below 0.0625 and a tenth below 0.005: a low-pass has to pass those. 0.003 is where the pass band reaches about as
/// low as Muon's and its ripple is still a tenth of Muon's (0.68 to 1.13).

#include <cstdint>
#include <functional>

#include "optim/spectral/polynomial.h"

namespace pionbench::optim {

struct LowPassTarget {
  double tau = 0.5;
  /// Pion's own filter at k_p = 1 falls from 0.99 to 0.01 within 0.16.
  double transition = 0.16;
  double lowest = 0.003;
  /// A little above 1, because rounding to 16 bits moves a largest singular value of 1 by half a per cent.
  double highest = 1.02;
  /// Box on each slope, 0 ≤ a ≤ largest_slope; not active at the shipped optimum.
  double largest_slope = 8.0;
};

struct LowPassLoss {
  double pass = 0, stop = 0, overshoot = 0, negativity = 0;
  double total() const { return pass + stop + overshoot + negativity; }
};

struct LowPassFit {
  SpectralMap steps;
  LowPassLoss loss;
  std::int64_t iterations = 0;  ///< of the last descent
  std::int64_t agreeing = 0;    ///< fit_low_pass: of the starts that were polished, those within 1 % of this loss
};

/// The loss of any chain. Requires 0 < lowest < τ − transition/2 and τ + transition/2 < highest, else UserError.
LowPassLoss low_pass_loss(const SpectralMap& map, const LowPassTarget& target);

/// Levenberg–Marquardt from `start` with the box on the slopes by projection, until a step gains less than 1e-12 of the
/// loss. Residuals of the four terms and their derivatives are exact; 15 × 15 normal equations, about 20 µs an
/// iteration, so no library is needed. The result has unit peaks (below).
LowPassFit polish_low_pass(const SpectralMap& start, const LowPassTarget& target, std::int64_t iterations = 4000);

/// Multi-start: `starts` random chains (the same for the same seed on every machine), 60 iterations each; the best 40
/// are polished to the end. `progress`, when given, hears (starts done, least loss so far) once in a while.
LowPassFit fit_low_pass(const LowPassTarget& target, std::int64_t starts, std::uint64_t seed,
                        const std::function<void(std::int64_t, double)>& progress = {});

/// The same response in the one scaling in which every intermediate value peaks at 1 on [0, 1]. A chain can be scaled
/// between any two steps without changing f: of 15 coefficients 11 are free. Fixing the scale makes fits comparable
/// and keeps 16-bit products within range.
SpectralMap with_unit_peaks(const SpectralMap& map);

}  // namespace pionbench::optim
