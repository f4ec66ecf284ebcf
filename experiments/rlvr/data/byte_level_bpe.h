#pragma once
/// Byte-level byte-pair encoding as in GPT-2, Qwen2 and Qwen3, from Hugging Face's tokenizer.json: added tokens are
/// taken out of the text first, the rest goes through NFC (where the file says so), is cut into pieces (split.h), and
/// each piece's bytes are merged by rank, leftmost first.
///
/// Cost: O(n) for n pieces of bounded length; a piece of m bytes without a cut O(m log m).

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "experiments/rlvr/data/split.h"

namespace pionbench::rlvr {

struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool special = false;     ///< left out when decoding
  bool normalized = false;  ///< looked for after normalisation, not before
};

/// Finds the longest added token that begins earliest.
class AddedTokenMatcher {
 public:
  void add(const AddedToken& token);
  bool empty() const { return nodes_.size() == 1; }
  struct Match {
    std::size_t begin, end;  ///< end == 0: none
    std::int64_t id;
  };
  Match find(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    std::unordered_map<unsigned char, std::int32_t> next;
    std::int64_t id = -1;
  };
  std::vector<Node> nodes_{1};
  std::vector<bool> first_ = std::vector<bool>(256);
};

class ByteLevelBpe {
 public:
  /// `json` is a whole tokenizer.json, `where` begins every message. Merges as "a b" or ["a", "b"].
  /// UserError: what is malformed, or which feature of the format is not supported (prefixes, dropout, byte fallback,
  /// added tokens that strip blanks or want whole words, truncation, padding, templates).
  ByteLevelBpe(const nlohmann::json& json, const std::string& where);

  /// Broken UTF-8 is read as U+FFFD (see utf8.h). Not to be called from two threads at once on one object.
  void encode(std::string_view text, std::vector<std::int64_t>& out) const;
  /// Bytes of the tokens as text; ids without a token are left out, broken UTF-8 becomes U+FFFD.
  std::string decode(const std::vector<std::int64_t>& ids, bool skip_special) const;

  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }  ///< largest id + 1
  /// -1 when there is no such token. The token as it stands in the file ("Ġthe"), or an added token's content.
  std::int64_t id_of(const std::string& token) const;

 private:
  struct Merge {
    std::uint64_t pair = ~0ull;  ///< left id · 2³² + right id
    std::uint32_t rank = 0;
    std::uint32_t id = 0;
  };
  void read_vocabulary(const nlohmann::json& model, const std::string& where);
  void read_merges(const nlohmann::json& model, const std::string& where);
  void read_added(const nlohmann::json& json, const std::string& where);
  void read_steps(const nlohmann::json& json, const std::string& where);
  const Merge* find_merge(std::uint32_t left, std::uint32_t right) const;
  void encode_unmatched(std::string_view text, std::vector<std::int64_t>& out) const;
  void encode_normal(std::string_view text, std::vector<std::int64_t>& out) const;
  void encode_piece(std::string_view piece, std::vector<std::int64_t>& out) const;
  void merge_long(std::vector<std::uint32_t>& ids, std::vector<std::int64_t>& out) const;

  std::unordered_map<std::string, std::int64_t> ids_;  ///< model vocabulary, as written in the file
  std::unordered_map<std::string, std::int64_t> added_ids_;
  std::unordered_map<std::string, std::int64_t> whole_;  ///< by bytes; only with ignore_merges
  std::vector<std::string> bytes_;                       ///< per id
  std::vector<bool> known_, special_;                    ///< per id
  std::vector<std::int64_t> byte_ids_;                   ///< per byte, -1 without a token
  std::vector<Merge> merges_;                            ///< open addressing, a power of two
  AddedTokenMatcher raw_added_, normal_added_;
  std::unique_ptr<NormalFormC> normal_form_;
  std::unique_ptr<Splitter> splitter_;
  bool ignore_merges_ = false;
};

}  // namespace pionbench::rlvr
