#include "results/grid.h"

#include <gmock/gmock.h>

namespace pionbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Grid kGrid{{"Arm", "Accuracy"}, {{"Muon, \"5\"", "0.5"}, {"50 % & more_", "–"}}};

TEST(Grid, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(to_csv(kGrid), "Arm,Accuracy\n\"Muon, \"\"5\"\"\",0.5\n50 % & more_,–\n");
}

TEST(Grid, MarkdownAlignsNumbersRight) {
  EXPECT_THAT(to_markdown(kGrid), HasSubstr("|---|---:|"));
  EXPECT_THAT(to_markdown({{"a"}, {{"x|y"}}}), HasSubstr("x\\|y"));
  EXPECT_THAT(to_markdown({{"Why"}, {{"-8.09 % against the median of 6 sittings, threshold +33.00 %"}}}),
              Not(HasSubstr("---:")))
      << "a sentence, though it begins with a number";
}

TEST(Grid, LatexEscapesItsSpecialCharacters) {
  const auto text = to_latex(kGrid, "a caption");
  EXPECT_THAT(text, HasSubstr("50 \\% \\& more\\_ & --"));
  EXPECT_THAT(text, HasSubstr("\\begin{tabular}{lr}"));
  EXPECT_THAT(text, HasSubstr("% a caption"));
}

TEST(Grid, HtmlEscapesMarkup) {
  const auto text = to_html({{"a"}, {{"<script>&'\""}}});
  EXPECT_THAT(text, HasSubstr("&lt;script&gt;&amp;&#39;&quot;"));
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
}

TEST(Grid, PlainColumnsAlignByCharactersNotBytes) {
  EXPECT_EQ(to_plain({{"x", "y"}, {{"–", "1"}, {"ab", "10"}}}), "x    y\n–    1\nab  10\n");
}

TEST(Numbers, AreWrittenWithoutNoise) {
  EXPECT_EQ(fixed(0.61249, 3), "0.612");
  EXPECT_EQ(fixed(-0.0001, 3), "0.000");
  EXPECT_EQ(fixed(-0.0006, 3), "-0.001");
  EXPECT_EQ(significant(0.0003, 6), "0.0003");
  EXPECT_EQ(exact(0.1), "0.1");
  EXPECT_EQ(counted(1, "seed"), "1 seed");
  EXPECT_EQ(counted(3, "seed"), "3 seeds");
}

}  // namespace
}  // namespace pionbench
