/// What the dashboard is made of; tests/browser looks at the page itself.

#include <gmock/gmock.h>
#include <zlib.h>

#include <cmath>

#include "results/base64.h"
#include "results/dashboard/assets.h"
#include "results/dashboard/document.h"
#include "results/dashboard/pack.h"
#include "results/gate/gate.h"
#include "results/stats/aggregate.h"
#include "tests/results/synthetic.h"

namespace pionbench::dashboard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Sitting sitting(int number, std::vector<BenchmarkSeries> series, const std::string& machine = "m") {
  char name[16];
  std::snprintf(name, sizeof name, "s%06d", number);
  return {name, name, "r" + std::to_string(number), machine, {}, std::move(series)};
}

/// Steady levels with a tenth of a percent of noise that repeats itself.
std::vector<double> samples(double level, int number) {
  return {level * (1 + 0.001 * (number % 3)), level * (1 + 0.001 * ((number + 1) % 3)), level};
}

BenchmarkSeries judged(const std::string& name, double level, int number, const std::string& standing,
                       const std::string& verdict) {
  return {name, "us", samples(level, number), standing, verdict, "because of " + verdict};
}

TEST(History, TellsHowEachSeriesStandsMostUrgentFirst) {
  std::vector<Sitting> all;
  for (int i = 0; i < 20; ++i) {
    const bool is_last = i == 19;
    std::vector<BenchmarkSeries> series = {
        {"steady:real_time", "us", samples(10, i)},
        {"suspect:real_time", "us", samples(is_last ? 11 : 10, i)},
        {"faster:real_time", "us", samples(is_last ? 8 : 10, i)},
        {"old:real_time", "us", samples(is_last ? 12 : 10, i), is_last ? "changed" : "good"},
        judged("regressed:real_time", is_last ? 12 : 10, i, is_last ? "changed" : "good", "REGRESSED"),
        judged("open:real_time", is_last ? 11 : 10, i, is_last ? "changed" : "good", "UNKNOWN"),
        judged("meant:real_time", is_last ? 12 : 10, i, is_last ? "accepted" : "good", "REGRESSED"),
        judged("improved:real_time", is_last ? 5 : 10, i, is_last ? "accepted" : "good", "IMPROVED"),
        // Beyond the band, and a gate that measured it again found nothing.
        judged("cleared:real_time", is_last ? 11 : 10, i, "good", "PASS"),
        {"accepted:real_time", "us", samples(is_last ? 5 : 10, i), is_last ? "accepted" : "good"}};
    if (!is_last) series.push_back({"missing:real_time", "us", samples(10, i)});
    if (i > 16) series.push_back({"new:real_time", "us", samples(10, i)});
    all.push_back(sitting(i, series));
  }
  std::vector<std::string> order;
  for (const auto& s : histories(all)) order.push_back(s.name + std::string(" ") + to_string(s.standing));
  EXPECT_THAT(order,
              ElementsAre("regressed:real_time REGRESSED", "old:real_time UNKNOWN", "open:real_time UNKNOWN",
                          "missing:real_time MISSING", "suspect:real_time SUSPECT", "faster:real_time SUSPECT",
                          "improved:real_time IMPROVED", "meant:real_time ACCEPTED", "accepted:real_time ACCEPTED",
                          "new:real_time NEW", "cleared:real_time PASS", "steady:real_time PASS"));
}

TEST(History, GivesTheGatesReasonWhereAGateHasJudged) {
  std::vector<Sitting> all;
  for (int i = 0; i < 8; ++i) all.push_back(sitting(i, {judged("a:real_time", 10, i, "good", "PASS")}));
  EXPECT_EQ(histories(all).at(0).why, "because of PASS");
  EXPECT_EQ(histories(all).at(0).points.back().verdict, "PASS");
  all.push_back(sitting(8, {{"a:real_time", "us", samples(10, 8)}}));
  EXPECT_THAT(histories(all).at(0).why, HasSubstr("median of 8")) << "nobody judged the newest: the screen says why";
}

