#include "experiments/rlvr/data/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/files.h"
#include "experiments/rlvr/data/arith.h"
#include "experiments/rlvr/data/split.h"
#include "tests/rlvr_data/fuzz_text.h"
#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

std::vector<std::int64_t> numbers(const std::string& row) {
  std::istringstream in(row);
  std::vector<std::int64_t> out;
  for (std::int64_t id; in >> id;) out.push_back(id);
  return out;
}

const GeneratedData& data() {
  static const GeneratedData made = generate_arith(0, {500, 1, 1});
  return made;
}

TEST(WordLevelTokenizer, CoversEveryWordOfTheProblemsAndRoundTrips) {
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  EXPECT_EQ(tokenizer.size(), 88);
  for (std::size_t i = 0; i < 500; ++i)
    for (const auto& text : {data().train[i].question, data().demonstrations[i].completion})
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(WordLevelTokenizer, SavedAndLoadedItGivesTheSameIds) {
  const auto file = scratch("tokenizer.json");
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  tokenizer.save(file);
  EXPECT_EQ(Tokenizer::load(file).encode("Tom has 12 apples . ?  unheard"),
            tokenizer.encode("Tom has 12 apples . ? unheard"));
}

TEST(WordLevelTokenizer, PythonsTokenizersReadsTheSameFileAndAgrees) {
  const auto file = scratch("parity-tokenizer.json"), texts = scratch("texts.txt"), ids = scratch("ids.txt");
  const auto tokenizer = Tokenizer::from_words(arith_vocabulary());
  tokenizer.save(file);
  std::string lines;
  for (std::size_t i = 0; i < 300; ++i)
    lines += data().train[i].question + " zzz " + data().demonstrations[i].completion + "\n";
  write_file_atomic(texts, lines);
  const auto code = run_tool("encode_texts.py", file.string() + " " + texts.string() + " " + ids.string());
  if (!code) GTEST_SKIP() << "no Python with the package tokenizers at PIONBENCH_PYTHON; ci/setup makes one";
  ASSERT_EQ(*code, 0);
  std::ifstream in(ids);
  std::istringstream text_lines(lines);
  int compared = 0;
  for (std::string text, row; std::getline(text_lines, text) && std::getline(in, row); ++compared)
    EXPECT_EQ(tokenizer.encode(text), numbers(row)) << text;
  EXPECT_EQ(compared, 300);
}

TEST(WordLevelTokenizer, MalformedFilesAreNamed) {
  const auto file = scratch("bad-tokenizer.json");
  write_file_atomic(file, "[]");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("not a tokenizer.json"));
  write_file_atomic(file, R"({"model":{"type":"Unigram"}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }),
              HasSubstr("model.type must be \"BPE\" or \"WordLevel\", got \"Unigram\""));
  write_file_atomic(file, R"({"model":{"type":"WordLevel","vocab":{"<pad>":0,"<eos>":1,"<unk>":9}}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("id 9 of \"<unk>\" is not in 0..2"));
  write_file_atomic(file, R"({"model":{"type":"WordLevel","vocab":{"<pad>":0,"x":0}}})");
  EXPECT_THAT(message([&] { Tokenizer::load(file); }), HasSubstr("given twice"));
}

/// A byte-level vocabulary by hand: all bytes, then merges "h e", "l l", "he ll", "hell o", "Ġ w".
Json small_bpe() {
  Json vocab = Json::object();
  int id = 0, extra = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    std::string token;
    utf8::append(token, static_cast<char32_t>(printable ? b : extra++));
    vocab[token] = id++;
  }
  for (const char* token : {"he", "ll", "hell", "hello", "Ġw"}) vocab[token] = id++;
  return {{"added_tokens",
           {{{"id", 261}, {"content", "<|endoftext|>"}, {"special", true}, {"normalized", false}},
            {{"id", 262}, {"content", "<think>"}, {"special", false}, {"normalized", false}}}},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"}, {"pattern", {{"Regex", kQwenPattern}}}, {"behavior", "Isolated"}, {"invert", false}},
              {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "hell o", "Ġ w"}}}}};
}

Tokenizer load(const Json& json) {
  const auto file = scratch("tokenizer.json");
  write_file_atomic(file, json.dump());
  return Tokenizer::load(file);
}

#define NEEDS_UTF8PROC() \
  if (!has_utf8proc()) GTEST_SKIP() << "built without utf8proc"

TEST(BpeTokenizer, MergesByRankAndCutsAtAddedTokens) {
  NEEDS_UTF8PROC();
  const auto tokenizer = load(small_bpe());
  EXPECT_EQ(tokenizer.size(), 263);
  EXPECT_THAT(tokenizer.encode("hello<|endoftext|>hello"), ElementsAre(259, 261, 259));
  EXPECT_THAT(tokenizer.encode("hell w"), ElementsAre(258, 260));
  EXPECT_EQ(tokenizer.decode({259, 261, 262, 260, 999, -4}), "hello<think> w");
  EXPECT_THAT(tokenizer.eos_ids(), ElementsAre(261));
  EXPECT_EQ(tokenizer.pad(), 261);
  EXPECT_TRUE(tokenizer.encode("").empty());
}

