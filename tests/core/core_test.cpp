#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "common/hash.h"
#include "core/error.h"
#include "core/files.h"
#include "core/optimizer_docs.h"
#include "core/run_request.h"

namespace pionbench {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kNames = {"adamw", "muon", "pion", "frozen"};

template <typename Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const UserError& e) {
    return e.what();
  }
  return "(no error)";
}

// --- errors ---

TEST(EditDistance, CountsSlipsOfTheFinger) {
  EXPECT_EQ(edit_distance("muon", "muon"), 0u);
  EXPECT_EQ(edit_distance("moun", "muon"), 1u) << "a swap is one slip";
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, NamesALikelySlipAndNothingElse) {
  EXPECT_EQ(nearest("moun", kNames), "muon");
  EXPECT_EQ(nearest("adam", kNames), "adamw");
  EXPECT_EQ(nearest("shampoo", kNames), "");
  EXPECT_EQ(nearest("x", kNames), "") << "all of a short word is no slip";
  EXPECT_EQ(unknown_name("optimizer", "moun", kNames),
            "unknown optimizer \"moun\"; did you mean \"muon\"?  known: adamw, muon, pion, frozen");
}

// --- settings ---

SettingTable table() {
  SettingTable t;
  t.settings = {real_setting("lr", 1e-3, 0, 1, "learning rate"), int_setting("steps", 10, 1, 1000, "steps"),
                bool_setting("nesterov", true, ""), choice_setting("heads", "fused", {"fused", "per-head"}, ""),
                text_setting("note", "", "")};
  t.bundle_sets = {{"preset", "", "", {{"released", "", {{"lr", 0.5}, {"nesterov", false}}}}}};
  return t;
}

TEST(Settings, DefaultsThenBundleThenExplicitValues) {
  EXPECT_DOUBLE_EQ(get_real(table().resolve({}), "lr"), 1e-3);
  EXPECT_DOUBLE_EQ(get_real(table().resolve({{"preset", std::string("released")}}), "lr"), 0.5);
  const auto values = table().resolve({{"preset", std::string("released")}, {"lr", 0.25}});
  EXPECT_DOUBLE_EQ(get_real(values, "lr"), 0.25);
  EXPECT_FALSE(get_bool(values, "nesterov"));
  EXPECT_FALSE(values.contains("preset")) << "only what it expands to is stored";
}

TEST(Settings, IntegersAndRealsConvertOnlyWithoutLoss) {
  EXPECT_EQ(checked(table().settings[0], std::int64_t{1}), Value(1.0));
  EXPECT_EQ(checked(table().settings[1], 1e2), Value(std::int64_t{100}));
  EXPECT_THROW(checked(table().settings[1], 1.5), UserError);
  EXPECT_THROW(checked(table().settings[2], std::int64_t{1}), UserError);
}

TEST(Settings, AMistakeNamesWhatCameAndWhatIsAllowed) {
  EXPECT_THAT(message_of([] {
                table().resolve({{"lr", 2.0}});
              }),
              HasSubstr("setting \"lr\": got 2, allowed: real in [0, 1]"));
  EXPECT_THAT(message_of([] { table().resolve({{"lr", std::nan("")}}); }), HasSubstr("got nan"));
  EXPECT_THAT(message_of([] {
                table().resolve({{"heads", std::string("perhead")}});
              }),
              HasSubstr("did you mean \"per-head\"?"));
  EXPECT_THAT(message_of([] { table().resolve({{"rl", 1.0}}); }), HasSubstr("unknown setting \"rl\""));
  EXPECT_THAT(message_of([] {
                table().resolve({{"preset", std::string("release")}});
              }),
              HasSubstr("did you mean \"released\"?"));
}

TEST(Settings, RelationsAreCheckedOnResolvedValues) {
  const SettingTable t = {
      {int_setting("prompts", 16, 1, 100, ""), int_setting("parts", 0, 0, 100, ""), int_setting("used", 3, 1, 100, "")},
      {},
      {divides("parts", "prompts"), at_most("used", "prompts")}};
  const auto with = [&](Values values) { t.check_relations(t.resolve(values)); };
  EXPECT_NO_THROW(with({}));  // 0 of the first is off
  EXPECT_NO_THROW(with({{"parts", std::int64_t{8}}, {"used", std::int64_t{16}}}));
  EXPECT_THAT(message_of([&] {
                with({{"parts", std::int64_t{5}}});
              }),
              HasSubstr("settings parts, prompts: got 5 and 16; the first must divide the second"));
  EXPECT_THAT(message_of([&] {
                with({{"prompts", std::int64_t{2}}});
              }),
              HasSubstr("settings used, prompts: got 3 and 2; the first can be at most the second"));
}

