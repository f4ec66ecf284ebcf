#include "experiments/rlvr/data/generator.h"

#include <unordered_set>

#include "core/error.h"

namespace pionbench::rlvr {

int Random::slipped(int value) {
  if (unit() >= 0.6) return value;
  static constexpr std::array kSlips = {1, 2, 10};
  const int slip = kSlips[below(kSlips.size())];
  return value + (below(2) == 0 ? slip : -slip);
}

GeneratedData fill_splits(Random& random, const SplitSizes& sizes, const std::function<Draw(Random&)>& draw) {
  // With fewer than one new question in so many draws, a split of common size would take hours to fill.
  constexpr int kPatience = 20'000;
  GeneratedData data;
  std::unordered_set<std::string> seen;
  const auto full = [](const std::vector<Problem>& split, std::int64_t size) {
    return static_cast<std::int64_t>(split.size()) >= size;
  };
  int stale = 0;
  while (!full(data.train, sizes.train) || !full(data.validation, sizes.validation) || !full(data.test, sizes.test)) {
    const Draw next = draw(random);
    if (!seen.insert(next.problem.question).second) {
      if (++stale > kPatience)
        throw UserError("settings train_problems, validation_problems, test_problems: got " +
                        std::to_string(sizes.train) + ", " + std::to_string(sizes.validation) + ", " +
                        std::to_string(sizes.test) + ", but only about " + std::to_string(seen.size()) +
                        " different problems exist, eight in ten of them for training; ask for fewer");
      continue;
    }
    stale = 0;
    const std::string split = content_split(next.problem.question);
    if (split == "train" && !full(data.train, sizes.train)) {
      data.train.push_back(next.problem);
      data.demonstrations.push_back(next.demonstrate(random));
    } else if (split == "validation" && !full(data.validation, sizes.validation)) {
      data.validation.push_back(next.problem);
    } else if (split == "test" && !full(data.test, sizes.test)) {
      data.test.push_back(next.problem);
    }
  }
  return data;
}

}  // namespace pionbench::rlvr
