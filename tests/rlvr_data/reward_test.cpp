#include "experiments/rlvr/data/reward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "core/files.h"
#include "experiments/rlvr/data/problem.h"
#include "experiments/rlvr/data/utf8.h"
#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

using testing::HasSubstr;

TEST(StrictReward, WantsOneMarkTheRightNumberAloneAndAnEnd) {
  EXPECT_EQ(strict_reward("2 + 3 = 5 #### 5", "5", true), 1);
  EXPECT_EQ(strict_reward("#### $1,234", "1234", true), 1);
  EXPECT_EQ(strict_reward("2 + 3 = 5 #### 5", "5", false), 0);
  EXPECT_EQ(strict_reward("2 + 3 = 5 #### 6", "5", true), 0);
  EXPECT_EQ(strict_reward("2 + 3 = 5 answer 5", "5", true), 0);
  EXPECT_EQ(strict_reward("#### 5 #### 5", "5", true), 0);
  EXPECT_EQ(strict_reward("#### 5 ; 5", "5", true), 0);
  EXPECT_EQ(strict_reward("#### 5 5", "55", true), 0);
  EXPECT_EQ(strict_reward("####", "5", true), 0);
  EXPECT_EQ(strict_reward("", "5", true), 0);
  EXPECT_EQ(strict_reward("#### 5", "", true), 0);
}

TEST(Gsm8kReward, TakesTheLastMarkedNumberOfTheLast300Characters) {
  EXPECT_EQ(gsm8k_strict_reward("#### 4 then #### 5", "5"), 1);
  EXPECT_EQ(gsm8k_strict_reward("#### 5 then #### x", "5"), 1);
  EXPECT_EQ(gsm8k_strict_reward("#### -1,000", "-1000"), 1);
  EXPECT_EQ(gsm8k_strict_reward("####5", "5"), 0);
  EXPECT_EQ(gsm8k_strict_reward("#### 5" + std::string(300, ' '), "5"), 0);
}

TEST(Gsm8kReward, CountsCharactersAndNotBytes) {
  std::string accents;
  for (int i = 0; i < 290; ++i) accents += "é";
  EXPECT_EQ(gsm8k_strict_reward("#### 5 " + accents, "5"), 1);
  EXPECT_EQ(gsm8k_strict_reward("#### 5 " + accents + "éééé", "5"), 0);
}

TEST(Gsm8kReward, FlexiblyTakesTheLastNumberWithItsCommas) {
  EXPECT_EQ(gsm8k_flexible_reward("so 4 and then 5.", "5."), 1);  // the full stop belongs to the number: verl's quirk
  EXPECT_EQ(gsm8k_flexible_reward("so 4 and then 5 .", "5"), 1);
  EXPECT_EQ(gsm8k_flexible_reward("x = -7", "-7"), 1);
  EXPECT_EQ(gsm8k_flexible_reward("5-3", "-3"), 1);
  EXPECT_EQ(gsm8k_flexible_reward("1,000", "1000"), 0);
  EXPECT_EQ(gsm8k_flexible_reward("1,000", "1,000"), 1);
  EXPECT_EQ(gsm8k_flexible_reward("none . .", "5"), 0);
  EXPECT_EQ(gsm8k_flexible_reward("", ""), 0);
}

TEST(Gsm8kReward, ScoresEveryReferenceAnswerOfTheRealFiles) {
  const auto folder = real_data();
  if (!folder) GTEST_SKIP() << "no real data files beside the checkout";
  struct Expected {
    const char* name;
    std::size_t count, flexible;
  };
  for (const auto& expected : {Expected{"train.jsonl", 7473, 7394}, Expected{"test.jsonl", 1319, 1305}}) {
    const auto problems = read_problems(*folder / "gsm8k" / expected.name);
    std::size_t strict = 0, flexible = 0;
    for (const auto& p : problems) {
      strict += gsm8k_strict_reward(p.answer, p.label) == 1;
      flexible += gsm8k_flexible_reward(p.answer, p.label) == 1;
    }
    EXPECT_EQ(problems.size(), expected.count);
    EXPECT_EQ(strict, expected.count);
    EXPECT_EQ(flexible, expected.flexible);
  }
}