TEST(BpeTokenizer, BothSpellingsOfMergesGiveTheSameIds) {
  NEEDS_UTF8PROC();
  auto pairs = small_bpe();
  pairs["model"]["merges"] = Json::parse(R"([["h","e"],["l","l"],["he","ll"],["hell","o"],["Ġ","w"]])");
  EXPECT_EQ(load(pairs).encode("hello world, hell"), load(small_bpe()).encode("hello world, hell"));
}

TEST(BpeTokenizer, NormalisesToFormC) {
  NEEDS_UTF8PROC();
  const auto tokenizer = load(small_bpe());
  EXPECT_EQ(tokenizer.encode("e\u0301"), tokenizer.encode("é"));
  EXPECT_EQ(tokenizer.encode("\u1112\u1161\u11ab"), tokenizer.encode("한"));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("e\u0301\u212b\xff")), "éÅ\uFFFD");
  // The code point before the trailing consonants composes with nothing; utf8proc 2.8 swallows it.
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("\u1101\u1169\u11a7\u11a8")), "꼬\u11a7\u11a8");
}

TEST(BpeTokenizer, LongPiecesAgreeWithShortOnesAndFinish) {
  NEEDS_UTF8PROC();
  const auto tokenizer = load(small_bpe());
  std::string text;
  for (int i = 0; i < 20; ++i) text += "hello";
  EXPECT_EQ(tokenizer.encode(text), std::vector<std::int64_t>(20, 259));
  // A megabyte without a cut: quadratic merging would not come back.
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, 'l')).size(), 1u << 19);
}

TEST(BpeTokenizer, ReadsItsEndTokensFromTheFilesBeside) {
  NEEDS_UTF8PROC();
  const auto folder = scratch("beside");
  const auto with = [&](const char* name, const char* text) {
    fs::remove_all(folder);
    write_file_atomic(folder / "tokenizer.json", small_bpe().dump());
    write_file_atomic(folder / name, text);
    return Tokenizer::load(folder / "tokenizer.json");
  };
  EXPECT_THAT(with("generation_config.json", R"({"eos_token_id":[7,261]})").eos_ids(), ElementsAre(7, 261));
  EXPECT_THAT(with("generation_config.json", R"({"eos_token_id":9})").eos_ids(), ElementsAre(9));
  EXPECT_THAT(with("tokenizer_config.json", R"({"eos_token":{"content":"<think>"},"pad_token":"!"})").eos_ids(),
              ElementsAre(262));
  EXPECT_THAT(message([&] { with("generation_config.json", R"({"eos_token_id":"x"})"); }),
              HasSubstr("generation_config.json: eos_token_id must be token ids, got \"x\""));
  EXPECT_THAT(message([&] { with("tokenizer_config.json", R"({"eos_token":"nope"})"); }),
              HasSubstr("eos_token \"nope\" is not in the vocabulary"));
}

TEST(BpeTokenizer, ItsMalformedAndForeignFilesAreNamed) {
  NEEDS_UTF8PROC();
  const auto with = [&](const char* pointer, const Json& value) {
    auto json = small_bpe();
    json[Json::json_pointer(pointer)] = value;
    return message([&] { load(json); });
  };
  EXPECT_THAT(with("/model/vocab/he", 1), HasSubstr("tokenizer.json: model.vocab: id 1 is given twice"));
  EXPECT_THAT(with("/model/vocab/he", -1), HasSubstr("model.vocab: id -1 of \"he\" is not in 0.."));
  EXPECT_THAT(with("/model/vocab/he", 1e18), HasSubstr("of \"he\" is not in 0.."));
  EXPECT_THAT(with("/model/vocab", Json::array()), HasSubstr("model.vocab must be an object"));
  EXPECT_THAT(with("/model/merges/1", "l"), HasSubstr("model.merges[1] must be two tokens with a blank between"));
  EXPECT_THAT(with("/model/merges/1", {"l", 3}), HasSubstr("model.merges[1] must be \"a b\" or"));
  EXPECT_THAT(with("/model/merges/1", "q q"), HasSubstr("model.merges[1] needs \"qq\", which model.vocab lacks"));
  EXPECT_THAT(with("/model/byte_fallback", true), HasSubstr("model.byte_fallback is true"));
  EXPECT_THAT(with("/normalizer/type", "NFKC"), HasSubstr("normalizer \"NFKC\" is not supported; NFC is"));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/0/behavior", "Removed"), HasSubstr("behavior \"Removed\""));
  EXPECT_THAT(with("/pre_tokenizer", nullptr), HasSubstr("must end in ByteLevel"));
  EXPECT_THAT(with("/post_processor", {{"type", "TemplateProcessing"}}), HasSubstr("\"TemplateProcessing\" is not"));
  EXPECT_THAT(with("/decoder/type", "WordPiece"), HasSubstr("decoder \"WordPiece\" is not supported"));
  EXPECT_THAT(with("/added_tokens/0/lstrip", true), HasSubstr("lstrip is not supported"));
  EXPECT_THAT(with("/added_tokens/0/id", 3), HasSubstr("its id is another token's"));
  EXPECT_THAT(with("/added_tokens/0/content", ""), HasSubstr("bad id or empty content"));
  EXPECT_THAT(with("/truncation", {{"max_length", 5}}), HasSubstr("truncation must be null"));
  EXPECT_THAT(with("/pre_tokenizer/pretokenizers/0/pattern/Regex", "(a"),
              HasSubstr(has_pcre2() ? "does not compile" : "this build lacks PCRE2"));
}

