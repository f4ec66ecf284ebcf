#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "tests/store/spool_tree.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;
using ::testing::HasSubstr;

constexpr int kNoJsonSchema = 3;  // of validate_events.py

struct Verdict {
  int code = -1;
  std::string faults;
};

class EventSchema : public ::testing::Test {
 protected:
  void SetUp() override {
    const char *home = std::getenv("PIONBENCH_HOME"), *python = std::getenv("PIONBENCH_PYTHON");
    if (!home || !python || !std::filesystem::exists(python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
    home_ = home;
    python_ = python;
    if (validate("").code == kNoJsonSchema) GTEST_SKIP() << "Python has no jsonschema";
  }

  Verdict validate(const std::string& text) const {
    std::ofstream(file_, std::ios::binary) << text;
    const std::string command = "'" + python_ + "' -B '" + (home_ / "tests/tools/validate_events.py").string() + "' '" +
                                file_.string() + "' 2>&1";
    Verdict verdict;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) return verdict;
    for (int c; (c = std::fgetc(pipe)) != EOF;) verdict.faults += static_cast<char>(c);
    verdict.code = WEXITSTATUS(::pclose(pipe));
    return verdict;
  }

  /// The lines of the example in docs/event-protocol.md.
  std::vector<std::string> sample() const {
    std::istringstream document(read_file(home_ / "docs/event-protocol.md"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(document, line);)
      if (line.starts_with("{\"seq\"")) lines.push_back(line);
    return lines;
  }

  static std::string text_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
  }

  std::filesystem::path home_;
  std::string python_;
  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "events.jsonl";
};

TEST_F(EventSchema, TheDocumentsExampleIsSound) {
  ASSERT_GE(sample().size(), 6u);
  const auto verdict = validate(text_of(sample()));
  EXPECT_EQ(verdict.code, 0) << verdict.faults;
}

TEST_F(EventSchema, EveryTypeOfEventIsSound) {
  RunSpool run(folder_.path(), config(0));
  run.start().phase(0, "setup", 1.5);
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) run.event(random_event(random));
  run.event({{"type", "progress"}, {"step", 2}, {"steps", 40}}).finish(2, "diverged", "NaN");
  const auto verdict = validate(read_file(run.events()));
  EXPECT_EQ(verdict.code, 0) << verdict.faults;
}

TEST_F(EventSchema, ChangedLinesAreRefused) {
  struct Change {
    std::size_t line;
    std::string from, to, fault;
  };
  const std::vector<Change> changes = {
      {0, "\"schema\":1", "\"schema\":2", "schema"},
      {0, "\"device\":\"cpu\"", "\"device\":1", "environment.device"},
      {0, "\"attempt\":1,", "", "'attempt' is a required property"},
      {1, "\"setup\"", "\"warmup\"", "name"},
      {1, "\"seconds\":0.8", "\"seconds\":-0.8", "seconds"},
      {2, "0.39", "\"0.39\"", "values.greedy"},
      {2, "0.39", "NaN", "not JSON"},
      {2, "\"split\":\"test\",", "", "'split' is a required property"},
      {3, "\"step\":1", "\"step\":-1", "step"},
      {3, "\"seq\":3", "\"seq\":4", "seq must be 3, got 4"},
      {3, "\"t\":2.1,", "", "'t' is a required property"},
      {3, "\"type\":\"metric\"", "\"type\":\"run_finished\"", "'status' is a required property"},
      {5, "\"done\"", "\"failed\"", "status"},
      {5, "}", "", "not JSON"},
  };
  // One file with one change for each; the faults must name the changed line.
  for (const auto& change : changes) {
    auto lines = sample();
    auto& line = lines.at(change.line);
    const auto at = line.find(change.from);
    ASSERT_NE(at, std::string::npos) << change.from;
    line.replace(at, change.from.size(), change.to);
    const auto verdict = validate(text_of(lines));
    EXPECT_EQ(verdict.code, 1) << line;
    EXPECT_THAT(verdict.faults, HasSubstr("events.jsonl:" + std::to_string(change.line + 1) + ": ")) << line;
    EXPECT_THAT(verdict.faults, HasSubstr(change.fault)) << line;
  }
}

TEST_F(EventSchema, ATornLastLineIsAFault) {
  const auto text = text_of(sample());
  EXPECT_THAT(validate(text.substr(0, text.size() - 5)).faults, HasSubstr("the last line has no end"));
}

}  // namespace
}  // namespace pionbench