TEST(Settings, ReadingAnUndeclaredSettingIsOurBug) {
  EXPECT_THROW(get_int(table().resolve({}), "lr"), std::logic_error);
  EXPECT_THROW(get_real(table().resolve({}), "momentum"), std::logic_error);
}

TEST(Settings, TextOfAValueReadsBackAsTheSameNumber) {
  for (const double x : {0.1, 1e-5, 3.16228e-05, 1.0 / 3, 1e300}) EXPECT_EQ(std::stod(to_text(x)), x);
  EXPECT_EQ(to_text(true), "true");
  EXPECT_EQ(to_text(std::int64_t{-7}), "-7");
}

// --- catalog and run request ---

Catalog catalog() {
  Catalog c;
  auto related = table();
  related.settings.push_back(int_setting("part", 2, 0, 8, ""));
  related.settings.push_back(int_setting("whole", 8, 1, 8, ""));
  related.relations = {divides("part", "whole"), at_most("part", "whole")};
  c.optimizers = {{"muon", "Muon", "W ← W − ηO", "Jordan 2024", 2, table(), "one buffer", "2mn"}};
  c.suites = {{"toy/base", "Base", "help", 1, false, "", true, "", table()},
              {"toy", "Toy", "help", 3, true, "evaluation/test/accuracy", false, "toy/base", related}};
  return c;
}

TEST(CatalogJson, SurvivesARoundTrip) {
  const Json json = to_json(catalog());
  const Catalog back = catalog_from_json(Json::parse(json.dump()));
  EXPECT_EQ(to_json(back), json);
  EXPECT_EQ(back.optimizer("muon").table.settings[0].default_value, Value(1e-3));
  EXPECT_EQ(back.suite("toy").prerequisite, "toy/base");
  EXPECT_FALSE(back.suite("toy").higher_is_better);
  EXPECT_THAT(message_of([&] {
                const auto& t = back.suite("toy").table;
                t.check_relations(t.resolve({{"part", std::int64_t{3}}}));
              }),
              HasSubstr("part, whole"));
}

TEST(CatalogJson, WholeRealsKeepTheirKind) {
  Catalog c = catalog();
  c.optimizers[0].table.settings[0].default_value = 1.0;
  const Catalog back = catalog_from_json(Json::parse(to_json(c).dump()));
  EXPECT_TRUE(std::holds_alternative<double>(back.optimizers[0].table.settings[0].default_value));
}

TEST(CatalogJson, UnknownNamesAreAnsweredWithTheNearest) {
  EXPECT_THAT(message_of([] { catalog().optimizer("moun"); }), HasSubstr("did you mean \"muon\"?"));
  EXPECT_THAT(message_of([] { catalog().suite("tony"); }), HasSubstr("unknown suite"));
  EXPECT_THAT(message_of([] { load_catalog("/nowhere/catalog.json"); }), HasSubstr("/nowhere/catalog.json"));
}

// --- the optimizers' page ---

TEST(OptimizerDocs, ShowsEachSettingAndThePresetsAsATableOfWhatTheyDifferIn) {
  OptimizerInfo info{"muon", "Muon", "M ← μM + G;  W ← W − ηO", "arXiv 1234.5678, v2; owner/name", 3, {}};
  info.state = "one buffer";
  info.table.settings = {real_setting("lr", 0.02, 0, 1e3, "learning rate"),
                         choice_setting("rule", "a|b", {"a|b", "c"}, "|M| < 1"),
                         bool_setting("nesterov", true, "look ahead")};
  info.table.bundle_sets = {{"preset",
                             "",
                             "whose code",
                             {{"one", "arXiv 1.2", {{"lr", 0.5}, {"nesterov", false}}},
                              {"two", "code", {{"nesterov", false}, {"rule", std::string("c")}}}}}};
  const auto page = optimizers_markdown(std::vector{info});
  EXPECT_THAT(page, HasSubstr("| [Muon](#muon) | `muon` | one, two |"));
  EXPECT_THAT(page, HasSubstr("Muon, version 3."));
  EXPECT_THAT(page, HasSubstr("```\nM ← μM + G\nW ← W − ηO\n```"));
  EXPECT_THAT(page, HasSubstr("| source | [arXiv 1234.5678](https://arxiv.org/abs/1234.5678), v2; owner/name |"));
  EXPECT_THAT(page, HasSubstr("| state | one buffer |"));
  EXPECT_THAT(page, testing::Not(HasSubstr("cost of a step"))) << "not declared";
  EXPECT_THAT(page, HasSubstr("| `lr` | `0.02` | real in [0, 1000] | learning rate |"));
  EXPECT_THAT(page, HasSubstr("one of a\\|b, c | \\|M\\| &lt; 1 |")) << "a bar would end the cell";
  EXPECT_THAT(page, HasSubstr("`preset`: whose code. All set `nesterov = false`."));
  EXPECT_THAT(page, HasSubstr("| `preset` | `lr` | `rule` | source |\n|---|---|---|---|\n"));
  EXPECT_THAT(page, HasSubstr("| `one` | 0.5 |  | [arXiv 1.2](https://arxiv.org/abs/1.2) |"));
  EXPECT_THAT(page, HasSubstr("| `two` |  | c | code |"));
}

