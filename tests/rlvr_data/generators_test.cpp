#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "experiments/rlvr/data/algebra.h"
#include "experiments/rlvr/data/arith.h"
#include "experiments/rlvr/data/reward.h"
#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

using testing::HasSubstr;

const GeneratedData& data() {
  static const GeneratedData made = generate_arith(0, {4000, 256, 512});
  return made;
}

/// Evaluates a question by itself: the oracle for the generator's answers.
int solve(const std::string& question) {
  std::istringstream in(question);
  std::string word;
  int value = 0, operand = 0;
  while (in >> word) {
    if (word == "has") in >> value;
    if (word == "buys") in >> operand, value += operand;
    if (word == "loses") in >> operand, value -= operand;
    if (word == "times") in >> operand, value *= operand;
  }
  return value;
}

TEST(Arith, SplitsAreDisjointAndEachQuestionStandsOnce) {
  std::set<std::string> seen;
  std::size_t count = 0;
  for (const auto* split : {&data().train, &data().validation, &data().test})
    for (const auto& problem : *split) {
      seen.insert(problem.question);
      ++count;
    }
  EXPECT_EQ(seen.size(), count);
  EXPECT_EQ(data().train.size(), 4000u);
  EXPECT_EQ(data().validation.size(), 256u);
  EXPECT_EQ(data().test.size(), 512u);
}

TEST(Arith, AQuestionBelongsToOneSplitWhateverTheSizes) {
  const auto other = generate_arith(9, {500, 50, 50});
  for (const auto& p : other.validation) EXPECT_EQ(content_split(p.question), "validation");
  for (const auto& p : other.test) EXPECT_EQ(content_split(p.question), "test");
  for (const auto& p : data().train) EXPECT_EQ(content_split(p.question), "train");
}

TEST(Arith, IsDeterministicInItsSeed) {
  const auto again = generate_arith(0, {4000, 256, 512});
  const auto other = generate_arith(1, {4000, 256, 512});
  EXPECT_EQ(again.train[17].question, data().train[17].question);
  EXPECT_EQ(again.demonstrations[17].completion, data().demonstrations[17].completion);
  EXPECT_NE(other.train[17].question, data().train[17].question);
}

TEST(Arith, AnswersAreRightAndInRange) {
  for (const auto& problem : data().train) {
    const int answer = solve(problem.question);
    EXPECT_EQ(problem.label, std::to_string(answer)) << problem.question;
    EXPECT_GE(answer, 0);
    EXPECT_LE(answer, 59);
    EXPECT_EQ(strict_reward(problem.answer, problem.label, true), 1);
  }
}

TEST(Arith, OnlyTheCleanStyleIsAlwaysRewarded) {
  std::map<std::string, std::pair<int, int>> by_style;  // rewarded, all
  for (std::size_t i = 0; i < data().demonstrations.size(); ++i) {
    const auto& d = data().demonstrations[i];
    auto& [rewarded, all] = by_style[d.style];
    rewarded += strict_reward(d.completion, data().train[i].label, true) == 1;
    ++all;
  }
  ASSERT_EQ(by_style.size(), 4u);
  EXPECT_EQ(by_style["clean"].first, by_style["clean"].second);
  EXPECT_EQ(by_style["unmarked"].first, 0);
  EXPECT_LT(by_style["sloppy"].first, by_style["sloppy"].second / 3);
  EXPECT_LT(by_style["lazy"].first, by_style["lazy"].second / 5);
  // 3 of 8 items are tidy: clean 3/8·.6 + 5/8·.1 = .2875, unmarked 3/8·.1 + 5/8·.65 = .44375.
  EXPECT_NEAR(by_style["clean"].second / 4000.0, 0.2875, 0.03);
  EXPECT_NEAR(by_style["unmarked"].second / 4000.0, 0.44375, 0.03);
}

TEST(Arith, ItsProblemsStayTheSameFromReleaseToRelease) {
  // FNV-1a over the first thousand questions and completions: a change here makes stored runs incomparable.
  std::uint64_t hash = 14695981039346656037ull;
  for (std::size_t i = 0; i < 1000; ++i)
    for (const char c : data().train[i].question + data().demonstrations[i].completion)
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  EXPECT_EQ(hash, 0xa8551cb4587a55b8ull);
}

const GeneratedData& algebra() {
  static const GeneratedData made = generate_algebra(0, {4000, 256, 512});
  return made;
}

/// a/b in lowest terms.
struct Fraction {
  int above, below;
};
Fraction reduced(int above, int below) {
  const int d = std::gcd(above, below);
  return {above / d, below / d};
}

