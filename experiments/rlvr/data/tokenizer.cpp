#include "experiments/rlvr/data/tokenizer.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "experiments/rlvr/data/byte_level_bpe.h"
#include "experiments/rlvr/data/json_text.h"

namespace pionbench::rlvr {

class TokenizerModel {
 public:
  virtual ~TokenizerModel() = default;
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  virtual std::string decode(const std::vector<std::int64_t>& ids) const = 0;
  virtual std::int64_t size() const = 0;
  virtual std::int64_t id_of(const std::string& token) const = 0;
  virtual std::string file_text() const = 0;

  std::int64_t pad = 0;
  std::vector<std::int64_t> eos;
};

namespace {

using Json = nlohmann::json;
const std::array<std::string, 3> kSpecial = {"<pad>", "<eos>", "<unk>"};
constexpr std::int64_t kUnknown = 2;

class WordLevel : public TokenizerModel {
 public:
  explicit WordLevel(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t i = 0; i < words_.size(); ++i) ids_[words_[i]] = static_cast<std::int64_t>(i);
    pad = 0;
    eos = {1};
  }

  static std::shared_ptr<const TokenizerModel> from_json(const Json& model, const std::string& where) {
    const auto fail = [&](const std::string& why) { return UserError(where + ": " + why); };
    if (!model.contains("vocab") || !model["vocab"].is_object()) throw fail("model.vocab must be an object");
    std::vector<std::string> words(model["vocab"].size());
    for (const auto& [word, id] : model["vocab"].items()) {
      if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
          id.get<std::int64_t>() >= static_cast<std::int64_t>(words.size()))
        throw fail("model.vocab: id " + shown(id) + " of \"" + word + "\" is not in 0.." +
                   std::to_string(words.size() - 1));
      auto& slot = words[id.get<std::size_t>()];
      if (!slot.empty()) throw fail("model.vocab: id " + shown(id) + " is given twice");
      slot = word;
    }
    for (std::size_t i = 0; i < kSpecial.size(); ++i)
      if (i >= words.size() || words[i] != kSpecial[i])
        throw fail("model.vocab: id " + std::to_string(i) + " must be " + kSpecial[i]);
    return std::make_shared<WordLevel>(std::move(words));
  }

