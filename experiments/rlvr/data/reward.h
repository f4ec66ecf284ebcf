#pragma once
/// Verifiable rewards: text in, 0 or 1 out. None throws, whatever the text.

#include <string>
#include <string_view>

namespace pionbench::rlvr {

/// 1 when the completion has exactly one "####", and what follows it, blanks, commas and "$" aside, is the label.
/// Stricter than GSM8K's last match of "#### (-?[0-9.,]+)": nothing may follow the number and no second answer may
/// stand before it. `ended` says whether the completion came to its end-of-sequence token; one cut off earns 0.
double strict_reward(std::string_view completion, std::string_view label, bool ended);

/// GSM8K's strict grader as verl has it: the last "#### <number>" within the last 300 characters, commas and "$"
/// removed, compared as text.
double gsm8k_strict_reward(std::string_view completion, std::string_view label);

}  // namespace pionbench::rlvr
