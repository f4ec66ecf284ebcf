/// `bench` and `gate` as a user calls them, on a benchmark program whose times are drawn (fake_benchmark.py).

#include <gmock/gmock.h>

#include <regex>

#include "core/error.h"
#include "harness/bench/google_benchmark.h"
#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using Document = nlohmann::json;
using ::testing::HasSubstr;

class Bench : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    program_ = (home() / "tests/verbs/fake_benchmark.py").string();
  }
  /// The text of a source: the program with the file that counts its calls.
  std::string source(const std::string& state = "calls", const std::string& plant = "") const {
    return "'" + program_ + " " + (folder_ / state).string() + " " + plant + "'";
  }
  void measure_history(int n) const {
    for (int i = 0; i < n; ++i)
      ASSERT_EQ(pionbench("bench " + source("history") + " --quiet --rounds 3 --revision r" + std::to_string(i)).code,
                0);
  }
  Document gate(const std::string& arguments, int code) const {
    const auto result = pionbench("gate --quiet --json " + arguments);
    EXPECT_EQ(result.code, code) << result.output << result.errors;
    return Document::parse(result.output, nullptr, false);
  }
  static Document series_of(const Document& answer, const std::string& name) {
    for (const auto& series : answer["series"])
      if (series["name"] == name) return series;
    return {};
  }

  fs::path newest_sitting() const {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(folder_ / "out/benchmarks"))
      newest = std::max(newest, entry.path());
    return newest;
  }

  std::string program_;
};

TEST_F(Bench, KeepsOneSampleForEachProcessAndTheStoreCanBeRebuilt) {
  const auto answer = json("bench " + source() + " --rounds 4 --repetitions 3 --revision abc");
  EXPECT_EQ(answer["revision"], "abc");
  const auto pion = series_of(answer, "step/pion:real_time");
  EXPECT_EQ(pion["samples"].size(), 4u);
  EXPECT_EQ(pion["unit"], "us");
  EXPECT_NEAR(pion["median"].get<double>(), 400, 8);
  EXPECT_EQ(series_of(answer, "step/pion:error")["samples"].size(), 4u);
  EXPECT_EQ(slurp(folder_ / "calls"), "4");
  EXPECT_EQ(pionbench("store verify").code, 0);
  fs::remove(folder_ / "out/store.sqlite");
  EXPECT_EQ(pionbench("store rebuild").code, 0);
  EXPECT_EQ(pionbench("store verify").code, 0);
}

TEST_F(Bench, TakesInAFileMeasuredElsewhereUnderItsOwnMachine) {
  const auto result = shell(program_ + " calls --benchmark_out=there.json --benchmark_repetitions=5");
  ASSERT_EQ(result.code, 0) << result.errors;
  const auto there = json("bench there.json --revision abc");
  EXPECT_EQ(series_of(there, "step/pion:real_time")["samples"].size(), 5u);
  const auto here = json("bench " + source() + " --rounds 1 --revision abc");
  EXPECT_NE(there["fingerprint"], here["fingerprint"]) << "unlike machines must not share a history";
  EXPECT_EQ(there["fingerprint"], json("bench there.json --revision abd")["fingerprint"]);
  EXPECT_NE(there["fingerprint"], json("bench there.json --machine node7")["fingerprint"]);
}

TEST_F(Bench, ThreadsReachTheProgramAndMakeAMachineOfTheirOwn) {
  write("program", "#!/bin/sh\necho $OMP_NUM_THREADS $MKL_NUM_THREADS > " + (folder_ / "threads").string() + "\nexec " +
                       program_ + " " + (folder_ / "calls").string() + " \"$@\"\n");
  fs::permissions(folder_ / "program", fs::perms::owner_all);
  const auto one = json("bench ./program --rounds 1 --threads 1");
  EXPECT_EQ(slurp(folder_ / "threads"), "1 1\n");
  EXPECT_EQ(one["environment"]["threads"], "1");
  EXPECT_NE(one["fingerprint"], json("bench ./program --rounds 1")["fingerprint"]);
}

