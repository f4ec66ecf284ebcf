#pragma once
/// Text to token ids and back, from Hugging Face's tokenizer.json. Two models: byte-level BPE (Qwen2, Qwen3, GPT-2;
/// byte_level_bpe.h), and word level (model WordLevel, pre-tokenizer WhitespaceSplit) for the embedded suites. The
/// Python package `tokenizers` reads the same files and gives the same ids.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench::rlvr {

class TokenizerModel;

class Tokenizer {
 public:
  /// Word level, ids in the order given: <pad> 0, <eos> 1, <unk> 2, then `words`.
  static Tokenizer from_words(const std::vector<std::string>& words);
  /// UserError naming the file and the offending field. For BPE, end-of-sequence tokens come from
  /// generation_config.json (eos_token_id), else tokenizer_config.json (eos_token), beside the file, else
  /// <|im_end|> and <|endoftext|>; the padding token from tokenizer_config.json (pad_token), else <|endoftext|>.
  static Tokenizer load(const std::filesystem::path& file);
  /// A loaded file is written as it was.
  void save(const std::filesystem::path& file) const;

  std::vector<std::int64_t> encode(std::string_view text) const;
  /// Special tokens are left out. Word level: words joined by one blank.
  std::string decode(const std::vector<std::int64_t>& ids) const;

  std::int64_t size() const;  ///< largest id + 1
  std::int64_t pad() const;
  /// Tokens that end a completion; never empty. The first is what training appends.
  const std::vector<std::int64_t>& eos_ids() const;
  std::int64_t eos() const { return eos_ids().front(); }
  bool is_eos(std::int64_t id) const;
  /// Does the chat format of chat.h have its tokens here?
  bool has_chat_tokens() const;

 private:
  explicit Tokenizer(std::shared_ptr<const TokenizerModel> model) : model_(std::move(model)) {}
  std::shared_ptr<const TokenizerModel> model_;
};

}  // namespace pionbench::rlvr
