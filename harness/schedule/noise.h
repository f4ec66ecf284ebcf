#pragma once
/// The noise floor of this machine: what identical work measured twice differs by. Nothing below it can be called a
/// difference.
///
/// A/A   the same work in pairs, in the order ABBA ABBA ..., so that drift falls on both alike
/// r     log(b / a) of each pair;  sd its standard deviation (n − 1)
/// floor t(0.975, n − 1) · sd: 95 of 100 single pairs of identical work differ by less. n repetitions of a comparison
///       divide it by √n.

#include <filesystem>
#include <functional>
#include <vector>

#include "core/catalog.h"

namespace pionbench {

struct NoiseFloor {
  int pairs = 0;
  double relative_sd = 0;  ///< of one pair's ratio
  double floor = 0;        ///< 0.021 = 2.1 %
  double seconds = 0;      ///< median length of one measurement
};

/// At least two pairs of positive seconds.
NoiseFloor noise_floor(const std::vector<double>& a, const std::vector<double>& b);

/// Measures `once` (seconds of one repetition) in `pairs` pairs after one warm-up.
NoiseFloor measure_noise(int pairs, const std::function<double()>& once);

/// Seconds of a fixed computation on one core, some 10 ms.
double time_kernel();

/// Training seconds of a real run of the worker: rlvr/arith-sft, tiny, in a folder of its own that is gone afterwards.
/// UserError when the catalog lacks that suite or the worker fails.
double time_training(const std::filesystem::path& worker, const Catalog& catalog);

}  // namespace pionbench
