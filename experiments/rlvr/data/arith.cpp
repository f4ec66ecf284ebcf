#include "experiments/rlvr/data/arith.h"

#include <array>

namespace pionbench::rlvr {
namespace {

constexpr std::array kNames = {"Tom", "Ann", "Max", "Eva"};
constexpr std::array kItems = {"apples", "pens", "books", "coins", "nuts", "cards", "shells", "stones"};
constexpr std::size_t kTidyItems = 3;

struct Step {
  char symbol;  // '+', '-' or '*'
  int operand;
};

struct Draft {
  std::size_t name, item;
  int start;
  std::vector<Step> steps;
};

int apply(int value, const Step& step) {
  if (step.symbol == '+') return value + step.operand;
  return step.symbol == '-' ? value - step.operand : value * step.operand;
}

Step draw_step(Random& random, int value) {
  for (;;) {
    const std::size_t kind = random.below(3);
    Step step{'+', 0};
    if (kind == 2) {
      if (value > 19) continue;
      step = {'*', random.between(2, 3)};
    } else {
      step = {kind == 0 ? '+' : '-', random.between(1, 9)};
    }
    if (in_range(apply(value, step))) return step;
  }
}

Draft draw(Random& random) {
  Draft draft{random.below(kNames.size()), random.below(kItems.size()), random.between(5, 25), {}};
  const int steps = random.between(2, 3);
  int value = draft.start;
  for (int i = 0; i < steps; ++i) {
    draft.steps.push_back(draw_step(random, value));
    value = apply(value, draft.steps.back());
  }
  return draft;
}

const char* verb(char symbol) {
  return symbol == '+' ? "buys" : symbol == '-' ? "loses" : "times";
}

std::string question_of(const Draft& draft) {
  std::string out =
      std::string(kNames[draft.name]) + " has " + std::to_string(draft.start) + " " + kItems[draft.item] + " .";
  for (const auto& step : draft.steps)
    out += " " + std::string(verb(step.symbol)) + " " + std::to_string(step.operand) + " .";
  return out + " ?";
}

/// The worked steps, with `slip(value)` applied to each result, then `mark` and the final value.
template <typename Slip>
std::string worked(const Draft& draft, const std::string& mark, Slip&& slip) {
  std::string out;
  int value = draft.start;
  for (const auto& step : draft.steps) {
    if (!out.empty()) out += " ; ";
    const int result = slip(apply(value, step));
    out +=
        std::to_string(value) + " " + step.symbol + " " + std::to_string(step.operand) + " = " + std::to_string(result);
    value = result;
  }
  return out + " " + mark + " " + std::to_string(value);
}

std::string exact(const Draft& draft, const std::string& mark) {
  return worked(draft, mark, [](int value) { return value; });
}

std::string sloppy(const Draft& draft, Random& random) {
  // Where a slip leads out of the range, the true operands may too: such a draw is thrown away whole.
  for (;;) {
    bool valid = true;
    auto text = worked(draft, "####", [&](int value) {
      value = random.slipped(value);
      valid = valid && in_range(value);
      return value;
    });
    if (valid) return text;
  }
}

Demonstration demonstrate(const Draft& draft, const std::string& question, Random& random) {
  const StyleOdds odds = draft.item < kTidyItems ? kTidyOdds : kMessyOdds;
  const double u = random.unit();
  if (u < odds.clean) return {question, exact(draft, "####"), "clean"};
  if (u < odds.clean + odds.unmarked) return {question, exact(draft, "answer"), "unmarked"};
  if (u < odds.clean + odds.unmarked + odds.lazy)
    return {question, "#### " + std::to_string(draft.steps.back().operand), "lazy"};
  return {question, sloppy(draft, random), "sloppy"};
}

Draw draw_problem(Random& random) {
  const Draft drafted = draw(random);
  Problem problem{question_of(drafted), exact(drafted, "####"), {}};
  problem.label = gsm8k_label(problem.answer);
  return {problem, [drafted, question = problem.question](Random& r) { return demonstrate(drafted, question, r); }};
}

}  // namespace

GeneratedData generate_arith(std::uint64_t seed, const SplitSizes& sizes) {
  Random random(seed ^ 0x61726974685f3031ull);
  return fill_splits(random, sizes, draw_problem);
}

std::vector<std::string> arith_vocabulary() {
  std::vector<std::string> out;
  for (int i = 0; i <= kLargestNumber; ++i) out.push_back(std::to_string(i));
  out.insert(out.end(), kNames.begin(), kNames.end());
  out.insert(out.end(), kItems.begin(), kItems.end());
  for (const char* word : {"has", ".", "buys", "loses", "times", "?", "+", "-", "*", "=", ";", "####", "answer"})
    out.emplace_back(word);
  return out;
}

}  // namespace pionbench::rlvr
