#pragma once
/// Problems and demonstrations. Files are JSON Lines, one object per line, in one of three schemas; which one, a
/// file's first line tells:
///   GSM8K  {question, answer}                        the answer ends in "#### <number>"
///   MATH   {problem, solution, level?, type|subject?}  the solution ends in \boxed{...}; level 3 or "Level 3"
///   verl   {prompt: [{role, content}, ...], reward_model: {ground_truth}, data_source?}
///          the rows of verl's parquet files written as JSON Lines (pandas: read_parquet(f).to_json(g, lines=True,
///          orient="records")); the last user message becomes the question as it is
/// Other fields are ignored. A label is always computed from the solution: copies of MATH with a truncated `answer`
/// field are in circulation.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench::rlvr {

enum class Schema { kGsm8k, kMath, kVerl };

struct Problem {
  std::string question;
  std::string answer;  ///< worked solution with the marked answer; empty for verl's rows
  std::string label;   ///< what a grader compares with
  int level = 0;       ///< 1 to 5 in MATH, 0 without one
  std::string subject = {};
};

/// The text after the last "####", without blanks, commas and "$"; "" without a mark.
std::string gsm8k_label(std::string_view answer);

/// What the warm start imitates.
struct Demonstration {
  std::string question;
  std::string completion;
  std::string style;
};

/// Errors: UserError "<file>:<line>: ..." for bytes that are not UTF-8 JSON, missing fields or fields of the wrong
/// type, answers without "####" or \boxed{}, and a file without problems.
std::vector<Problem> read_problems(const std::filesystem::path& file);
/// A file's content; `name` stands for the file in messages.
std::vector<Problem> parse_problems(std::string_view text, const std::string& name);
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file);
/// `schema` kGsm8k or kMath.
void write_problems(const std::filesystem::path& file, const std::vector<Problem>& problems,
                    Schema schema = Schema::kGsm8k);
void write_demonstrations(const std::filesystem::path& file, const std::vector<Demonstration>& demonstrations);

/// "train", "validation" (one in ten) or "test" (one in ten), from the text alone: a question's split does not depend
/// on seeds, sizes or order, so splits stay disjoint.
std::string content_split(std::string_view question);

/// Questions that stand in both, compared without regard to case and white space: what must be empty between a
/// training and a test split.
std::vector<std::string> shared_questions(const std::vector<Problem>& a, const std::vector<Problem>& b);

/// The user message that a question is put into, as verl's preprocessing writes it.
enum class PromptStyle { kPlain, kGsm8k, kMath };
std::string user_message(PromptStyle style, const std::string& question);

}  // namespace pionbench::rlvr
