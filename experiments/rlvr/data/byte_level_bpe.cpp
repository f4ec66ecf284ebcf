#include "experiments/rlvr/data/byte_level_bpe.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <queue>

#include "core/error.h"
#include "experiments/rlvr/data/json_text.h"
#include "experiments/rlvr/data/utf8.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

// The pattern that ByteLevel brings along (use_regex), GPT-2's.
constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// Ids index tables; no published vocabulary comes near.
constexpr std::int64_t kLargestId = 1 << 22;

/// GPT-2's printable stand-in for each byte, as code points.
const std::array<char32_t, 256>& byte_letters() {
  static const auto table = [] {
    std::array<char32_t, 256> out{};
    char32_t next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      out[static_cast<std::size_t>(b)] = printable ? static_cast<char32_t>(b) : next++;
    }
    return out;
  }();
  return table;
}

/// The bytes that a token of the file stands for; the token's own bytes when a letter of it stands for none.
std::string bytes_of(const std::string& token) {
  static const auto inverse = [] {
    std::vector<int> out(512, -1);
    for (std::size_t b = 0; b < 256; ++b) out[byte_letters()[b]] = static_cast<int>(b);
    return out;
  }();
  std::string out;
  for (std::size_t at = 0; at < token.size();) {
    const auto point = utf8::decode(token, at);
    if (point.value >= inverse.size() || inverse[point.value] < 0) return token;
    out += static_cast<char>(inverse[point.value]);
    at += point.length;
  }
  return out;
}

const Json& member(const Json& json, const char* name) {
  static const Json null;
  const auto it = json.find(name);
  return it == json.end() ? null : *it;
}

bool is_off(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "";
}

std::uint64_t mixed(std::uint64_t key) {
  key *= 0x9e3779b97f4a7c15ull;
  return key ^ key >> 32;
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token) {
  std::size_t node = 0;
  for (const char c : token.content) {
    const auto byte = static_cast<unsigned char>(c);
    const auto it = nodes_[node].next.find(byte);
    if (it != nodes_[node].next.end()) {
      node = static_cast<std::size_t>(it->second);
      continue;
    }
    nodes_[node].next[byte] = static_cast<std::int32_t>(nodes_.size());
    node = nodes_.size();
    nodes_.emplace_back();
  }
  nodes_[node].id = token.id;
  first_[static_cast<unsigned char>(token.content.front())] = true;
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, std::size_t from) const {
  if (empty()) return {0, 0, -1};
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!first_[static_cast<unsigned char>(text[begin])]) continue;
    Match best{begin, 0, -1};
    std::size_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      const auto& next = nodes_[node].next;
      const auto it = next.find(static_cast<unsigned char>(text[at]));
      if (it == next.end()) break;
      node = static_cast<std::size_t>(it->second);
      if (nodes_[node].id >= 0) best = {begin, at + 1, nodes_[node].id};
    }
    if (best.end) return best;
  }
  return {0, 0, -1};
}

ByteLevelBpe::ByteLevelBpe(const Json& json, const std::string& where) {
  const auto& model = member(json, "model");
  for (const char* name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "unk_token"})
    if (!is_off(member(model, name)))
      throw UserError(where + ": model." + name + " is " + shown(member(model, name)) +
                      "; only byte-level BPE without it is supported");
  for (const char* name : {"truncation", "padding"})
    if (!is_off(member(json, name))) throw UserError(where + ": " + name + " must be null: batches are made here");
  ignore_merges_ = member(model, "ignore_merges") == true;
  read_vocabulary(model, where);
  read_merges(model, where);
  read_added(json, where);
  read_steps(json, where);
  if (ignore_merges_)
    for (const auto& [token, id] : ids_) whole_.emplace(bytes_[static_cast<std::size_t>(id)], id);
}