/// Reads a question and works it out by itself: the oracle for the generator's answers. In the grader's form.
std::string solve_algebra(const std::string& question) {
  std::istringstream in(question);
  std::vector<std::string> w;
  for (std::string word; in >> word;) w.push_back(word);
  const auto number = [&](std::size_t i) { return std::stoi(w[i]); };
  const auto as_text = [](Fraction f) {
    return f.below == 1 ? std::to_string(f.above)
                        : "\\frac{" + std::to_string(f.above) + "}{" + std::to_string(f.below) + "}";
  };
  if (w[0] == "Simplify") {  // Simplify p x / q .
    const auto f = reduced(number(1), number(4));
    return "\\frac{" + std::to_string(f.above) + w[2] + "}{" + std::to_string(f.below) + "}";
  }
  if (w[0] == "Expand")  // Expand a ( x + b ) + c x .
    return std::to_string(number(1) + number(8)) + w[3] + "+" + std::to_string(number(1) * number(5));
  const bool bare = w[2] == "+";  // Solve x + b = c . or Solve a x + b = c .
  return bare ? std::to_string(number(5) - number(3)) : as_text(reduced(number(6) - number(4), number(1)));
}

TEST(Algebra, AnswersAreRightAndTheMathGraderAgrees) {
  std::map<int, int> levels;
  for (const auto* split : {&algebra().train, &algebra().validation, &algebra().test})
    for (const auto& problem : *split) {
      const auto answer = solve_algebra(problem.question);
      EXPECT_EQ(normalize_math(problem.label), answer) << problem.question;
      EXPECT_EQ(math_reward(problem.answer, answer), 1) << problem.question << " | " << problem.answer;
      EXPECT_EQ(math_reward(problem.answer, answer + "1"), 0);
      ++levels[problem.level];
    }
  ASSERT_EQ(levels.size(), 5u);
  for (const auto& [level, count] : levels) EXPECT_GT(count, 4768 / 5 * 0.75) << "level " << level;
}

TEST(Algebra, OnlyTheCleanStyleIsAlwaysRewarded) {
  std::map<std::string, std::pair<int, int>> by_style;  // rewarded, all
  for (std::size_t i = 0; i < algebra().demonstrations.size(); ++i) {
    const auto& d = algebra().demonstrations[i];
    auto& [rewarded, all] = by_style[d.style];
    rewarded += math_reward(d.completion, algebra().train[i].label) == 1;
    ++all;
  }
  ASSERT_EQ(by_style.size(), 4u);
  EXPECT_EQ(by_style["clean"].first, by_style["clean"].second);
  EXPECT_EQ(by_style["unmarked"].first, 0);
  EXPECT_LT(by_style["sloppy"].first, by_style["sloppy"].second * 0.45);
  EXPECT_LT(by_style["lazy"].first, by_style["lazy"].second / 10);
  EXPECT_NEAR(by_style["clean"].second / 4000.0, 0.2875, 0.03);
  EXPECT_NEAR(by_style["unmarked"].second / 4000.0, 0.44375, 0.03);
}

TEST(Algebra, SplitsShareNothingAndFollowTheText) {
  EXPECT_TRUE(shared_questions(algebra().train, algebra().validation).empty());
  EXPECT_TRUE(shared_questions(algebra().train, algebra().test).empty());
  EXPECT_TRUE(shared_questions(algebra().validation, algebra().test).empty());
  for (const auto& p : generate_algebra(9, {500, 50, 50}).test) EXPECT_EQ(content_split(p.question), "test");
  std::set<std::string> seen;
  for (const auto& p : algebra().train) EXPECT_TRUE(seen.insert(p.question).second) << p.question;
}

TEST(Algebra, IsDeterministicInItsSeedAndSpeaksItsVocabulary) {
  EXPECT_EQ(generate_algebra(0, {4000, 256, 512}).demonstrations[99].completion,
            algebra().demonstrations[99].completion);
  EXPECT_NE(generate_algebra(1, {10, 1, 1}).train[0].question, algebra().train[0].question);
  const auto words = algebra_vocabulary();
  const std::set<std::string> vocabulary(words.begin(), words.end());
  EXPECT_EQ(vocabulary.size(), words.size());
  for (const auto& d : algebra().demonstrations) {
    std::istringstream in(d.question + " " + d.completion);
    for (std::string word; in >> word;) EXPECT_TRUE(vocabulary.count(word)) << word << " in " << d.completion;
  }
}

TEST(Generators, SayWhenMoreProblemsAreWantedThanThereAre) {
  EXPECT_THAT(message([] { generate_algebra(0, {10'000'000, 1, 1}); }), HasSubstr("different problems exist"));
}

}  // namespace
}  // namespace pionbench::rlvr