TEST(History, MachinesHaveSeparateHistories) {
  std::vector<Sitting> all;
  for (int i = 0; i < 12; ++i)
    all.push_back(sitting(i, {{"a:real_time", "us", samples(i % 2 ? 10 : 20, i)}}, i % 2 ? "x" : "y"));
  const auto found = histories(all);
  ASSERT_EQ(found.size(), 2u);
  for (const auto& s : found) {
    EXPECT_EQ(s.standing, Standing::kPass);
    EXPECT_EQ(s.points.size(), 6u);
  }
}

TEST(History, TheBandIsWhatTheGatesScreenLetsPass) {
  std::vector<Sitting> all;
  std::vector<double> medians;
  for (int i = 0; i < 15; ++i) {
    all.push_back(sitting(i, {{"a:real_time", "us", samples(100 + std::sin(i), i)}}));
    medians.push_back(stats::median(all.back().series[0].samples));
  }
  const auto found = histories(all).at(0);
  EXPECT_GT(found.points[4].band_low, found.points[4].band_high) << "too few before it";
  const auto& last = found.points.back();
  const std::vector<double> before(medians.begin(), medians.end() - 1);
  const MetricKind kind = metric_kind("a:real_time");
  for (const double edge : {last.band_low, last.band_high}) {
    EXPECT_FALSE(gate::screen(before, edge * (1 + (edge > 100 ? -1e-6 : 1e-6)), kind, {}).is_suspect);
    EXPECT_TRUE(gate::screen(before, edge * (1 + (edge > 100 ? 1e-6 : -1e-6)), kind, {}).is_suspect);
  }
}

TEST(History, WhatAGateKeptOutWidensNoBandAndAnAcceptedChangeStartsAnew) {
  std::vector<Sitting> all;
  for (int i = 0; i < 10; ++i) all.push_back(sitting(i, {{"a:real_time", "us", samples(10, i)}}));
  const auto before = histories(all).at(0);
  all.push_back(sitting(10, {{"a:real_time", "us", samples(99, 10), "changed"}}));
  all.push_back(sitting(11, {{"a:real_time", "us", samples(10, 9)}}));
  const auto after = histories(all).at(0);
  EXPECT_EQ(after.standing, Standing::kPass);
  EXPECT_NEAR(after.points.back().band_high, before.points.back().band_high, 0.01);
  all.push_back(sitting(12, {{"a:real_time", "us", samples(5, 12), "accepted"}}));
  all.push_back(sitting(13, {{"a:real_time", "us", samples(5, 13)}}));
  EXPECT_EQ(histories(all).at(0).standing, Standing::kNew) << "history is one sitting long again";
}

std::string inflated(const std::string& bytes, std::size_t size) {
  std::string out(size, '\0');
  uLongf length = size;
  EXPECT_EQ(::uncompress(reinterpret_cast<Bytef*>(out.data()), &length, reinterpret_cast<const Bytef*>(bytes.data()),
                         bytes.size()),
            Z_OK);
  out.resize(length);
  return out;
}

TEST(Pack, GivesBackWhatWasPacked) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i) + ",\n";
  EXPECT_EQ(inflated(deflated(text), text.size()), text);
  EXPECT_LT(deflated(text).size(), text.size() / 2);
  EXPECT_EQ(inflated(deflated(""), 1), "");
}