void ByteLevelBpe::read_vocabulary(const Json& model, const std::string& where) {
  const auto& vocab = member(model, "vocab");
  if (!vocab.is_object() || vocab.empty()) throw UserError(where + ": model.vocab must be an object of token: id");
  for (const auto& [token, id] : vocab.items()) {
    const auto number = id.is_number_integer() ? id.get<std::int64_t>() : -1;
    if (number < 0 || number >= kLargestId)
      throw UserError(where + ": model.vocab: id " + shown(id) + " of \"" + token + "\" is not in 0.." +
                      std::to_string(kLargestId - 1));
    const auto slot = static_cast<std::size_t>(number);
    if (slot >= bytes_.size()) bytes_.resize(slot + 1), known_.resize(slot + 1);
    if (known_[slot]) throw UserError(where + ": model.vocab: id " + shown(id) + " is given twice");
    known_[slot] = true;
    bytes_[slot] = bytes_of(token);
    ids_.emplace(token, number);
  }
  for (const auto letter : byte_letters()) {
    std::string token;
    utf8::append(token, letter);
    const auto it = ids_.find(token);
    byte_ids_.push_back(it == ids_.end() ? -1 : it->second);
  }
}

void ByteLevelBpe::read_merges(const Json& model, const std::string& where) {
  const auto& merges = member(model, "merges");
  if (!merges.is_array()) throw UserError(where + ": model.merges must be a list");
  std::size_t capacity = 16;
  while (capacity < 2 * merges.size()) capacity *= 2;
  merges_.resize(capacity);
  std::uint32_t rank = 0;
  for (const auto& merge : merges) {
    const auto at = [&] { return where + ": model.merges[" + std::to_string(rank) + "] "; };
    std::string left, right;
    if (merge.is_string()) {
      const auto text = merge.get<std::string>();
      const auto blank = text.find(' ');
      if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos)
        throw UserError(at() + "must be two tokens with a blank between, got " + shown(merge));
      left = text.substr(0, blank), right = text.substr(blank + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>(), right = merge[1].get<std::string>();
    } else {
      throw UserError(at() + "must be \"a b\" or [\"a\", \"b\"], got " + shown(merge));
    }
    std::array<std::int64_t, 3> ids{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& token = i == 0 ? left : i == 1 ? right : left + right;
      const auto it = ids_.find(token);
      if (it == ids_.end()) throw UserError(at() + "needs \"" + token + "\", which model.vocab lacks");
      ids[i] = it->second;
    }
    const std::uint64_t pair = static_cast<std::uint64_t>(ids[0]) << 32 | static_cast<std::uint64_t>(ids[1]);
    auto slot = mixed(pair) & (capacity - 1);
    while (merges_[slot].pair != ~0ull && merges_[slot].pair != pair) slot = (slot + 1) & (capacity - 1);
    merges_[slot] = {pair, rank++, static_cast<std::uint32_t>(ids[2])};  // of two equal pairs the later counts
  }
}

void ByteLevelBpe::read_added(const Json& json, const std::string& where) {
  special_.resize(bytes_.size());
  const auto& added = member(json, "added_tokens");
  if (added.is_null()) return;
  if (!added.is_array()) throw UserError(where + ": added_tokens must be a list");
  for (const auto& entry : added) {
    const auto fail = [&](const std::string& why) {
      return UserError(where + ": added_tokens: " + shown(member(entry, "content")) + ": " + why);
    };
    if (!entry.is_object() || !member(entry, "content").is_string() || !member(entry, "id").is_number_integer())
      throw fail("must have an id and a content");
    AddedToken token{entry["id"].get<std::int64_t>(), entry["content"].get<std::string>(),
                     member(entry, "special") == true, member(entry, "normalized") == true};
    if (token.id < 0 || token.id >= kLargestId || token.content.empty()) throw fail("bad id or empty content");
    for (const char* name : {"single_word", "lstrip", "rstrip"})
      if (member(entry, name) == true) throw fail(std::string(name) + " is not supported");
    const auto slot = static_cast<std::size_t>(token.id);
    if (slot >= bytes_.size()) bytes_.resize(slot + 1), known_.resize(slot + 1), special_.resize(slot + 1);
    if (known_[slot] && bytes_[slot] != bytes_of(token.content)) throw fail("its id is another token's");
    known_[slot] = true;
    special_[slot] = token.special;
    bytes_[slot] = bytes_of(token.content);
    added_ids_[token.content] = token.id;
    (token.normalized ? normal_added_ : raw_added_).add(token);
  }
}