TEST(RunRequestJson, SurvivesARoundTrip) {
  RunRequest request{"abc.1", std::string(64, 'a'), {}, {{"toy/base", "/out/runs/b.1/artifacts"}}, 2, 4};
  request.config.suite = "toy";
  request.config.settings = {{"steps", std::int64_t{5}}, {"lr", 1.0}};
  request.config.inputs = {{"toy/base", std::string(64, 'b')}};
  const Json json = Json::parse(to_json(request).dump());
  const auto back = run_request_from_json(json, "run.json");
  EXPECT_EQ(to_json(back), to_json(request));
  EXPECT_EQ(content_hash(to_json(back.config)), content_hash(to_json(request.config)));
}

TEST(RunRequestJson, AMalformedOneNamesTheFile) {
  EXPECT_THAT(message_of([] { run_request_from_json(Json::object(), "x/run.json"); }), HasSubstr("x/run.json"));
  EXPECT_THAT(message_of([] { run_request_from_json({{"schema", 2}}, "x/run.json"); }), HasSubstr("schema 1 expected"));
}

// --- hash ---

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4 examples, NIST CSRC
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(CanonicalJson, KeysAreSortedAndNumbersKeepTheirKind) {
  EXPECT_EQ(canonical(Json::parse(R"({"b": [1, 1.0, 1e-5], "a": {"d": null, "c": "ü\n"}})")),
            R"({"a":{"c":"ü\n","d":null},"b":[1,1.0,1e-05]})");
  EXPECT_NE(content_hash({{"x", 1}}), content_hash({{"x", 1.0}}));
  EXPECT_EQ(content_hash({{"x", 1}, {"y", 2}}), content_hash({{"y", 2}, {"x", 1}}));
}

TEST(CanonicalJson, RefusesWhatJsonCannotHold) {
  EXPECT_THROW(canonical({{"x", INFINITY}}), std::logic_error);
  EXPECT_THROW(canonical({{"x", std::nan("")}}), std::logic_error);
}

// --- files ---

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pionbench-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FilesTest, AnAtomicWriteMakesFoldersAndLeavesNothingElse) {
  const auto file = folder_ / "a" / "b.txt";
  write_file_atomic(file, "one");
  write_file_atomic(file, "two");
  EXPECT_EQ(read_file(file), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "a"), {}), 1);
}

TEST_F(FilesTest, AWriteThatDoesNotFitLeavesTheOldFile) {
  const auto file = folder_ / "kept.txt";
  write_file_atomic(file, "old");
  // In a child, as the limit holds for the whole process. The kernel answers a write beyond it like a full disk.
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      write_file_atomic(file, std::string(100000, 'x'));
    } catch (const UserError& e) {
      code = e.exit_code();
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), kInternal);
  EXPECT_EQ(read_file(file), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "no half-written file stays";
}

TEST_F(FilesTest, ErrorsNameThePathAndTheReason) {
  EXPECT_THAT(message_of([&] { read_file(folder_ / "missing"); }), HasSubstr("missing: No such file or directory"));
  std::ofstream(folder_ / "file") << "";
  EXPECT_THAT(message_of([&] { write_file_atomic(folder_ / "file" / "x", ""); }), HasSubstr("Not a directory"));
  EXPECT_THAT(message_of([] { LineWriter("/dev/full").write("x"); }), HasSubstr("No space left on device"));
}

TEST_F(FilesTest, LinesAreAppended) {
  const auto file = folder_ / "lines";
  LineWriter(file).write("a");
  LineWriter(file).write("b", /*durable=*/true);
  EXPECT_EQ(read_file(file), "a\nb\n");
}

TEST(Clock, UtcIsIso8601WithMilliseconds) {
  EXPECT_THAT(utc_now(), testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
}

}  // namespace
}  // namespace pionbench