TEST_F(Bench, QuickKeepsNothing) {
  EXPECT_EQ(pionbench("bench " + source() + " --rounds 1 --quick").code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Bench, MistakesGetOneMessageAndLeaveNothing) {
  write("empty.json", "{}");
  write("aggregates.json", R"({"context":{},"benchmarks":[{"name":"a","run_type":"aggregate","cpu_time":1}]})");
  write("broken.json", "{");
  const std::vector<std::tuple<std::string, int, std::string>> cases = {
      {"bench absent", 2, "nothing to measure at"},
      {"bench empty.json", 64, "neither Google Benchmark's JSON"},
      {"bench aggregates.json", 64, "--benchmark_report_aggregates_only"},
      {"bench broken.json", 64, "not valid JSON"},
      {"bench 'run:true'", 2, "{out}"},
      {"bench 'run:true {out}'", 1, "left nothing"},
      {"bench " + source("calls", "fail"), 1, "a benchmark of nothing"},
      {"gate", 2, "nothing to judge"},
      {"gate --head " + source() + " --floor x", 2, "no rule for metrics"},
  };
  for (const auto& [arguments, code, says] : cases) {
    const auto result = pionbench(arguments);
    EXPECT_EQ(result.code, code) << arguments << result.errors;
    EXPECT_THAT(result.errors, HasSubstr(says)) << arguments;
    EXPECT_FALSE(fs::exists(folder_ / "out/benchmarks")) << arguments;
  }
}

TEST_F(Bench, GateFindsA5PercentSlowdownAndWritesReports) {
  measure_history(8);
  const auto answer = gate("--head " + source("head", "slower=0.05") + " --baseline " + source("base") +
                               " --revision bad --junit junit.xml --markdown summary.md",
                           1);
  EXPECT_EQ(answer["schema"], 1);
  EXPECT_EQ(answer["verdict"], "REGRESSED");
  const auto pion = series_of(answer, "step/pion:real_time");
  EXPECT_EQ(pion["verdict"], "REGRESSED");
  EXPECT_NEAR(pion["change"].get<double>(), 0.05, 0.015);
  EXPECT_EQ(series_of(answer, "step/muon:real_time")["verdict"], "PASS");
  EXPECT_THAT(slurp(folder_ / "junit.xml"), HasSubstr("<failure type=\"REGRESSED\""));
  EXPECT_THAT(slurp(folder_ / "summary.md"), HasSubstr("step/pion:real_time"));
  // The verdict stays with the sitting, and the dashboard shows it.
  EXPECT_EQ(series_of(Document::parse(slurp(newest_sitting())), "step/pion:real_time")["verdict"], "REGRESSED");
  const auto page = pionbench("dashboard --json -o page.html");
  ASSERT_EQ(page.code, 0) << page.errors;
  EXPECT_EQ(Document::parse(page.output)["to_look_at"], 1);
  // What regressed is no history for the next one.
  const auto again =
      gate("--head " + source("head", "slower=0.05") + " --baseline " + source("base") + " --revision bad2", 1);
  EXPECT_EQ(series_of(again, "step/pion:real_time")["history"], 8);
}

TEST_F(Bench, GatePassesUnchangedCode) {
  measure_history(8);
  for (int i = 0; i < 4; ++i) {
    const auto answer = gate("--head " + source("head") + " --baseline " + source("base") + " --revision ok", 0);
    EXPECT_EQ(answer["verdict"], "PASS") << answer;
  }
}

TEST_F(Bench, GateFindsOneWrongCoefficient) {
  measure_history(6);
  const auto answer =
      gate("--head " + source("head", "coefficient=-4.7570") + " --baseline " + source("base") + " --revision bad", 1);
  EXPECT_EQ(series_of(answer, "step/pion:error")["verdict"], "REGRESSED");
  EXPECT_EQ(series_of(answer, "step/pion:value_at_1")["verdict"], "REGRESSED");
  EXPECT_EQ(series_of(answer, "step/pion:real_time")["verdict"], "PASS");
}

TEST_F(Bench, GateWithoutABaselineIsUndecidedAboutASuspect) {
  measure_history(8);
  const auto answer = gate("--head " + source("head", "slower=0.2") + " --revision bad", 3);
  EXPECT_EQ(answer["verdict"], "UNKNOWN");
}

TEST_F(Bench, GateJudgesTheNewestSittingWhereNoHeadIsNamed) {
  measure_history(8);
  EXPECT_EQ(gate("", 0)["revision"], "r7");
}

TEST_F(Bench, AnAcceptedChangeBecomesTheNewLevel) {
  measure_history(8);
  EXPECT_EQ(gate("--head " + source("head", "slower=0.2") + " --revision meant --accept", 0)["accepted"], true);
  const auto answer = gate(
      "--head " + source("head", "slower=0.2") + " --baseline " + source("base", "slower=0.2") + " --revision next", 0);
  EXPECT_EQ(series_of(answer, "step/pion:real_time")["history"], 1);
}

TEST_F(Bench, NoRecordJudgesAndKeepsNothing) {
  measure_history(6);
  const auto count = [&] {
    return std::distance(fs::directory_iterator(folder_ / "out/benchmarks"), fs::directory_iterator());
  };
  const auto before = count();
  gate("--head " + source("head") + " --baseline " + source("base") + " --no-record", 0);
  EXPECT_EQ(count(), before);
}

TEST_F(Bench, GateComparesStoredFiles) {
  for (const auto& [file, plant] : {std::pair{"head.json", "slower=0.3"}, std::pair{"base.json", ""}})
    ASSERT_EQ(shell(program_ + " calls " + plant + " --benchmark_out=" + file + " --benchmark_repetitions=9").code, 0);
  const auto answer = gate("--head head.json --baseline base.json --revision bad", 1);
  EXPECT_EQ(series_of(answer, "step/pion:real_time")["verdict"], "REGRESSED");
}

TEST(BenchmarkFilter, PicksTheNamedBenchmarksAndEscapesThem) {
  const std::regex filter(benchmark_filter({"map/f(x)/1:real_time", "map/f(x)/1:error", "step/pion:cpu_time"}),
                          std::regex::extended);
  EXPECT_TRUE(std::regex_match("map/f(x)/1/real_time", filter));
  EXPECT_TRUE(std::regex_match("step/pion", filter));
  EXPECT_FALSE(std::regex_match("step/pion/per-head", filter));
  EXPECT_FALSE(std::regex_match("map/fx/1", filter));
}

TEST(BenchmarkFile, RefusesErrorsAndNumbersThatAreNone) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      benchmark_file_from_json(Document::parse(text), "f.json");
    } catch (const UserError& error) {
      return error.what();
    }
    return "(no error)";
  };
  EXPECT_THAT(message(R"({"context":{},"benchmarks":[{"name":"a","error_occurred":true,"error_message":"no GPU"}]})"),
              HasSubstr("a failed: no GPU"));
  EXPECT_THAT(message(R"({"context":{},"benchmarks":[{"name":"a","cpu_time":"1"}]})"), HasSubstr("not a number"));
  EXPECT_THAT(message(R"({"context":{},"benchmarks":[{"name":"a"}]})"), HasSubstr("not what Google Benchmark writes"));
  EXPECT_THAT(message(R"({"series":[{"name":"a","samples":[null]}]})"), HasSubstr("not a number"));
  EXPECT_EQ(message(R"({"series":[{"name":"a","samples":[1, 2.5]}]})"), "(no error)");
}

}  // namespace
}  // namespace pionbench::integration
