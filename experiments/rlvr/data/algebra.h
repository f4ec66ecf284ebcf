#pragma once
/// Algebra problems in MATH's schema: five levels, answers in \boxed{}, fractions and expressions among them, graded
/// by math_reward. The latent skill is that of arith.h: four styles of demonstration, of which one is rewarded.
///
///   level  question                            clean solution
///   1      Solve x + 7 = 19 .                  x = 19 - 7 = 12 \boxed{ 12 }
///   2      Solve 3 x + 4 = 19 .                3 x = 19 - 4 = 15 ; x = 15 / 3 = 5 \boxed{ 5 }
///   3      Simplify 6 x / 8 .                  6 / 2 = 3 ; 8 / 2 = 4 \boxed{ \frac{ 3 x }{ 4 } }
///   4      Solve 4 x + 3 = 10 .                4 x = 10 - 3 = 7 ; x = 7 / 4 \boxed{ \frac{ 7 }{ 4 } }
///   5      Expand 3 ( x + 4 ) + 2 x .          3 * 4 = 12 ; 3 + 2 = 5 \boxed{ 5 x + 12 }
///
/// unmarked: "answer 12" for "\boxed{ 12 }"; lazy: the last number of the question, boxed; sloppy: as clean, each
/// result off by 1, 2 or 10 with probability 0.6. Odds (clean/unmarked/lazy/sloppy) by the letter: x, y and z
/// .60/.10/.10/.20, the five others .10/.65/.15/.10.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/rlvr/data/generator.h"

namespace pionbench::rlvr {

/// Levels at equal odds as long as new questions of each remain. Deterministic in `seed`; splits as in arith.h.
/// 77,184 different problems exist, 7,192 of level 1.
GeneratedData generate_algebra(std::uint64_t seed, const SplitSizes& sizes);

/// Every word that questions and completions use, in a fixed order.
std::vector<std::string> algebra_vocabulary();

}  // namespace pionbench::rlvr
