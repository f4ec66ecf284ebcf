#include "harness/spec/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

const Values kCell = {{"arm", std::string("Muon, scale 5")},
                      {"optimizer", std::string("muon")},
                      {"lr", 3e-4},
                      {"seed", std::int64_t{2}},
                      {"nesterov", true}};

bool matches(const std::string& text) {
  return Expression(text, "here").matches([](const std::string& key) -> std::optional<Value> {
    const auto it = kCell.find(key);
    return it == kCell.end() ? std::nullopt : std::optional(it->second);
  });
}

std::string error_of(const std::string& text) {
  try {
    Expression(text, "exp.yaml:7").require_known({"arm", "optimizer", "lr", "seed"});
  } catch (const UserError& e) {
    return e.what();
  }
  return "(no error)";
}

TEST(Expression, ComparisonsReadNumbersAsNumbers) {
  EXPECT_TRUE(matches("lr=0.0003"));
  EXPECT_TRUE(matches("lr = 3e-4"));
  EXPECT_TRUE(matches("seed>=2 & seed<=2.0 & seed!=3 & seed<10"));
  EXPECT_FALSE(matches("lr>1e-3"));
  EXPECT_TRUE(matches("nesterov=true"));
}

TEST(Expression, AndBindsStrongerThanOrAndNotStrongest) {
  EXPECT_TRUE(matches("seed=2 | seed=3 & lr>1"));
  EXPECT_FALSE(matches("(seed=2 | seed=3) & lr>1"));
  EXPECT_TRUE(matches("!seed=3 & !(lr>1)"));
  EXPECT_TRUE(matches("seed==2 && optimizer=muon || lr>1"));
}

TEST(Expression, ValuesMayHoldBlanksAndCommas) {
  EXPECT_TRUE(matches("arm=Muon, scale 5 & seed=2"));
  EXPECT_TRUE(matches("arm='Muon, scale 5'"));
  EXPECT_FALSE(matches("arm=Muon"));
}

TEST(Expression, ACellWithoutTheKeyMeetsNoCondition) {
  EXPECT_FALSE(matches("k_p=0"));
  EXPECT_FALSE(matches("k_p!=0"));
  EXPECT_TRUE(matches("!k_p=0"));
}

TEST(Expression, MistakesPointAtTheColumn) {
  EXPECT_THAT(error_of("arm=a & sead=0"),
              HasSubstr("exp.yaml:7: column 9: unknown key \"sead\"; did you mean \"seed\"?"));
  EXPECT_THAT(error_of("arm=a & sead=0"), HasSubstr("\n  arm=a & sead=0\n          ^"));
  EXPECT_THAT(error_of("(seed=0"), HasSubstr("column 8: expected )"));
  EXPECT_THAT(error_of("seed=0)"), HasSubstr("column 7: expected & or |"));
  EXPECT_THAT(error_of("seed 0"), HasSubstr("column 6: expected one of ="));
  EXPECT_THAT(error_of("lr<small"), HasSubstr("column 4: < needs a number"));
  EXPECT_THAT(error_of("seed="), HasSubstr("column 6: expected a value"));
  EXPECT_THAT(error_of(""), HasSubstr("column 1: expected a key"));
  EXPECT_THAT(error_of("arm='x"), HasSubstr("column 5: this quote is never closed"));
  EXPECT_THAT(error_of(std::string(100000, '(')), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace pionbench
