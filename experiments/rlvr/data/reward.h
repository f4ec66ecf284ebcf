#pragma once
/// Verifiable rewards: text in, 0 or 1 out. None throws, whatever the bytes, and each takes time linear in the text.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench::rlvr {

/// 1 when the completion has exactly one "####", and what follows it, blanks, commas and "$" aside, is the label.
/// Stricter than GSM8K's last match of "#### (-?[0-9.,]+)": nothing may follow the number and no second answer may
/// stand before it. `ended` says whether the completion came to its end-of-sequence token; one cut off earns 0.
double strict_reward(std::string_view completion, std::string_view label, bool ended);

/// GSM8K's graders as verl has them (verl/utils/reward_score/gsm8k.py); both read the last 300 characters only and
/// compare as text with a label without commas.
///   strict    the last "#### (-?[0-9.,]+)", commas removed
///   flexible  the last (-?[0-9.,]+) that is not "."; its commas stay, so "1,000" misses the label 1000
double gsm8k_strict_reward(std::string_view completion, std::string_view label);
double gsm8k_flexible_reward(std::string_view completion, std::string_view label);

/// MATH's grader as verl has it (verl/utils/reward_score/math_reward.py, after lm-evaluation-harness): the last
/// \boxed{...}, by brace matching, equals the label after normalize_math on both. An answer in \fbox earns 0.
double math_reward(std::string_view completion, std::string_view label);

/// The content of the last \boxed{...}; of "\boxed x" (a blank) the text after it up to the next "$". Nothing when
/// there is none or its braces do not close.
std::optional<std::string> last_boxed(std::string_view text);

/// MATH's string normalisation: removes line breaks, "\!", \left and \right, degrees, "\$", units after "\text{ ",
/// percent signs and blanks; tfrac and dfrac become frac; ".5" -> "0.5" -> "\frac{1}{2}", "a/b" of integers ->
/// "\frac{a}{b}", "\frac12" -> "\frac{1}{2}", "\sqrt3" -> "\sqrt{3}"; "x=5" -> "5". Nothing where the original raises
/// ("\text{ " twice, "\sqrt" or "\frac" at the end): the grader then compares the raw texts.
std::optional<std::string> normalize_math(std::string_view text);

/// A grader by name, for settings and tables.
struct Grader {
  std::string name;
  std::string help;
  double (*grade)(std::string_view completion, std::string_view label);
};
/// gsm8k-strict, gsm8k-flexible, math. UserError with the nearest name when there is no such grader.
const std::vector<Grader>& graders();
const Grader& find_grader(const std::string& name);

}  // namespace pionbench::rlvr
