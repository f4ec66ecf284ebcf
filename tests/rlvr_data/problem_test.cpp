#include "experiments/rlvr/data/problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files.h"
#include "experiments/rlvr/data/reward.h"
#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<Problem>& sample() {
  static const std::vector<Problem> made = {{"How many?", "2 + 3 = 5 #### 5", "5"},
                                            {"And \"é\"\n?", "#### 1,234", "1234"},
                                            {"a", "#### $7", "7"},
                                            {"b", "#### -8", "-8"}};
  return made;
}

TEST(Problems, RoundTripThroughGsm8kJsonl) {
  const auto file = scratch("p.jsonl");
  write_problems(file, sample());
  const auto read = read_problems(file);
  ASSERT_EQ(read.size(), sample().size());
  EXPECT_EQ(read[3].question, sample()[3].question);
  EXPECT_EQ(read[3].answer, sample()[3].answer);
}

TEST(Problems, BadLinesAreNamedWithFileAndNumber) {
  const auto file = scratch("bad.jsonl");
  const auto with = [&](const std::string& second) {
    write_file_atomic(file, "{\"question\":\"q\",\"answer\":\"#### 1\"}\n" + second + "\n");
    return message([&] { read_problems(file); });
  };
  EXPECT_THAT(with("{\"question\":"), HasSubstr("bad.jsonl:2: expected one JSON object"));
  EXPECT_THAT(with("{\"question\":\"\xff\xfe\",\"answer\":\"#### 1\"}"),
              HasSubstr("bad.jsonl:2: expected one JSON object in UTF-8"));
  EXPECT_THAT(with("{\"question\":\"q\"}"), HasSubstr("bad.jsonl:2: field \"answer\" is missing"));
  EXPECT_THAT(with("{\"question\":\"q\",\"answer\":5}"), HasSubstr("field \"answer\" must be text, got number"));
  EXPECT_THAT(with("{\"question\":\"q\",\"answer\":\"five\"}"), HasSubstr("has no \"#### <number>\""));
  // No answer could ever be right.
  EXPECT_THAT(with("{\"question\":\"q\",\"answer\":\"#### none\"}"), HasSubstr("\"#### <number>\", got \"none\""));
  for (const char* number : {"5x", "-", "1.", ".5", "1.2.3", "1/2"})
    EXPECT_THAT(with("{\"question\":\"q\",\"answer\":\"#### " + std::string(number) + "\"}"), HasSubstr("must end in"))
        << number;
}

TEST(Problems, AParquetFileIsRecognisedAndTheConversionNamed) {
  EXPECT_THAT(message([] { parse_problems("PAR1\x15\x04", "train.parquet"); }),
              HasSubstr("train.parquet: is a parquet file; JSON Lines are read. Convert it with: python3 -c"));
}

TEST(Problems, ReadMathsSchemaWithLevelsInBothSpellings) {
  const auto file = scratch("math.jsonl");
  write_file_atomic(
      file,
      R"({"problem":"p","solution":"so \\boxed{\\frac{1}{2}}","answer":"\\frac{1","level":"Level 4","type":"Algebra"})"
      "\n"
      R"({"problem":"q","solution":"\\boxed{1} then \\boxed{2}.","level":2,"subject":"Geometry"})"
      "\n"
      R"({"problem":"r","solution":"\\boxed{x}","level":"Level ?"})"
      "\n");
  const auto problems = read_problems(file);
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].label, "\\frac{1}{2}");  // not the truncated answer field
  EXPECT_EQ(problems[0].level, 4);
  EXPECT_EQ(problems[1].label, "2");
  EXPECT_EQ(problems[1].level, 2);
  EXPECT_EQ(problems[1].subject, "Geometry");
  EXPECT_EQ(problems[2].level, 0);
}

