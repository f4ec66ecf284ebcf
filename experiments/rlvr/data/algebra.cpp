#include "experiments/rlvr/data/algebra.h"

#include <array>
#include <numeric>

#include "experiments/rlvr/data/reward.h"

namespace pionbench::rlvr {
namespace {

constexpr std::array kLetters = {"x", "y", "z", "a", "b", "n", "t", "m"};
constexpr std::size_t kTidyLetters = 3;

/// The numbers of a question; which of them a level uses, its table in algebra.h shows.
struct Draft {
  int level;
  std::size_t letter;
  int a, b, c;

  std::string variable() const { return kLetters[letter]; }
};

std::string text(int value) {
  return std::to_string(value);
}

Draft draw(Random& random) {
  Draft d{random.between(1, 5), random.below(kLetters.size()), 1, 0, 0};
  switch (d.level) {
    case 1:  // v + b = c
      d.b = random.between(1, 29);
      d.c = d.b + random.between(0, 30);
      break;
    case 2:  // a v + b = c, the solution an integer
      do {
        d.a = random.between(2, 9), d.b = random.between(1, 29);
        d.c = d.a * random.between(1, 12) + d.b;
      } while (!in_range(d.c));
      break;
    case 3:  // a v / b, reducible
      do {
        d.a = random.between(2, kLargestNumber), d.b = random.between(2, kLargestNumber);
        d.c = std::gcd(d.a, d.b);
      } while (d.c == 1 || d.a == d.c || d.b == d.c);
      break;
    case 4:  // a v + b = c, the solution a fraction in lowest terms
      do {
        d.a = random.between(2, 9), d.b = random.between(1, 19);
        d.c = random.between(d.b + 1, kLargestNumber);
      } while (std::gcd(d.a, d.c - d.b) != 1);
      break;
    default:  // a ( v + b ) + c v
      d.a = random.between(2, 6), d.b = random.between(1, 9), d.c = random.between(1, 30);
  }
  return d;
}

std::string question_of(const Draft& d) {
  const auto v = d.variable();
  switch (d.level) {
    case 1:
      return "Solve " + v + " + " + text(d.b) + " = " + text(d.c) + " .";
    case 3:
      return "Simplify " + text(d.a) + " " + v + " / " + text(d.b) + " .";
    case 5:
      return "Expand " + text(d.a) + " ( " + v + " + " + text(d.b) + " ) + " + text(d.c) + " " + v + " .";
    default:
      return "Solve " + text(d.a) + " " + v + " + " + text(d.b) + " = " + text(d.c) + " .";
  }
}

/// The last number of the question.
int last_number(const Draft& d) {
  return d.level == 3 ? d.b : d.c;
}

/// Steps and answer, with `slip(value)` applied to each result.
struct Worked {
  std::string steps, answer;
};
template <typename Slip>
Worked work(const Draft& d, Slip&& slip) {
  const auto v = d.variable();
  const auto compute = [&](int left, char symbol, int right, int result) {
    return text(left) + " " + symbol + " " + text(right) + " = " + text(result);
  };
  const auto fraction = [](const std::string& above, const std::string& below) {
    return "\\frac{ " + above + " }{ " + below + " }";
  };
  switch (d.level) {
    case 1: {
      const int x = slip(d.c - d.b);
      return {v + " = " + compute(d.c, '-', d.b, x), text(x)};
    }
    case 2: {
      const int ax = slip(d.c - d.b), x = slip(ax / d.a);
      return {text(d.a) + " " + v + " = " + compute(d.c, '-', d.b, ax) + " ; " + v + " = " + compute(ax, '/', d.a, x),
              text(x)};
    }
    case 3: {
      const int above = slip(d.a / d.c), below = slip(d.b / d.c);
      return {compute(d.a, '/', d.c, above) + " ; " + compute(d.b, '/', d.c, below),
              fraction(text(above) + " " + v, text(below))};
    }
    case 4: {
      const int ax = slip(d.c - d.b);
      return {
          text(d.a) + " " + v + " = " + compute(d.c, '-', d.b, ax) + " ; " + v + " = " + text(ax) + " / " + text(d.a),
          fraction(text(ax), text(d.a))};
    }
    default: {
      const int constant = slip(d.a * d.b), slope = slip(d.a + d.c);
      return {compute(d.a, '*', d.b, constant) + " ; " + compute(d.a, '+', d.c, slope),
              text(slope) + " " + v + " + " + text(constant)};
    }
  }
}

std::string boxed(const Worked& worked) {
  return worked.steps + " \\boxed{ " + worked.answer + " }";
}

Worked exact(const Draft& d) {
  return work(d, [](int value) { return value; });
}

std::string sloppy(const Draft& d, Random& random) {
  for (;;) {  // a slip out of range: the draw is thrown away whole
    bool valid = true;
    const auto worked = work(d, [&](int value) {
      value = random.slipped(value);
      valid = valid && in_range(value);
      return value;
    });
    if (valid) return boxed(worked);
  }
}

Demonstration demonstrate(const Draft& d, const std::string& question, Random& random) {
  const StyleOdds odds = d.letter < kTidyLetters ? kTidyOdds : kMessyOdds;
  const double u = random.unit();
  if (u < odds.clean) return {question, boxed(exact(d)), "clean"};
  if (u < odds.clean + odds.unmarked) {
    const auto worked = exact(d);
    return {question, worked.steps + " answer " + worked.answer, "unmarked"};
  }
  if (u < odds.clean + odds.unmarked + odds.lazy) return {question, "\\boxed{ " + text(last_number(d)) + " }", "lazy"};
  return {question, sloppy(d, random), "sloppy"};
}

Draw draw_problem(Random& random) {
  const Draft d = draw(random);
  Problem problem{question_of(d), boxed(exact(d)), {}, d.level, "Algebra"};
  problem.label = last_boxed(problem.answer).value();
  return {problem, [d, question = problem.question](Random& r) { return demonstrate(d, question, r); }};
}

}  // namespace

GeneratedData generate_algebra(std::uint64_t seed, const SplitSizes& sizes) {
  Random random(seed ^ 0x616c676562726131ull);
  return fill_splits(random, sizes, draw_problem);
}

std::vector<std::string> algebra_vocabulary() {
  std::vector<std::string> out;
  for (int i = 0; i <= kLargestNumber; ++i) out.push_back(std::to_string(i));
  out.insert(out.end(), kLetters.begin(), kLetters.end());
  for (const char* word : {"Solve", "Simplify", "Expand", ".", "+", "-", "*", "/", "=", ";", "(", ")", "\\boxed{",
                           "\\frac{", "}{", "}", "answer"})
    out.emplace_back(word);
  return out;
}

}  // namespace pionbench::rlvr