TEST(MathReward, ReadsTheLastBox) {
  EXPECT_EQ(last_boxed("\\boxed{1} or \\boxed{\\frac{2}{3}} ok"), "\\frac{2}{3}");
  EXPECT_EQ(last_boxed("\\boxed 12$ and"), "12");
  EXPECT_EQ(last_boxed("\\boxed{1} \\boxed 2$"), "2");
  EXPECT_EQ(last_boxed("\\boxed{1} \\boxed{2"), std::nullopt);
  EXPECT_EQ(last_boxed("\\fbox{3}"), std::nullopt);
  EXPECT_EQ(last_boxed("3"), std::nullopt);
  EXPECT_EQ(math_reward("so \\boxed{5}", "5"), 1);
  EXPECT_EQ(math_reward("so 5", "5"), 0);
}

TEST(MathReward, NormalisesAsTheOriginalDoes) {
  const auto normal = [](const char* text) { return normalize_math(text).value_or("raises"); };
  EXPECT_EQ(normal("\\dfrac12"), "\\frac{1}{2}");
  EXPECT_EQ(normal("\\tfrac1{72}"), "\\frac{1}{72}");
  EXPECT_EQ(normal("\\frac{3}4"), "\\frac{3}4");
  EXPECT_EQ(normal("\\left( 3, \\frac{\\pi}{2} \\right)"), "(3,\\frac{\\pi}{2})");
  EXPECT_EQ(normal("90^\\circ"), "90");
  EXPECT_EQ(normal("90^{\\circ}"), "90");
  EXPECT_EQ(normal("\\$5.50"), "5.50");
  EXPECT_EQ(normal("10\\text{ cm}"), "10");
  EXPECT_EQ(normal("\\text{ a}\\text{ b}"), "raises");
  EXPECT_EQ(normal("50\\%"), "50");
  EXPECT_EQ(normal(".5"), "\\frac{1}{2}");
  EXPECT_EQ(normal("x=7"), "7");
  EXPECT_EQ(normal("abc=7"), "abc=7");
  EXPECT_EQ(normal("x=7=y"), "x=7=y");
  EXPECT_EQ(normal("\\sqrt3+1"), "\\sqrt{3}+1");
  EXPECT_EQ(normal("\\sqrt"), "raises");
  EXPECT_EQ(normal("\\frac"), "raises");
  EXPECT_EQ(normal("\\frac1"), "\\frac1");
  EXPECT_EQ(normal("3/4"), "\\frac{3}{4}");
  EXPECT_EQ(normal("-3/4"), "\\frac{-3}{4}");
  EXPECT_EQ(normal("03/4"), "03/4");
  EXPECT_EQ(normal("a/b"), "a/b");
  EXPECT_EQ(normal("1/2/3"), "1/2/3");
  EXPECT_EQ(normal("1\\!000"), "1000");
  EXPECT_EQ(normal(""), "");
  // Where normalisation raises, the raw texts are compared.
  EXPECT_EQ(math_reward("\\boxed{\\sqrt}", "\\sqrt"), 1);
  EXPECT_EQ(math_reward("\\boxed{\\sqrt }", "\\sqrt"), 0);
}