void ByteLevelBpe::read_steps(const Json& json, const std::string& where) {
  const auto steps_of = [&](const char* name, const char* list) {
    const auto& step = member(json, name);
    std::vector<Json> out;
    if (step.is_null()) return out;
    if (!step.is_object()) throw UserError(where + ": " + name + " must be an object or null");
    if (member(step, "type") != "Sequence") return std::vector<Json>{step};
    for (const auto& inner : member(step, list)) out.push_back(inner);
    return out;
  };
  for (const auto& step : steps_of("normalizer", "normalizers")) {
    if (member(step, "type") != "NFC")
      throw UserError(where + ": normalizer " + shown(member(step, "type")) + " is not supported; NFC is");
    normal_form_ = std::make_unique<NormalFormC>();
  }
  bool byte_level = false;
  for (const auto& step : steps_of("pre_tokenizer", "pretokenizers")) {
    const auto& type = member(step, "type");
    const auto fail = [&](const std::string& why) { return UserError(where + ": pre_tokenizer: " + why); };
    if (byte_level) throw fail("nothing may follow ByteLevel");
    if (type == "Split") {
      const auto& pattern = member(step, "pattern");
      if (!member(pattern, "Regex").is_string()) throw fail("Split needs pattern.Regex");
      if (member(step, "behavior") != "Isolated" || member(step, "invert") == true)
        throw fail("Split with behavior " + shown(member(step, "behavior")) + " or invert is not supported");
      if (splitter_) throw fail("two splits in a row are not supported");
      splitter_ = make_splitter(pattern["Regex"].get<std::string>(), where + ": pre_tokenizer");
    } else if (type == "ByteLevel") {
      byte_level = true;
      if (member(step, "add_prefix_space") == true) throw fail("add_prefix_space is not supported");
      if (member(step, "use_regex") != false) {
        if (splitter_) throw fail("ByteLevel with use_regex after a Split is not supported");
        splitter_ = make_splitter(kGpt2Pattern, where + ": pre_tokenizer");
      }
    } else {
      throw fail("type " + shown(type) + " is not supported; Split and ByteLevel are");
    }
  }
  if (!byte_level) throw UserError(where + ": pre_tokenizer must end in ByteLevel");
  for (const auto& step : steps_of("post_processor", "processors"))
    if (member(step, "type") != "ByteLevel")
      throw UserError(where + ": post_processor " + shown(member(step, "type")) + " is not supported; ByteLevel is");
  for (const auto& step : steps_of("decoder", "decoders"))
    if (member(step, "type") != "ByteLevel")
      throw UserError(where + ": decoder " + shown(member(step, "type")) + " is not supported; ByteLevel is");
}

const ByteLevelBpe::Merge* ByteLevelBpe::find_merge(std::uint32_t left, std::uint32_t right) const {
  const std::uint64_t pair = static_cast<std::uint64_t>(left) << 32 | right;
  const auto mask = merges_.size() - 1;
  for (auto slot = mixed(pair) & mask;; slot = (slot + 1) & mask) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    if (merges_[slot].pair == ~0ull) return nullptr;
  }
}

void ByteLevelBpe::encode(std::string_view text, std::vector<std::int64_t>& out) const {
  std::string mended;
  if (!utf8::is_valid(text)) text = mended = utf8::repaired(text);
  std::size_t begin = 0;
  for (auto match = raw_added_.find(text, 0); match.end; match = raw_added_.find(text, begin)) {
    encode_unmatched(text.substr(begin, match.begin - begin), out);
    out.push_back(match.id);
    begin = match.end;
  }
  encode_unmatched(text.substr(begin), out);
}

void ByteLevelBpe::encode_unmatched(std::string_view text, std::vector<std::int64_t>& out) const {
  std::string buffer;
  if (normal_form_) text = (*normal_form_)(text, buffer);
  std::size_t begin = 0;
  for (auto match = normal_added_.find(text, 0); match.end; match = normal_added_.find(text, begin)) {
    encode_normal(text.substr(begin, match.begin - begin), out);
    out.push_back(match.id);
    begin = match.end;
  }
  encode_normal(text.substr(begin), out);
}

void ByteLevelBpe::encode_normal(std::string_view text, std::vector<std::int64_t>& out) const {
  if (!splitter_ && !text.empty()) return encode_piece(text, out);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = splitter_->piece_end(text, at);
    encode_piece(text.substr(at, end - at), out);
    at = end;
  }
}

