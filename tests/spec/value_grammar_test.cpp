#include "harness/spec/value_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

std::string read(const std::string& text) {
  std::string out;
  for (const auto& value : parse_values(text, "here")) out += (out.empty() ? "" : "|") + to_text(value);
  return out;
}

std::string error_of(const std::string& text) {
  try {
    parse_values(text, "here");
  } catch (const UserError& e) {
    return e.what();
  }
  return "(no error)";
}

TEST(ValueGrammar, ScalarsKeepTheirKind) {
  EXPECT_EQ(parse_scalar("3"), Value(std::int64_t{3}));
  EXPECT_EQ(parse_scalar("-3"), Value(std::int64_t{-3}));
  EXPECT_EQ(parse_scalar("3.0"), Value(3.0));
  EXPECT_EQ(parse_scalar("1e-4"), Value(1e-4));
  EXPECT_EQ(parse_scalar("true"), Value(true));
  EXPECT_EQ(parse_scalar("per-head"), Value(std::string("per-head")));
}

TEST(ValueGrammar, WhatOnlyLooksLikeANumberIsText) {
  for (const std::string text : {"007", "nan", "inf", "-inf", "1e", "0x10", "1.2.3", "-", "."})
    EXPECT_EQ(parse_scalar(text), Value(text)) << text;
}

TEST(ValueGrammar, ListsRangesAndPointsExpand) {
  EXPECT_EQ(read("a, b"), "a|b");
  EXPECT_EQ(read("[1, 2.5, x]"), "1|2.5|x");
  EXPECT_EQ(read("0..4"), "0|1|2|3|4");
  EXPECT_EQ(read("-1..1,7"), "-1|0|1|7");
  EXPECT_EQ(read("log:1e-5..1e-3:5"), "1e-05|3.16228e-05|1e-04|0.000316228|0.001");
  EXPECT_EQ(read("lin:0..1:5"), "0|0.25|0.5|0.75|1");
}

TEST(ValueGrammar, QuotesKeepCommasAndRangesAsText) {
  EXPECT_EQ(read("'a, b', c"), "a, b|c");
  EXPECT_EQ(parse_values("\"0..4\"", "here"), std::vector<Value>{std::string("0..4")});
  EXPECT_EQ(read("don't"), "don't");
}

TEST(ValueGrammar, AMistakeNamesThePlaceAndTheForm) {
  EXPECT_THAT(error_of("4..0"), HasSubstr("here: \"4..0\": the range ends before it begins; write 0..4"));
  EXPECT_THAT(error_of("0.1..0.5"), HasSubstr("write lin:a..b:n"));
  EXPECT_THAT(error_of("log:0..1:5"), HasSubstr("both ends must be above 0"));
  EXPECT_THAT(error_of("log:1e-5-1e-3"), HasSubstr("the form is log:1e-5..1e-3:5"));
  EXPECT_THAT(error_of("lin:0..1:1"), HasSubstr("at least 2"));
  EXPECT_THAT(error_of("a,,b"), HasSubstr("a value is missing"));
  EXPECT_THAT(error_of(""), HasSubstr("a value is missing"));
  EXPECT_THAT(error_of("[1, 2"), HasSubstr("lacks its \"]\""));
  EXPECT_THAT(error_of("'a"), HasSubstr("never closed"));
  EXPECT_THAT(error_of("-9223372036854775808..9223372036854775807"), HasSubstr("more than 100000"));
}

}  // namespace
}  // namespace pionbench
