#pragma once
/// Problems and demonstrations in GSM8K's schema: one JSON object per line with `question` and `answer`, the answer
/// ending in "#### <number>".

#include <filesystem>
#include <string>
#include <vector>

namespace pionbench::rlvr {

struct Problem {
  std::string question;
  std::string answer;  ///< worked solution, ending in "#### N"

  /// The text after the last "####", without blanks, commas and "$".
  std::string label() const;
};

/// What the warm start imitates.
struct Demonstration {
  std::string question;
  std::string completion;
  std::string style;
};

/// Errors: UserError "<file>:<line>: ..." for bytes that are not UTF-8 JSON, missing fields or fields that are not
/// text, and answers without "####".
std::vector<Problem> read_problems(const std::filesystem::path& file);
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file);
void write_problems(const std::filesystem::path& file, const std::vector<Problem>& problems);
void write_demonstrations(const std::filesystem::path& file, const std::vector<Demonstration>& demonstrations);

}  // namespace pionbench::rlvr