  std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<std::int64_t> out;
    constexpr std::string_view kBlanks = " \t\n\v\f\r";
    for (auto begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
      const auto end = std::min(text.find_first_of(kBlanks, begin), text.size());
      const auto it = ids_.find(text.substr(begin, end - begin));
      out.push_back(it == ids_.end() ? kUnknown : it->second);
      begin = text.find_first_not_of(kBlanks, end);
    }
    return out;
  }

  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::string out;
    for (const auto id : ids) {
      if (id < static_cast<std::int64_t>(kSpecial.size()) || id >= size()) continue;
      if (!out.empty()) out += ' ';
      out += words_[static_cast<std::size_t>(id)];
    }
    return out;
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(words_.size()); }

  std::int64_t id_of(const std::string& token) const override {
    const auto it = ids_.find(token);
    return it == ids_.end() ? -1 : it->second;
  }

  std::string file_text() const override {
    Json vocab = Json::object(), added = Json::array();
    for (std::size_t i = 0; i < words_.size(); ++i) vocab[words_[i]] = i;
    for (std::size_t i = 0; i < kSpecial.size(); ++i)
      added.push_back({{"id", i},
                       {"content", kSpecial[i]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    const Json json = {{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", added},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
                       {"post_processor", nullptr},
                       {"decoder", nullptr},
                       {"model", {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", kSpecial[kUnknown]}}}};
    return json.dump(1) + "\n";
  }

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::int64_t, std::less<>> ids_;
};

class Bpe : public TokenizerModel {
 public:
  Bpe(const Json& json, std::string text, const std::string& where) : bpe_(json, where), text_(std::move(text)) {}
  std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<std::int64_t> out;
    bpe_.encode(text, out);
    return out;
  }
  std::string decode(const std::vector<std::int64_t>& ids) const override {
    return bpe_.decode(ids, /*skip_special=*/true);
  }
  std::int64_t size() const override { return bpe_.size(); }
  std::int64_t id_of(const std::string& token) const override { return bpe_.id_of(token); }
  std::string file_text() const override { return text_; }

 private:
  ByteLevelBpe bpe_;
  std::string text_;
};

/// A JSON object beside the tokenizer, or null when the file is not there.
Json sibling(const std::filesystem::path& file, const char* name) {
  const auto path = file.parent_path() / name;
  if (!std::filesystem::exists(path)) return {};
  auto json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw UserError(path.string() + ": not a JSON object");
  return json;
}

/// tokenizer_config.json writes a token as text or as {content: text}.
std::string token_text(const Json& config, const char* name) {
  const auto it = config.is_object() ? config.find(name) : config.end();
  if (!config.is_object() || it == config.end()) return "";
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string())
    return (*it)["content"].get<std::string>();
  return "";
}

void read_roles(TokenizerModel& model, const std::filesystem::path& file) {
  const auto generation = sibling(file, "generation_config.json"), config = sibling(file, "tokenizer_config.json");
  if (generation.is_object() && generation.contains("eos_token_id") && !generation["eos_token_id"].is_null()) {
    const auto& eos = generation["eos_token_id"];
    for (const auto& id : eos.is_array() ? eos : Json::array({eos})) {
      if (!id.is_number_integer() || id.get<std::int64_t>() < 0)
        throw UserError((file.parent_path() / "generation_config.json").string() +
                        ": eos_token_id must be token ids, got " + shown(eos));
      model.eos.push_back(id.get<std::int64_t>());
    }
  } else if (const auto token = token_text(config, "eos_token"); !token.empty()) {
    if (model.id_of(token) < 0)
      throw UserError((file.parent_path() / "tokenizer_config.json").string() + ": eos_token \"" + token +
                      "\" is not in the vocabulary");
    model.eos.push_back(model.id_of(token));
  } else {
    for (const char* known : {"<|im_end|>", "<|endoftext|>"})
      if (const auto id = model.id_of(known); id >= 0) model.eos.push_back(id);
  }
  if (model.eos.empty())
    throw UserError(file.string() +
                    ": no end-of-sequence token; give eos_token_id in generation_config.json beside it");
  model.pad = model.eos.back();
  for (const auto& token : {token_text(config, "pad_token"), std::string("<|endoftext|>")})
    if (const auto id = token.empty() ? -1 : model.id_of(token); id >= 0) {
      model.pad = id;
      break;
    }
}

}  // namespace

Tokenizer Tokenizer::from_words(const std::vector<std::string>& words) {
  std::vector<std::string> all(kSpecial.begin(), kSpecial.end());
  all.insert(all.end(), words.begin(), words.end());
  return Tokenizer(std::make_shared<WordLevel>(std::move(all)));
}

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  std::string text = read_file(file);
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("model") || !json["model"].is_object())
    throw UserError(file.string() + ": not a tokenizer.json");
  const auto& model = json["model"];
  const auto type = model.value("type", Json());
  if (type == "WordLevel") return Tokenizer(WordLevel::from_json(model, file.string()));
  // Old files leave the type of a BPE model out.
  if (type != "BPE" && !(type.is_null() && model.contains("merges")))
    throw UserError(file.string() + ": model.type must be \"BPE\" or \"WordLevel\", got " + shown(type));
  auto bpe = std::make_shared<Bpe>(json, std::move(text), file.string());
  read_roles(*bpe, file);
  return Tokenizer(std::move(bpe));
}

void Tokenizer::save(const std::filesystem::path& file) const {
  write_file_atomic(file, model_->file_text());
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text) const {
  return model_->encode(text);
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
  return model_->decode(ids);
}

std::int64_t Tokenizer::size() const {
  return model_->size();
}

std::int64_t Tokenizer::pad() const {
  return model_->pad;
}

const std::vector<std::int64_t>& Tokenizer::eos_ids() const {
  return model_->eos;
}

bool Tokenizer::is_eos(std::int64_t id) const {
  const auto& ids = eos_ids();
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool Tokenizer::has_chat_tokens() const {
  return model_->id_of("<|im_start|>") >= 0 && model_->id_of("<|im_end|>") >= 0;
}

}  // namespace pionbench::rlvr
