#include "experiments/rlvr/data/arith.h"

#include <array>
#include <random>
#include <set>

namespace pionbench::rlvr {
namespace {

constexpr int kLargest = 59;
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

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// 0 .. n − 1. The bias of the remainder is below 1e-17 for the n used here.
  std::size_t below(std::size_t n) { return engine_() % n; }
  int between(int low, int high) { return low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1))); }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }

 private:
  std::mt19937_64 engine_;
};

int apply(int value, const Step& step) {
  if (step.symbol == '+') return value + step.operand;
  return step.symbol == '-' ? value - step.operand : value * step.operand;
}

bool in_range(int value) {
  return value >= 0 && value <= kLargest;
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
      if (random.unit() < 0.6) {
        static constexpr std::array kSlips = {1, 2, 10};
        const int slip = kSlips[random.below(kSlips.size())];
        value += random.below(2) == 0 ? slip : -slip;
      }
      valid = valid && in_range(value);
      return value;
    });
    if (valid) return text;
  }
}

Demonstration demonstrate(const Draft& draft, const std::string& question, Random& random) {
  struct Odds {
    double clean, unmarked, lazy;
  };
  const Odds odds = draft.item < kTidyItems ? Odds{0.60, 0.10, 0.10} : Odds{0.10, 0.65, 0.15};
  const double u = random.unit();
  if (u < odds.clean) return {question, exact(draft, "####"), "clean"};
  if (u < odds.clean + odds.unmarked) return {question, exact(draft, "answer"), "unmarked"};
  if (u < odds.clean + odds.unmarked + odds.lazy)
    return {question, "#### " + std::to_string(draft.steps.back().operand), "lazy"};
  return {question, sloppy(draft, random), "sloppy"};
}

}  // namespace

std::string arith_split(const std::string& question) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a, 64 bits
  for (const unsigned char c : question) hash = (hash ^ c) * 1099511628211ull;
  hash ^= hash >> 32;  // FNV's low bits alone are weak
  const auto bucket = hash % 10;
  return bucket == 0 ? "validation" : bucket == 1 ? "test" : "train";
}

ArithData generate_arith(std::uint64_t seed, const ArithSizes& sizes) {
  Random random(seed ^ 0x61726974685f3031ull);
  ArithData data;
  std::set<std::string> seen;
  const auto full = [](const std::vector<Problem>& split, std::int64_t size) {
    return static_cast<std::int64_t>(split.size()) >= size;
  };
  while (!full(data.train, sizes.train) || !full(data.validation, sizes.validation) || !full(data.test, sizes.test)) {
    const Draft draft = draw(random);
    const std::string question = question_of(draft);
    if (!seen.insert(question).second) continue;
    const std::string split = arith_split(question);
    const Problem problem{question, exact(draft, "####")};
    if (split == "train" && !full(data.train, sizes.train)) {
      data.train.push_back(problem);
      data.demonstrations.push_back(demonstrate(draft, question, random));
    } else if (split == "validation" && !full(data.validation, sizes.validation)) {
      data.validation.push_back(problem);
    } else if (split == "test" && !full(data.test, sizes.test)) {
      data.test.push_back(problem);
    }
  }
  return data;
}

std::vector<std::string> arith_vocabulary() {
  std::vector<std::string> out;
  for (int i = 0; i <= kLargest; ++i) out.push_back(std::to_string(i));
  out.insert(out.end(), kNames.begin(), kNames.end());
  out.insert(out.end(), kItems.begin(), kItems.end());
  for (const char* word : {"has", ".", "buys", "loses", "times", "?", "+", "-", "*", "=", ";", "####", "answer"})
    out.emplace_back(word);
  return out;
}

}  // namespace pionbench::rlvr
