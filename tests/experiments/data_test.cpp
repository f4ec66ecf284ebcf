#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "experiments/rlvr/data/arith.h"
#include "experiments/rlvr/data/problem.h"
#include "experiments/rlvr/data/reward.h"
#include "experiments/rlvr/data/tokenizer.h"

namespace pionbench::rlvr {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path scratch(const std::string& name) {
  const auto folder = fs::temp_directory_path() / ("pionbench-data-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  return folder / name;
}

std::string message(auto&& action) {
  try {
    action();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

const ArithData& data() {
  static const ArithData made = generate_arith(0, {4000, 256, 512});
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
  for (const auto& p : other.validation) EXPECT_EQ(arith_split(p.question), "validation");
  for (const auto& p : other.test) EXPECT_EQ(arith_split(p.question), "test");
  for (const auto& p : data().train) EXPECT_EQ(arith_split(p.question), "train");
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
    EXPECT_EQ(problem.label(), std::to_string(answer)) << problem.question;
    EXPECT_GE(answer, 0);
    EXPECT_LE(answer, 59);
    EXPECT_EQ(strict_reward(problem.answer, problem.label(), true), 1);
  }
}

TEST(Arith, OnlyTheCleanStyleIsAlwaysRewarded) {
  std::map<std::string, std::pair<int, int>> by_style;  // rewarded, all
  for (std::size_t i = 0; i < data().demonstrations.size(); ++i) {
    const auto& d = data().demonstrations[i];
    auto& [rewarded, all] = by_style[d.style];
    rewarded += strict_reward(d.completion, data().train[i].label(), true) == 1;
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

TEST(Problems, RoundTripThroughGsm8kJsonl) {
  const auto file = scratch("p.jsonl");
  write_problems(file, data().test);
  const auto read = read_problems(file);
  ASSERT_EQ(read.size(), data().test.size());
  EXPECT_EQ(read[3].question, data().test[3].question);
  EXPECT_EQ(read[3].answer, data().test[3].answer);
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
}

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

TEST(Rewards, NeverThrowWhateverTheBytes) {
  std::mt19937_64 random(1);
  const std::string alphabet = "#### 0123456789.,$-\n\\{}\xff\x80\0a";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::size_t n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    for (const double reward : {strict_reward(text, "5", true), gsm8k_strict_reward(text, "5")})
      EXPECT_TRUE(reward == 0 || reward == 1);
  }
}

TEST(Gsm8kReward, TakesTheLastMarkedNumberOfTheLast300Characters) {
  EXPECT_EQ(gsm8k_strict_reward("#### 4 then #### 5", "5"), 1);
  EXPECT_EQ(gsm8k_strict_reward("#### 5 then #### x", "5"), 1);
  EXPECT_EQ(gsm8k_strict_reward("#### -1,000", "-1000"), 1);
  EXPECT_EQ(gsm8k_strict_reward("####5", "5"), 0);
  EXPECT_EQ(gsm8k_strict_reward("#### 5" + std::string(300, ' '), "5"), 0);
}

TEST(Gsm8kReward, ScoresEveryReferenceAnswerOfTheRealFiles) {
  const char* home = std::getenv("PIONBENCH_HOME");
  const fs::path folder = fs::path(home ? home : ".") / ".." / "shared" / "data" / "gsm8k";
  if (!fs::exists(folder)) GTEST_SKIP() << "no GSM8K files at ../shared/data/gsm8k";
  for (const auto& [name, count] : {std::pair{"train.jsonl", 7473u}, std::pair{"test.jsonl", 1319u}}) {
    const auto problems = read_problems(folder / name);
    std::size_t right = 0;
    for (const auto& p : problems) right += gsm8k_strict_reward(p.answer, p.label()) == 1;
    EXPECT_EQ(problems.size(), count) << name;
    EXPECT_EQ(right, count) << name;
  }
}

TEST(Tokenizer, CoversEveryWordOfTheProblemsAndRoundTrips) {
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  EXPECT_EQ(tokenizer.size(), 88);
  for (std::size_t i = 0; i < 500; ++i)
    for (const auto& text : {data().train[i].question, data().demonstrations[i].completion})
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(Tokenizer, SavedAndLoadedItGivesTheSameIds) {
  const auto file = scratch("tokenizer.json");
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  tokenizer.save(file);
  EXPECT_EQ(Tokenizer::load(file).encode("Tom has 12 apples . ?  unheard"),
            tokenizer.encode("Tom has 12 apples . ? unheard"));
}

TEST(Tokenizer, PythonsTokenizersReadsTheSameFileAndAgrees) {
  const char* python = std::getenv("PIONBENCH_PYTHON");
  const char* home = std::getenv("PIONBENCH_HOME");
  if (!python || !home || !fs::exists(python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON; ci/setup makes one";
  const auto file = scratch("parity-tokenizer.json"), texts = scratch("texts.txt"), ids = scratch("ids.txt");
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  tokenizer.save(file);
  std::string lines;
  for (std::size_t i = 0; i < 300; ++i)
    lines += data().train[i].question + " zzz " + data().demonstrations[i].completion + "\n";
  write_file_atomic(texts, lines);
  const std::string command = std::string(python) + " " + home + "/tests/tools/encode_texts.py " + file.string() + " " +
                              texts.string() + " " + ids.string();
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 3) GTEST_SKIP() << python << " has no tokenizers package";
  ASSERT_EQ(status, 0);
  std::ifstream in(ids);
  std::istringstream text_lines(lines);
  for (std::string text, row; std::getline(text_lines, text) && std::getline(in, row);) {
    std::istringstream numbers(row);
    std::vector<std::int64_t> expected;
    for (std::int64_t id; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(text), expected) << text;
  }
}

TEST(Tokenizer, MalformedFilesAreNamed) {
  const auto file = scratch("bad-tokenizer.json");
  write_file_atomic(file, "[]");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("not a tokenizer.json"));
  write_file_atomic(file, R"({"model":{"type":"Unigram"}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("model.type must be \"WordLevel\", got \"Unigram\""));
  write_file_atomic(file, R"({"model":{"type":"WordLevel","vocab":{"<pad>":0,"<eos>":1,"<unk>":9}}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("id 9 of \"<unk>\" is not in 0..2"));
  write_file_atomic(file, R"({"model":{"type":"WordLevel","vocab":{"<pad>":0,"x":0}}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("given twice"));
}

}  // namespace
}  // namespace pionbench::rlvr
