#include "experiments/rlvr/family.h"

#include <stdexcept>

#include "experiments/rlvr/data/algebra.h"
#include "experiments/rlvr/data/arith.h"

namespace pionbench::rlvr {
namespace {

/// verl's MATH grader; a completion that was cut off earns nothing, as in GMPO's recipe.
double ended_math_reward(std::string_view completion, std::string_view label, bool ended) {
  return ended ? math_reward(completion, label) : 0;
}

}  // namespace

const Family& arith_family() {
  static const Family family = {"rlvr/arith",   "arithmetic word problems", "strict #### reward", Schema::kGsm8k,
                                generate_arith, arith_vocabulary,           strict_reward,        4};
  return family;
}

const Family& algebra_family() {
  static const Family family = {
      "rlvr/algebra",   "algebra with boxed answers", "MATH's \\boxed{} reward", Schema::kMath,
      generate_algebra, algebra_vocabulary,           ended_math_reward,         1};
  return family;
}

const Family& family_of(const std::string& suite) {
  for (const auto* family : {&arith_family(), &algebra_family()})
    if (suite == family->name || suite == family->warm_start()) return *family;
  throw std::logic_error("no RLVR family of suite " + suite);
}

}  // namespace pionbench::rlvr