TEST(Problems, ReadVerlsRowsAsJsonLines) {
  const auto file = scratch("verl.jsonl");
  write_file_atomic(
      file,
      R"({"data_source":"openai/gsm8k","prompt":[{"role":"system","content":"s"},{"role":"user","content":"q?"}],)"
      R"("ability":"math","reward_model":{"style":"rule","ground_truth":"72"},"extra_info":{"split":"train"}})"
      "\n");
  const auto problems = read_problems(file);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].question, "q?");
  EXPECT_EQ(problems[0].label, "72");
}

TEST(Problems, OtherSchemasMistakesAreNamedToo) {
  const auto file = scratch("bad.jsonl");
  const auto with = [&](const std::string& line) {
    write_file_atomic(file, line + "\n");
    return message([&] { read_problems(file); });
  };
  EXPECT_THAT(with(""), HasSubstr("holds no problems"));
  EXPECT_THAT(with(R"({"text":"x"})"), HasSubstr(":1: no field \"question\" (GSM8K), \"problem\" (MATH) or"));
  EXPECT_THAT(with(R"({"problem":"p","solution":"five"})"), HasSubstr("\"solution\" has no \\boxed{...}"));
  EXPECT_THAT(with(R"({"problem":"p","solution":"\\boxed{1"})"), HasSubstr("braces close"));
  EXPECT_THAT(with(R"({"problem":"p","solution":"\\boxed{1}","level":"Level 9"})"), HasSubstr("got \"Level 9\""));
  EXPECT_THAT(with(R"({"problem":"p","solution":"\\boxed{1}","level":[[]]})"), HasSubstr("got a list of 1"));
  EXPECT_THAT(with(R"({"prompt":"p"})"), HasSubstr("must be a list of {role, content}"));
  EXPECT_THAT(with(R"({"prompt":[{"role":"user","content":"p"}]})"), HasSubstr("\"reward_model\" is missing"));
  EXPECT_THAT(with(R"({"prompt":[{"role":"user","content":"p"}],"reward_model":{"ground_truth":3}})"),
              HasSubstr("\"ground_truth\" must be text"));
  EXPECT_THAT(with(std::string(100000, '[')), HasSubstr(":1: expected one JSON object"));
}

TEST(Problems, MathRoundTrips) {
  const auto file = scratch("round.jsonl");
  const std::vector<Problem> in = {{"p", "\\boxed{ 3 }", " 3 ", 5, "Algebra"}};
  write_problems(file, in, Schema::kMath);
  const auto out = read_problems(file);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].answer, in[0].answer);
  EXPECT_EQ(out[0].label, in[0].label);
  EXPECT_EQ(out[0].level, 5);
  EXPECT_EQ(out[0].subject, "Algebra");
}

TEST(Problems, SharedQuestionsAreFoundWhateverTheirCaseAndBlanks) {
  const std::vector<Problem> a = {{"How many  Apples?\n", "", ""}, {"x", "", ""}},
                             b = {{"how many apples?", "", ""}, {"y", "", ""}};
  EXPECT_THAT(shared_questions(a, b), ElementsAre("how many apples?"));
}

TEST(Problems, TheRealGsm8kSplitsShareNoQuestion) {
  const auto folder = real_data();
  if (!folder) GTEST_SKIP() << "no real data files beside the checkout";
  EXPECT_THAT(shared_questions(read_problems(*folder / "gsm8k" / "train.jsonl"),
                               read_problems(*folder / "gsm8k" / "test.jsonl")),
              ElementsAre());
}

TEST(Problems, PromptsAreVerls) {
  EXPECT_EQ(user_message(PromptStyle::kPlain, "q"), "q");
  EXPECT_EQ(user_message(PromptStyle::kGsm8k, "q"),
            "q Let's think step by step and output the final answer after \"####\".");
  EXPECT_EQ(user_message(PromptStyle::kMath, "q"),
            "q Let's think step by step and output the final answer within \\boxed{}.");
}

}  // namespace
}  // namespace pionbench::rlvr
