#pragma once
/// Instructions as numbers: one token a word. 0 pads, 1 stands for words that are not in the vocabulary.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pionbench::vla {

/// Lower case, letters and digits only: "Put the bowl, please." -> put the bowl please
std::vector<std::string> words_of(const std::string& instruction);

class Vocabulary {
 public:
  static constexpr std::int64_t kPad = 0, kUnknown = 1;
  explicit Vocabulary(const std::vector<std::string>& words);  ///< in the order of their numbers, from 2
  /// The words of every task of every suite, and of its paraphrases (LIBERO-Plus's Language): what a pre-trained
  /// language model would know.
  static Vocabulary of_all_suites();

  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()) + 2; }
  const std::vector<std::string>& words() const { return words_; }
  /// At most `most` tokens; what is longer is cut.
  std::vector<std::int64_t> encode(const std::string& instruction, std::size_t most) const;

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::int64_t> numbers_;
};

}  // namespace pionbench::vla
