#pragma once
/// What tells one embedded RLVR suite from another: problems, words, reward, schema. Everything else is one code: the
/// warm start (`<name>-sft`, arith_sft.cpp) and the reinforcement learning (`<name>`, arith.cpp).

#include <string>
#include <vector>

#include "experiments/rlvr/data/generator.h"
#include "experiments/rlvr/rollout.h"

namespace pionbench::rlvr {

struct Family {
  std::string name;   ///< of its suite: "rlvr/arith"
  std::string title;  ///< "arithmetic word problems"
  std::string help;   ///< of the reward
  Schema schema;
  GeneratedData (*generate)(std::uint64_t seed, const SplitSizes& sizes);
  std::vector<std::string> (*vocabulary)();
  RewardFunction reward;
  std::int64_t mini_batches;  ///< updates per rollout by default, as in the recipe of the data it stands for

  std::string warm_start() const { return name + "-sft"; }
};

const Family& arith_family();
const Family& algebra_family();
/// By the name of its suite or of its warm start.
const Family& family_of(const std::string& suite);

}  // namespace pionbench::rlvr
