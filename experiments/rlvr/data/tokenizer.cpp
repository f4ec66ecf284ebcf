#include "experiments/rlvr/data/tokenizer.h"

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;
const std::array<std::string, 3> kSpecial = {"<pad>", "<eos>", "<unk>"};
constexpr std::int64_t kUnknown = 2;

}  // namespace

Tokenizer::Tokenizer(std::vector<std::string> words) : words_(std::move(words)) {
  for (std::size_t i = 0; i < words_.size(); ++i) ids_[words_[i]] = static_cast<std::int64_t>(i);
}

Tokenizer Tokenizer::from_words(const std::vector<std::string>& words) {
  std::vector<std::string> all(kSpecial.begin(), kSpecial.end());
  all.insert(all.end(), words.begin(), words.end());
  return Tokenizer(std::move(all));
}

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const auto fail = [&](const std::string& why) -> UserError { return UserError(file.string() + ": " + why); };
  if (!json.is_object() || !json.contains("model") || !json["model"].is_object()) throw fail("not a tokenizer.json");
  const auto& model = json["model"];
  if (model.value("type", Json()) != "WordLevel")
    throw fail("model.type must be \"WordLevel\", got " + model.value("type", Json()).dump());
  if (!model.contains("vocab") || !model["vocab"].is_object()) throw fail("model.vocab must be an object");
  std::vector<std::string> words(model["vocab"].size());
  for (const auto& [word, id] : model["vocab"].items()) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
        id.get<std::int64_t>() >= static_cast<std::int64_t>(words.size()))
      throw fail("model.vocab: id " + id.dump() + " of \"" + word + "\" is not in 0.." +
                 std::to_string(words.size() - 1));
    auto& slot = words[id.get<std::size_t>()];
    if (!slot.empty()) throw fail("model.vocab: id " + id.dump() + " is given twice");
    slot = word;
  }
  for (std::size_t i = 0; i < kSpecial.size(); ++i)
    if (i >= words.size() || words[i] != kSpecial[i])
      throw fail("model.vocab: id " + std::to_string(i) + " must be " + kSpecial[i]);
  return Tokenizer(std::move(words));
}

void Tokenizer::save(const std::filesystem::path& file) const {
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
  write_file_atomic(file, json.dump(1) + "\n");
}

std::vector<std::int64_t> Tokenizer::encode(const std::string& text) const {
  std::istringstream in(text);
  std::vector<std::int64_t> out;
  for (std::string word; in >> word;) {
    const auto it = ids_.find(word);
    out.push_back(it == ids_.end() ? kUnknown : it->second);
  }
  return out;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
  std::string out;
  for (const auto id : ids) {
    if (id < static_cast<std::int64_t>(kSpecial.size()) || id >= size()) continue;
    if (!out.empty()) out += ' ';
    out += words_[static_cast<std::size_t>(id)];
  }
  return out;
}

}  // namespace pionbench::rlvr