void ByteLevelBpe::encode_piece(std::string_view piece, std::vector<std::int64_t>& out) const {
  // Above this many symbols scanning all pairs after each merge costs more than keeping a heap.
  constexpr std::size_t kShort = 32;
  if (ignore_merges_)
    if (const auto it = whole_.find(std::string(piece)); it != whole_.end()) return out.push_back(it->second);
  if (piece.size() > kShort) {
    std::vector<std::uint32_t> ids;
    for (const char c : piece)
      if (const auto id = byte_ids_[static_cast<unsigned char>(c)]; id >= 0)
        ids.push_back(static_cast<std::uint32_t>(id));
    return merge_long(ids, out);
  }
  // ids[i] and the merge of (ids[i], ids[i + 1]), kept up to date instead of looked up again.
  std::array<std::uint32_t, kShort> ids;
  std::array<const Merge*, kShort> next;
  std::size_t n = 0;
  for (const char c : piece)
    if (const auto id = byte_ids_[static_cast<unsigned char>(c)]; id >= 0) ids[n++] = static_cast<std::uint32_t>(id);
  for (std::size_t i = 0; i + 1 < n; ++i) next[i] = find_merge(ids[i], ids[i + 1]);
  while (n > 1) {
    std::size_t best = n;
    std::uint32_t rank = ~0u;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (next[i] && next[i]->rank < rank) rank = next[i]->rank, best = i;
    if (best == n) break;
    ids[best] = next[best]->id;
    for (std::size_t i = best + 1; i + 1 < n; ++i) ids[i] = ids[i + 1], next[i] = next[i + 1];
    --n;
    if (best + 1 < n) next[best] = find_merge(ids[best], ids[best + 1]);
    if (best > 0) next[best - 1] = find_merge(ids[best - 1], ids[best]);
  }
  for (std::size_t i = 0; i < n; ++i) out.push_back(ids[i]);
}

void ByteLevelBpe::merge_long(std::vector<std::uint32_t>& ids, std::vector<std::int64_t>& out) const {
  struct Candidate {
    std::uint32_t rank, at, left, right;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  constexpr std::uint32_t kGone = ~0u;
  const auto n = static_cast<std::uint32_t>(ids.size());
  std::vector<std::uint32_t> previous(n), next(n);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  const auto offer = [&](std::uint32_t at) {
    if (next[at] >= n) return;
    if (const auto* merge = find_merge(ids[at], ids[next[at]])) heap.push({merge->rank, at, ids[at], ids[next[at]]});
  };
  for (std::uint32_t i = 0; i < n; ++i) previous[i] = i - 1, next[i] = i + 1;
  for (std::uint32_t i = 0; i < n; ++i) offer(i);
  while (!heap.empty()) {
    const auto top = heap.top();
    heap.pop();
    // Stale when either side has changed since: a merge gives the left place a new id and empties the right one.
    const auto right = next[top.at];
    if (ids[top.at] != top.left || right >= n || ids[right] != top.right) continue;
    ids[top.at] = find_merge(top.left, top.right)->id;
    ids[right] = kGone;
    next[top.at] = next[right];
    if (next[right] < n) previous[next[right]] = top.at;
    offer(top.at);
    if (top.at > 0 && previous[top.at] < n) offer(previous[top.at]);
  }
  for (std::uint32_t i = 0; i < n; i = next[i]) out.push_back(ids[i]);
}

std::string ByteLevelBpe::decode(const std::vector<std::int64_t>& ids, bool skip_special) const {
  std::string out;
  for (const auto id : ids) {
    if (id < 0 || id >= size()) continue;
    const auto slot = static_cast<std::size_t>(id);
    if (known_[slot] && !(skip_special && special_[slot])) out += bytes_[slot];
  }
  return utf8::is_valid(out) ? out : utf8::repaired(out);
}

std::int64_t ByteLevelBpe::id_of(const std::string& token) const {
  if (const auto it = added_ids_.find(token); it != added_ids_.end()) return it->second;
  const auto it = ids_.find(token);
  return it == ids_.end() ? -1 : it->second;
}

}  // namespace pionbench::rlvr
