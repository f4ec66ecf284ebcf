#pragma once
/// Arithmetic word problems with a latent skill. The warm start imitates annotators of four styles, and only one
/// style earns a reward: reinforcement learning has to find it and sharpen it, so there is headroom that a normally
/// tuned optimizer can use within a minute.
///
///   question   "Tom has 12 apples . buys 7 . loses 5 . ?"      two or three steps, all values in 0..59
///   clean      "12 + 7 = 19 ; 19 - 5 = 14 #### 14"             the only style that is rewarded
///   unmarked   "12 + 7 = 19 ; 19 - 5 = 14 answer 14"           right, without the mark
///   lazy       "#### 5"                                        the last operand
///   sloppy     as clean, each step off by 1, 2 or 10 with probability 0.6
///
/// Style odds (clean/unmarked/lazy/sloppy): three tidy items .60/.10/.10/.20, five messy items .10/.65/.15/.10.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/rlvr/data/generator.h"

namespace pionbench::rlvr {

/// Deterministic in `seed`. No question appears twice; which split it belongs to follows from a hash of its text, so
/// splits stay disjoint whatever their sizes.
GeneratedData generate_arith(std::uint64_t seed, const SplitSizes& sizes);

/// Every word that questions and completions use, in a fixed order.
std::vector<std::string> arith_vocabulary();

}  // namespace pionbench::rlvr