TEST(Pack, WritesBase64AsRfc4648Does) {
  // The RFC's own vectors.
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  // The example of W3C's Content Security Policy Level 3, section 8.4.
  EXPECT_EQ(script_hash("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
}

class Documents : public ::testing::Test {
 protected:
  Documents() : store_(folder_.path(), Store::Mode::kReadWrite) {}
  Json run(const std::string& name, const Detail& detail = {}) const {
    for (const auto& row : store_.runs())
      if (row.run == name) return run_document(store_, BulkReader(store_), row, detail);
    return {};
  }

  testing::TemporaryFolder folder_;
  Store store_;
};

TEST_F(Documents, GiveTheLastValueOfEveryRunAsTheStoreHasIt) {
  testing::add_fig2b(store_);
  const auto main = main_document(store_, {});
  const auto& columns = main["runs"]["columns"];
  ASSERT_EQ(columns["run"].size(), store_.runs().size());
  for (std::size_t i = 0; i < columns["run"].size(); ++i)
    for (const auto& [name, values] : columns["last"].items())
      EXPECT_EQ(values[i].get<double>(), store_.series(columns["run"][i], name).back().value);
  EXPECT_EQ(main["experiments"][0]["done"], main["experiments"][0]["cells"]);
}

TEST_F(Documents, ThinnedSeriesKeepTheirEndsAndSayThatTheyAreThinned) {
  testing::RunSpool spool(store_.out(), testing::config(0));
  spool.start();
  for (int step = 0; step <= 1000; ++step) spool.metric(step, "loss", 1 / (1.0 + step));
  spool.finish(1000).end("done", 0);
  store_.ingest();
  EXPECT_FALSE(run(spool.run(), {.points = 2000}).contains("thinned"));
  const auto thin = run(spool.run(), {.points = 11, .digits = 3});
  EXPECT_EQ(thin["thinned"], true);
  EXPECT_EQ(thin["series"]["loss"][0], Json({0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000}));
  EXPECT_EQ(thin["series"]["loss"][1][10], 1 / 1001.0) << "the last value is exact";
  EXPECT_EQ(thin["series"]["loss"][1][1], 0.0099);
}

TEST_F(Documents, LogsEndWithWholeLines) {
  testing::RunSpool spool(store_.out(), testing::config(0));
  spool.start().finish(1).end("done", 0);
  testing::append(spool.folder() / "stderr.log", "one\ntwo\nthree\n");
  store_.ingest();
  EXPECT_EQ(run(spool.run(), {.log_bytes = 9})["logs"]["stderr.log"], "three\n");
  EXPECT_EQ(run(spool.run())["logs"]["stderr.log"], "one\ntwo\nthree\n");
}

TEST_F(Documents, APageThatIsTooLargeThinsRunsAndNothingElse) {
  testing::add_fig2b(store_, {.steps = 200});
  const auto whole = static_page(store_, {});
  EXPECT_EQ(whole.thinned, "");
  const auto base = static_page(store_, {.most_bytes = 1}).html.size();
  EXPECT_LT(base, whole.html.size());
  const auto most = (base + whole.html.size()) / 2 + 4096;
  const auto page = static_page(store_, {.most_bytes = most});
  EXPECT_LE(page.html.size(), most);
  EXPECT_THAT(page.thinned, HasSubstr("points"));
  EXPECT_EQ(page.runs, whole.runs);
  EXPECT_EQ(page.exhibits, whole.exhibits);
}

TEST_F(Documents, ThePageIsTheSameBytesAndHoldsNoTextOfTheDataAsMarkup) {
  auto c = testing::config(0);
  c.settings["note"] = std::string("<b>markup</b>");
  testing::RunSpool spool(store_.out(), c);
  spool.start().finish(1, "diverged", "</script><b>markup</b>").end("diverged", 77);
  store_.ingest();
  const auto page = static_page(store_, {}).html;
  EXPECT_EQ(static_page(store_, {}).html, page);
  EXPECT_THAT(page, Not(HasSubstr("markup</b>")));
  EXPECT_THAT(page, HasSubstr(script_hash(assets::script_js())));
}

TEST_F(Documents, AnEmptyStoreHasAPage) {
  const auto page = static_page(store_, {});
  EXPECT_EQ(page.runs, 0u);
  EXPECT_THAT(page.html, HasSubstr("</html>"));
  EXPECT_EQ(empty_main_document("x")["runs"]["columns"]["run"].size(), 0u);
}

// The front end never parses text as HTML: what it shows cannot become markup.
TEST(FrontEnd, KnowsNoWayToMakeMarkupOfText) {
  const std::string script(assets::script_js());
  for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser",
                          "createContextualFragment", "setHTML", "srcdoc"})
    EXPECT_THAT(script, Not(HasSubstr(way)));
}

}  // namespace
}  // namespace pionbench::dashboard