TEST(BpeTokenizer, AgreesWithPythonsTokenizersOnFuzzedTexts) {
  NEEDS_UTF8PROC();
  constexpr int kTexts = 26000;
  const auto folder = scratch("parity");
  fs::create_directories(folder);
  TextFuzzer fuzzer(20260101);
  std::vector<std::string> texts;
  std::string lines, corpus;
  for (int i = 0; i < kTexts; ++i) {
    texts.push_back(fuzzer.next());
    lines += hex(texts.back()) + "\n";
    if (i < 6000) corpus += texts.back() + "\n";
  }
  // Pieces longer than any cut-off between merge algorithms.
  for (int i = 0; i < 50; ++i) {
    texts.emplace_back();
    for (int j = 0; j < 40; ++j) texts.back() += i % 2 ? "answerthe" : "xyzzy안녕";
    lines += hex(texts.back()) + "\n";
  }
  write_file_atomic(folder / "corpus.txt", corpus);
  write_file_atomic(folder / "texts.txt", lines);
  const auto trained =
      run_tool("bpe_reference.py", "train " + (folder / "corpus.txt").string() + " 3000 " + folder.string());
  if (!trained) GTEST_SKIP() << "no Python with the package tokenizers at PIONBENCH_PYTHON; ci/setup makes one";
  ASSERT_EQ(*trained, 0);
  for (const std::string name : {"tokenizer.json", "spaced.json", "gpt2.json"}) {
    if (name == "gpt2.json" && !has_pcre2()) continue;
    const auto out = folder / (name + ".ids");
    ASSERT_EQ(run_tool("bpe_reference.py", "encode " + (folder / name).string() + " " +
                                               (folder / "texts.txt").string() + " " + out.string()),
              0);
    const auto tokenizer = Tokenizer::load(folder / name);
    std::ifstream in(out);
    int compared = 0, wrong = 0;
    std::size_t i = 0;
    for (std::string row; std::getline(in, row); ++i) {
      // PCRE2's \s includes the Mongolian vowel separator, Oniguruma's does not (split.h).
      if (row == "-" || (name == "gpt2.json" && texts[i].find("\xE1\xA0\x8E") != std::string::npos)) continue;
      ++compared;
      const auto tab = row.find('\t');
      const auto expected = numbers(row.substr(0, tab));
      const auto ids = tokenizer.encode(texts[i]);
      const bool same = ids == expected && hex(tokenizer.decode(ids)) == row.substr(tab + 1);
      wrong += !same;
      if (!same && wrong <= 3) {
        EXPECT_EQ(ids, expected) << name << " on " << hex(texts[i]);
      }
    }
    EXPECT_EQ(i, texts.size());
    EXPECT_GE(compared, 20000) << name;
    EXPECT_EQ(wrong, 0) << name;
  }
}

TEST(QwenSplitter, CutsWherePcre2DoesOnFuzzedTexts) {
  NEEDS_UTF8PROC();
  if (!has_pcre2()) GTEST_SKIP() << "built without PCRE2";
  const auto ours = make_splitter(std::string(kQwenPattern), "test"),
             theirs = make_pcre2_splitter(std::string(kQwenPattern), "test");
  TextFuzzer fuzzer(7);
  int compared = 0;
  for (int i = 0; i < 40000; ++i) {
    const auto text = utf8::repaired(fuzzer.next());
    // See split.h: PCRE2's \s includes the Mongolian vowel separator.
    if (text.find("\xE1\xA0\x8E") != std::string::npos) continue;
    ++compared;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = ours->piece_end(text, at);
      ASSERT_EQ(end, theirs->piece_end(text, at)) << hex(text) << " at " << at;
      at = end;
    }
  }
  EXPECT_GT(compared, 30000);
}

}  // namespace
}  // namespace pionbench::rlvr
