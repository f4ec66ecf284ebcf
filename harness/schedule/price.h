#pragma once
/// What a run on a published checkpoint will cost before any has been timed: arithmetic on its settings, for one H100.
///
///   training    tokens · P · (6, +2 with recomputation, +2 for old and +2 for reference log-probabilities) FLOP
///   sampling    each decode step reads all weights once and the keys and values of every slot
///   evaluation  greedy and sampled answers to every problem, sampled as above
/// Assumes that every answer is as long as allowed, which bounds it from above; 40 % of the peak matrix rate and 60 %
/// of the peak bandwidth, which are what such loops reach.

#include <optional>

#include "core/run_request.h"

namespace pionbench {

struct Price {
  double gpu_seconds = 0;
};

/// Nothing for suites without a checkpoint, and for checkpoints whose size is not known (core/material.h).
std::optional<Price> price_of(const CellConfig& config);

}  // namespace pionbench
