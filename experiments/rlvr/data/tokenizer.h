#pragma once
/// A word-level tokenizer in Hugging Face's tokenizer.json form (model WordLevel, pre-tokenizer WhitespaceSplit), so
/// that the Python package `tokenizers` reads the same file and gives the same ids.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pionbench::rlvr {

class Tokenizer {
 public:
  /// Ids in the order given: <pad> 0, <eos> 1, <unk> 2, then `words`.
  static Tokenizer from_words(const std::vector<std::string>& words);
  /// UserError naming the file and the offending field.
  static Tokenizer load(const std::filesystem::path& file);
  void save(const std::filesystem::path& file) const;

  std::vector<std::int64_t> encode(const std::string& text) const;
  /// Words joined by one blank; special tokens are left out.
  std::string decode(const std::vector<std::int64_t>& ids) const;

  std::int64_t size() const { return static_cast<std::int64_t>(words_.size()); }
  std::int64_t pad() const { return 0; }
  std::int64_t eos() const { return 1; }

 private:
  explicit Tokenizer(std::vector<std::string> words);
  std::vector<std::string> words_;
  std::map<std::string, std::int64_t> ids_;
};

}  // namespace pionbench::rlvr
