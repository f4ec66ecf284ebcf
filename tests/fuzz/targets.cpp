#include "tests/fuzz/targets.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/error.h"
#include "experiments/rlvr/data/byte_level_bpe.h"
#include "experiments/rlvr/data/problem.h"
#include "experiments/rlvr/data/reward.h"
#include "experiments/rlvr/data/safetensors_header.h"
#include "experiments/rlvr/data/utf8.h"

namespace pionbench::fuzz {
namespace {

using namespace rlvr;

void check(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

void safetensors(std::string_view bytes) {
  try {
    for (const auto& [name, entry] : parse_safetensors_header(bytes, "file")) {
      check(entry.begin <= entry.end && entry.end <= bytes.size(), "an entry reaches beyond the file");
      std::uint64_t count = 1;
      for (const auto n : entry.shape) {
        check(n >= 0, "a negative size");
        count *= static_cast<std::uint64_t>(n);
      }
      check(count <= entry.end - entry.begin, "a shape larger than its bytes");
    }
  } catch (const UserError&) {
  }
  try {
    for (const auto& [tensor, shard] : parse_shard_index(bytes, "file"))
      check(shard.find('/') == std::string::npos, "a shard elsewhere");
  } catch (const UserError&) {
  }
}

void tokenizer(std::string_view bytes) {
  try {
    const auto json = nlohmann::json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("model") || !json["model"].is_object()) return;
    const ByteLevelBpe bpe(json, "file");
    for (const std::string_view text : {std::string_view("hello wörld 12\n\n x\xff"), bytes.substr(0, 200)}) {
      std::vector<std::int64_t> ids;
      bpe.encode(text, ids);
      for (const auto id : ids) check(id >= 0 && id < bpe.size(), "an id beyond the vocabulary");
      check(utf8::is_valid(bpe.decode(ids, true)), "broken UTF-8 comes out");
    }
  } catch (const UserError&) {
  }
}

void problems(std::string_view bytes) {
  try {
    for (const auto& problem : parse_problems(bytes, "file")) {
      check(!problem.question.empty() || !problem.label.empty() || !problem.answer.empty(), "an empty problem");
      check(problem.level >= 0 && problem.level <= 5, "a level out of range");
    }
  } catch (const UserError&) {
  }
}

void grade_all(std::string_view bytes) {
  const auto half = bytes.size() / 2;
  for (const auto& grader : graders()) {
    const double reward = grader.grade(bytes.substr(0, half), bytes.substr(half));
    check(reward == 0 || reward == 1, "a reward that is neither 0 nor 1");
  }
  strict_reward(bytes.substr(0, half), bytes.substr(half), true);
}

std::string with_length(const std::string& header, const std::string& data) {
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 255);
  return out + header + data;
}

std::string small_tokenizer() {
  nlohmann::json vocab = nlohmann::json::object();
  int id = 0;
  for (const char* token : {"h", "e", "l", "o", "Ġ", "w", "r", "d", "Ã", "¶", "Ċ", "1", "2", "he", "ll", "hell"})
    vocab[token] = id++;
  return nlohmann::json{
      {"added_tokens", nlohmann::json::parse(R"([{"id":16,"content":"<|x|>","special":true,"normalized":false}])")},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", kQwenPattern}}}, {"behavior", "Isolated"}, {"invert", false}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll"}}}}}
      .dump();
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> all = {
      {"safetensors",
       safetensors,
       {with_length(
            R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}})",
            "0123456789"),
        R"({"weight_map":{"a":"one.safetensors"}})"},
       {"\"dtype\"", "\"shape\"", "\"data_offsets\"", "F32", "BOOL", "[0,0]", "18446744073709551615", "__metadata__",
        "-1", "1e9", "[[[["}},
      {"tokenizer",
       tokenizer,
       {small_tokenizer()},
       {"\"merges\"", "\"vocab\"", "\"added_tokens\"", "null", "true", "{}", "[]", "\"content\"", "\"id\"", "4194303",
        "\"ignore_merges\":true", "\"type\"", "\"ByteLevel\"", "\"use_regex\"", "\"Regex\"", "(a|b)*"}},
      {"problems",
       problems,
       {"{\"question\":\"q\",\"answer\":\"#### 1\"}\n{\"question\":\"r\",\"answer\":\"x #### 2\"}\n",
        "{\"problem\":\"p\",\"solution\":\"\\\\boxed{1}\",\"level\":\"Level 3\",\"type\":\"Algebra\"}\n",
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"reward_model\":{\"ground_truth\":\"7\"}}\n"},
       {"####", "\\\\boxed{", "}", "\"question\"", "\"level\"", "\"Level 5\"", "null", "\n", "\\ud800", "[["}},
      {"graders",
       grade_all,
       {"so \\boxed{\\frac{1}{2}} #### 1,234 \\frac12", "\\boxed 5$ \\text{ cm} x=0.5"},
       {"\\boxed{", "\\boxed ", "\\fbox{", "####", "#### ", "\\frac", "\\sqrt", "\\text{ ", "/", "=", "{", "}", "\\\\",
        " ."}},
  };
  return all;
}

}  // namespace pionbench::fuzz