TEST(MathReward, ScoresEverySolutionOfTheRealMath500) {
  const auto folder = real_data();
  if (!folder) GTEST_SKIP() << "no real data files beside the checkout";
  const auto file = *folder / "math" / "math500_test.jsonl";
  const auto problems = read_problems(file);
  ASSERT_EQ(problems.size(), 500u);
  std::size_t right = 0, changed = 0, integers = 0, hard = 0;
  std::string joined;
  for (const auto& p : problems) {
    right += math_reward(p.answer, p.label) == 1;
    const std::string normal = normalize_math(p.label).value_or("raises");
    changed += normal != p.label;
    integers += std::regex_match(normal, std::regex("-?[0-9]+"));
    hard += p.level >= 3;
    joined += (joined.empty() ? "" : "\n") + normal;
  }
  EXPECT_EQ(right, 500u);
  EXPECT_EQ(changed, 75u);
  EXPECT_EQ(integers, 327u);
  EXPECT_EQ(hard, 367u);
  const auto text = scratch("normalised.txt"), sum = scratch("sum.txt");
  write_file_atomic(text, joined);
  if (std::system(("sha256sum " + text.string() + " > " + sum.string()).c_str()) != 0) GTEST_SKIP() << "no sha256sum";
  EXPECT_THAT(read_file(sum), HasSubstr("18a356f964d049e2350f738042505e8d37680877d7cf6f733310068c310b5087"));
}

TEST(Rewards, NeverThrowWhateverTheBytes) {
  std::mt19937_64 random(1);
  const std::vector<std::string> parts = {"####",     " ",
                                          "5",        ".",
                                          ",",        "$",
                                          "-",        "\n",
                                          "\\boxed",  "{",
                                          "}",        "\\frac",
                                          "\\sqrt",   "/",
                                          "=",        "\\text{ ",
                                          "\xff",     "\x80",
                                          "é",        "\\",
                                          "\xe2\x82", "0.5",
                                          "\\fbox",   "tfrac",
                                          "^\\circ",  std::string(1, '\0')};
  for (int i = 0; i < 50000; ++i) {
    std::string text;
    for (std::size_t n = random() % 30; n > 0; --n) text += parts[random() % parts.size()];
    EXPECT_TRUE(strict_reward(text, "5", true) == 0 || strict_reward(text, "5", true) == 1);
    for (const auto& grader : graders()) {
      const double reward = grader.grade(text, "5");
      EXPECT_TRUE(reward == 0 || reward == 1);
      grader.grade("\\boxed{5}", text);
    }
  }
}

TEST(Rewards, FinishOnMegabytesBuiltToBeSlow) {
  // Linear graders need milliseconds for each; one with a quadratic step would run into the time limit of the test.
  for (const std::string part : {"#### ", "\\boxed{", "\\boxed ", "{", "}", "\\frac", "\\sqrt", "/", "=", "\\text{ ",
                                 "1", ",", " .", "\\\\", "\\left", "\xff"}) {
    std::string text = "\\boxed{";
    while (text.size() < (4u << 20)) text += part;
    text += "}";
    for (const auto& grader : graders()) {
      EXPECT_EQ(grader.grade(text, "5"), 0) << grader.name << " on " << part;
      EXPECT_EQ(grader.grade("\\boxed{5}", text), 0) << grader.name << " on " << part;
    }
    EXPECT_EQ(strict_reward(text, "5", true), 0);
  }
}

TEST(Graders, AreFoundByNameWithTheNearestOneOnASlip) {
  EXPECT_EQ(find_grader("math").grade("\\boxed{5}", "5"), 1);
  EXPECT_THAT(message([] { find_grader("gsm8k-strikt"); }), HasSubstr("did you mean \"gsm8k-strict\"?"));
}

TEST(Utf8, ReplacesEachMaximalBrokenPartByOneMark) {
  EXPECT_EQ(utf8::repaired("a\xffz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(utf8::repaired("\xe2\x82"), "\xEF\xBF\xBD");
  EXPECT_EQ(utf8::repaired("\xed\xa0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(utf8::repaired("\xc0\xaf"), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  EXPECT_EQ(utf8::repaired("é€😀"), "é€😀");
  EXPECT_TRUE(utf8::is_valid("é€😀"));
  EXPECT_FALSE(utf8::is_valid("\xf4\x90\x80\x80"));
}

}  // namespace
}  // namespace pionbench::rlvr
