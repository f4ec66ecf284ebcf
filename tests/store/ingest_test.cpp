#include <gmock/gmock.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "core/error.h"
#include "tests/store/spool_tree.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Store writer(const TemporaryFolder& out) {
  return Store(out.path(), Store::Mode::kReadWrite);
}

std::vector<double> values(const Store& store, const std::string& run, const std::string& name) {
  std::vector<double> out;
  for (const auto& point : store.series(run, name)) out.push_back(point.value);
  return out;
}

/// A second attempt that goes on behind event `from`, or starts over (-1).
void resume(RunSpool& run, int attempt, std::int64_t from, int step) {
  append_attempt(run.folder(), AttemptStart{attempt, "2026-01-02T04:00:00.000Z", "host", "boot", 4712, 99});
  run.event({{"type", "run_started"},
             {"schema", 1},
             {"run", run.run()},
             {"cell", run.cell()},
             {"attempt", attempt},
             {"resumed_from", from},
             {"step", step},
             {"environment", Json::object()}});
}

TEST(Ingest, WhatAResumedRunDoesAgainCountsOnce) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().phase(0, "setup", 1);
  run.metric(1, "loss", 9).phase(1, "train", 2);
  run.event({{"type", "checkpoint"}, {"step", 1}, {"path", "checkpoint.pt"}});  // seq 4
  run.metric(2, "loss", 8).phase(2, "train", 2).evaluate(2, 0.1, 0.1);
  run.event({{"type", "spectral"}, {"step", 2}, {"parameter", "w"}, {"head", -1}, {"values", {{"snr", 3}}}});
  run.metric(3, "loss", 7).phase(3, "train", 2).end("lost", std::nullopt);
  resume(run, 2, 4, 1);
  auto store = writer(out);
  store.ingest();
  EXPECT_THAT(values(store, run.run(), "loss"), ElementsAre(9)) << "what comes is not there yet";
  EXPECT_THAT(store.spectral(run.run()), IsEmpty());
  EXPECT_THAT(store.series(run.run(), "evaluation/test/greedy"), IsEmpty());
  EXPECT_EQ(store.runs().at(0).step, 1);

  // It diverges earlier this time: nothing of the lost attempt may stand behind that.
  run.metric(2, "loss", 8.5).phase(2, "train", 3).finish(2, "diverged").end("diverged", 77, "", 2);
  store.ingest();
  const auto row = store.runs().at(0);
  EXPECT_THAT(values(store, run.run(), "loss"), ElementsAre(9, 8.5));
  EXPECT_DOUBLE_EQ(row.train_seconds, 5) << "2 before the checkpoint, 3 behind it";
  EXPECT_DOUBLE_EQ(row.phase_seconds.at(kDiscardedPhase), 4) << "spent, but in no clock";
  EXPECT_DOUBLE_EQ(store.clocked_series(run.run(), "loss").at(1).train_seconds, 2) << "the clock goes on";
  EXPECT_EQ(row.state, RunState::kDiverged);
  EXPECT_THAT(store.verify(), IsEmpty());
  const auto digest = store.digest();
  EXPECT_EQ(Store::rebuild(out.path()), digest);
}

TEST(Ingest, ARunThatStartsOverBeginsFromNothing) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "loss", 9).phase(1, "train", 2).end("out of memory", 76);
  resume(run, 2, -1, 0);
  run.metric(1, "loss", 9.5).phase(1, "train", 3).finish(1).end("done", 0, "", 2);
  auto store = writer(out);
  store.ingest();
  EXPECT_THAT(values(store, run.run(), "loss"), ElementsAre(9.5));
  EXPECT_DOUBLE_EQ(store.runs().at(0).train_seconds, 3);
}

TEST(Ingest, AnAttemptKeepsWhatItWasGivenAndWhatItUsed) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  AttemptStart start{1, "2026-01-02T03:04:05.000Z", "host", "boot", 4711, 99};
  start.owner = "host:1:2";
  start.threads = 3;
  start.accumulation = 4;
  start.devices = {"GPU-a", "GPU-b"};
  append_attempt(run.folder(), start);
  AttemptEnd end{.attempt = 1, .ended_at = "2026-01-02T03:14:05.000Z", .outcome = "preempted"};
  end.peak_memory = 1000;
  end.peak_device_memory = 2000;
  end.disturbance = "clocks held back";
  append_attempt(run.folder(), end);
  auto store = writer(out);
  store.ingest();
  const auto row = store.runs().at(0);
  EXPECT_EQ(row.state, RunState::kPreempted);
  EXPECT_EQ(row.accumulation, 4);
  EXPECT_THAT(row.devices, ElementsAre("GPU-a", "GPU-b"));
  EXPECT_EQ(row.peak_memory, 1000);
  EXPECT_EQ(row.peak_device_memory, 2000);
  EXPECT_EQ(row.disturbance, "clocks held back");
  const auto digest = store.digest();
  EXPECT_EQ(Store::rebuild(out.path()), digest);
}

TEST(Ingest, SpoolsWithoutTheNewerFieldsOfAttemptsAreTaken) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  append(
      run.attempts(),
      R"({"attempt":1,"boot_id":"b","host":"h","pid":1,"pid_start":2,"started_at":"2026-01-02T03:04:05.000Z","type":"attempt_started"})"
      "\n"
      R"({"attempt":1,"ended_at":"2026-01-02T03:05:05.000Z","exit_code":0,"outcome":"done","reason":"","signal":null,"stderr_tail":"","type":"attempt_ended","wall_seconds":1.5})"
      "\n");
  auto store = writer(out);
  EXPECT_THAT(store.ingest().complaints, IsEmpty());
  EXPECT_EQ(store.runs().at(0).state, RunState::kDone);
  EXPECT_EQ(store.runs().at(0).accumulation, 1);
}

TEST(Ingest, EveryTypeOfEventCanBeReadBack) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().phase(0, "setup", 1.5).evaluate(0, 0.39, 0.33);
  run.event({{"type", "metric"}, {"step", 1}, {"values", {{"reward", 0.5}, {"loss", -1}}}});
  run.phase(1, "train", 0.25).phase(2, "train", 0.5);
  run.event({{"type", "spectral"}, {"step", 1}, {"parameter", "w"}, {"head", -1}, {"values", {{"snr", 3}}}});
  run.event(
      {{"type", "curve"}, {"name", "pion"}, {"variant", "k_p=0"}, {"x", {0, 0.1}}, {"y", {0, 0.30000000000000004}}});
  run.event({{"type", "evaluation"},
             {"step", 2},
             {"split", "test"},
             {"values", {{"greedy", 0.5}}},
             {"items", {{{"item", 7}, {"values", {{"correct", 1}}}}}}});
  run.event({{"type", "progress"}, {"step", 2}, {"steps", 40}});
  run.finish(2).end("done", 0);

  auto store = writer(out);
  const auto report = store.ingest();
  EXPECT_EQ(report.skipped, 0);
  EXPECT_THAT(report.complaints, IsEmpty());

  const auto runs = store.runs();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].run, run.run());
  EXPECT_EQ(runs[0].cell, run.cell());
  EXPECT_EQ(runs[0].suite, "rlvr/arith");
  EXPECT_EQ(runs[0].optimizer, "muon");
  EXPECT_EQ(runs[0].state, RunState::kDone);
  EXPECT_EQ(runs[0].step, 2);
  EXPECT_EQ(runs[0].steps, 40);
  EXPECT_DOUBLE_EQ(runs[0].train_seconds, 0.75);
  EXPECT_DOUBLE_EQ(runs[0].phase_seconds.at("setup"), 1.5);
  EXPECT_EQ(runs[0].exit_code, 0);
  EXPECT_EQ(runs[0].reason, "");
  EXPECT_THAT(store.series_names(run.run()),
              ElementsAre("evaluation/test/greedy", "evaluation/test/sampled", "loss", "reward"));
  EXPECT_THAT(values(store, run.run(), "evaluation/test/greedy"), ElementsAre(0.39, 0.5));
  EXPECT_EQ(store.curves(run.run()).at(0).y.at(1), 0.30000000000000004);  // to the last bit
  EXPECT_EQ(store.spectral(run.run()).at(0).head, -1);
  EXPECT_EQ(store.items(run.run()).at(0).item, 7);
  EXPECT_EQ(store.environment(run.run()).at("torch"), "2.13.0");
  EXPECT_EQ(store.config_of_cell(run.cell()), to_json(config(0)));
  EXPECT_TRUE(store.config_of_cell("unknown").is_null());
}

TEST(Ingest, TakingTheSameSpoolsAgainAddsNothing) {
  TemporaryFolder out;
  RunSpool(out.path(), config(0)).start().metric(1, "reward", 0.5).end("done", 0);
  auto store = writer(out);
  EXPECT_GT(store.ingest().events, 0);
  const auto digest = store.digest();
  EXPECT_EQ(store.ingest().events, 0);
  store = writer(out);  // nor does another process
  EXPECT_EQ(store.ingest().events, 0);
  EXPECT_EQ(store.digest(), digest);
}

TEST(Ingest, TheLaterSeqHoldsWhereAResumedAttemptRepeatsSteps) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "reward", 0.1).metric(2, "reward", 0.2).end("interrupted", 75);
  run.start(2).metric(2, "reward", 0.25).metric(3, "reward", 0.3);
  auto store = writer(out);
  store.ingest();
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(0.1, 0.25, 0.3));
  EXPECT_EQ(store.runs().at(0).attempts, 2);
  EXPECT_EQ(store.runs().at(0).state, RunState::kRunning);
}

TEST(Ingest, ATornLastLineWaitsUntilItIsWhole) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "reward", 0.1);
  const std::string line = run.line({{"type", "metric"}, {"step", 2}, {"values", {{"reward", 0.2}}}});
  append(run.events(), line.substr(0, 20));
  auto store = writer(out);
  EXPECT_EQ(store.ingest().skipped, 0);
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(0.1));
  append(run.events(), line.substr(20));
  EXPECT_EQ(store.ingest().events, 1);
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(0.1, 0.2));
}

TEST(Ingest, WholeLinesThatAreNoEventsAreCountedAndNamed) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start();
  append(run.events(), "{\"seq\":1,\"type\":\"met\n");
  append(run.events(),
         "{\"seq\":1,\"t\":0,\"type\":\"metric\",\"step\":1,\"values\":{\"good\":1,\"reward\":\"high\"}}\n");
  append(run.events(), "{\"seq\":2,\"t\":0,\"type\":\"metric\",\"step\":-1,\"values\":{}}\n");
  append(run.events(), "{\"seq\":3,\"t\":0,\"type\":\"metric\",\"step\":1,\"values\":{\"reward\":1e999}}\n");
  append(run.events(), "[1]\n");
  append(run.events(), "{\"seq\":4,\"t\":0,\"type\":\"metric\",\"step\":1,\"values\":{\"reward\":2}}\n");
  auto store = writer(out);
  const auto report = store.ingest();
  EXPECT_EQ(report.skipped, 5);
  EXPECT_THAT(report.complaints,
              ElementsAre(HasSubstr("events.jsonl:2: not JSON"), HasSubstr("events.jsonl:3: \"values.reward\" must be"),
                          HasSubstr("events.jsonl:4: \"step\" must be a whole number from 0 up, got -1"),
                          HasSubstr("events.jsonl:5: not JSON"), HasSubstr("events.jsonl:6: not a JSON object")));
  EXPECT_THAT(store.series_names(run.run()), ElementsAre("reward"));  // nothing of a bad event was kept
}

TEST(Ingest, ASeqAlreadyTakenIsIgnoredAndSaid) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "reward", 0.1);
  append(run.events(), "{\"seq\":1,\"t\":0,\"type\":\"metric\",\"step\":1,\"values\":{\"reward\":9}}\n");
  auto store = writer(out);
  const auto report = store.ingest();
  EXPECT_THAT(report.complaints, ElementsAre(HasSubstr("events.jsonl:3: seq 1 was already taken")));
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(0.1));
}

TEST(Ingest, AGapInSeqIsSaid) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start();
  append(run.events(), "{\"seq\":4,\"t\":0,\"type\":\"metric\",\"step\":1,\"values\":{\"reward\":9}}\n");
  auto store = writer(out);
  EXPECT_THAT(store.ingest().complaints,
              ElementsAre(HasSubstr("events.jsonl:2: seq 4 follows 0: 3 events are missing")));
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(9));
}

TEST(Ingest, AShortenedSpoolIsSaidAndLeftAlone) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "reward", 0.1);
  auto store = writer(out);
  store.ingest();
  std::filesystem::resize_file(run.events(), 10);
  EXPECT_THAT(store.ingest().complaints, ElementsAre(HasSubstr("shorter than what was taken")));
  EXPECT_THAT(values(store, run.run(), "reward"), ElementsAre(0.1));
}

TEST(Ingest, AFolderUnderAnotherNameIsNoRun) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start();
  std::filesystem::rename(run.folder(), out.path() / "runs" / "copy");
  auto store = writer(out);
  EXPECT_THAT(store.ingest().complaints, ElementsAre(HasSubstr("the folder was renamed or copied")));
  EXPECT_THAT(store.runs(), IsEmpty());
}

TEST(Ingest, OnlyTheNamedRunsAreLookedAt) {
  TemporaryFolder out;
  RunSpool a(out.path(), config(0)), b(out.path(), config(1));
  a.start();
  b.start();
  auto store = writer(out);
  store.ingest({b.run()});
  ASSERT_EQ(store.runs().size(), 1u);
  EXPECT_EQ(store.runs()[0].run, b.run());
}

TEST(Ingest, AReaderSeesWhatAWriterCommits) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start();
  auto store = writer(out);
  store.ingest();
  const Store reader(out.path(), Store::Mode::kReadOnly);
  EXPECT_EQ(reader.series(run.run(), "reward").size(), 0u);
  run.metric(1, "reward", 1);
  store.ingest();
  EXPECT_EQ(reader.series(run.run(), "reward").size(), 1u);
}

TEST(Ingest, AnExperimentIsReplacedWhenItsPlanChanges) {
  TemporaryFolder out;
  auto store = writer(out);
  store.record_experiment(experiment({"a", "b"}));
  store.record_experiment(experiment({"a", "b", "c"}));
  store.record_experiment(experiment({"a"}, "fig2b", "desk"));
  const auto experiments = store.experiments();
  ASSERT_EQ(experiments.size(), 2u);
  EXPECT_EQ(experiments[0].scale, "desk");
  ASSERT_EQ(experiments[1].cells.size(), 3u);
  EXPECT_EQ(experiments[1].cells[2].cell, "c");
  EXPECT_EQ(experiments[1].cells[2].point.at("seed"), "2");
  EXPECT_EQ(experiments[1].spec.at("suite"), "rlvr/arith");
}

Sitting sitting(const std::string& name, const std::string& revision, double level,
                const std::string& standing = "good") {
  return {name,           "2026-01-02T03:04:" + name + ".000Z",
          revision,       "machine",
          {{"cpu", "x"}}, {{"step/pion:real_time", "us", {level, level + 1, level - 1}, standing}}};
}

TEST(Sittings, CanBeReadBackInOrderAndRebuilt) {
  const TemporaryFolder out;
  Store store(out.path(), Store::Mode::kReadWrite);
  store.record_sitting(sitting("02", "b", 110));
  store.record_sitting(sitting("01", "a", 100));
  const auto sittings = store.sittings();
  ASSERT_EQ(sittings.size(), 2u);
  EXPECT_EQ(sittings[0].sitting, "01");
  EXPECT_EQ(sittings[0].environment.at("cpu"), "x");
  EXPECT_THAT(sittings[0].series.at(0).samples, ElementsAre(100, 101, 99));
  EXPECT_EQ(sittings[0].series.at(0).unit, "us");
  EXPECT_TRUE(store.sittings("another machine").empty());
  EXPECT_THAT(store.verify(), IsEmpty());
  const auto digest = store.digest();
  EXPECT_EQ(Store::rebuild(out.path()), digest);
}

TEST(Sittings, KeepWhatAGateSaidOfEachSeriesAndRebuildIt) {
  const TemporaryFolder out;
  Store store(out.path(), Store::Mode::kReadWrite);
  auto first = sitting("01", "a", 100);
  store.record_sitting(first);
  const auto unjudged = store.digest();
  EXPECT_EQ(store.sittings().at(0).series.at(0).verdict, "");
  first.series[0].standing = "changed";
  first.series[0].verdict = "REGRESSED";
  first.series[0].why = "measured again: +9 %";
  store.record_sitting(first);
  const auto judged = store.sittings().at(0).series.at(0);
  EXPECT_EQ(judged.verdict, "REGRESSED");
  EXPECT_EQ(judged.why, "measured again: +9 %");
  EXPECT_NE(store.digest(), unjudged);
  EXPECT_EQ(Store::rebuild(out.path()), store.digest());
}

TEST(Sittings, OfOneRevisionTellTheNoise) {
  const TemporaryFolder out;
  Store store(out.path(), Store::Mode::kReadWrite);
  store.record_sitting(sitting("01", "a", 99));
  EXPECT_TRUE(store.noise().empty()) << "one sitting has no spread";
  store.record_sitting(sitting("02", "a", 101));
  store.record_sitting(sitting("03", "b", 200));
  store.record_sitting(sitting("04", "a", 300, "changed"));
  const auto noise = store.noise();
  ASSERT_EQ(noise.size(), 1u);
  EXPECT_EQ(noise[0].sittings, 2);
  EXPECT_NEAR(noise[0].relative_sd, std::sqrt(2.0) * 0.01, 1e-12);
}

TEST(Sittings, AFileThatIsNoneIsSaidAndLeftAlone) {
  const TemporaryFolder out;
  Store store(out.path(), Store::Mode::kReadWrite);
  append(out.path() / "benchmarks/x.json", "{\"schema\": 1}");
  const auto report = store.ingest();
  ASSERT_EQ(report.complaints.size(), 1u);
  EXPECT_THAT(report.complaints[0], HasSubstr("not a sitting"));
  EXPECT_TRUE(store.sittings().empty());
}

TEST(RunState, FollowsTheLastAttempt) {
  TemporaryFolder out;
  RunSpool running(out.path(), config(0)), failed(out.path(), config(1)), diverged(out.path(), config(2)),
      retried(out.path(), config(3)), killed(out.path(), config(4)), by_hand(out.path(), config(5));
  running.start();
  failed.start().end("failed", 70, "");
  diverged.start().finish(3, "diverged", "loss is NaN at step 3").end("diverged", 77);
  retried.start().end("out of memory", 76, "9 GiB wanted");
  retried.start(2).finish(9).end("done", 0, "", 2);
  killed.start();
  append_attempt(killed.folder(), AttemptEnd{.attempt = 1, .ended_at = "x", .outcome = "failed", .signal = 9});
  by_hand.event({{"type", "run_finished"}, {"status", "done"}, {"step", 1}});
  auto store = writer(out);
  store.ingest();
  std::map<std::string, RunRow> rows;
  for (const auto& row : store.runs()) rows[row.run] = row;
  EXPECT_EQ(rows[running.run()].state, RunState::kRunning);
  EXPECT_EQ(rows[failed.run()].state, RunState::kFailed);
  EXPECT_EQ(rows[failed.run()].reason, "exit 70");
  EXPECT_EQ(rows[failed.run()].stderr_tail, "terminate called");
  EXPECT_EQ(rows[diverged.run()].state, RunState::kDiverged);
  EXPECT_EQ(rows[diverged.run()].reason, "loss is NaN at step 3");
  EXPECT_EQ(rows[retried.run()].state, RunState::kDone);
  EXPECT_EQ(rows[retried.run()].reason, "");
  EXPECT_EQ(rows[killed.run()].reason, "signal 9");
  EXPECT_EQ(rows[by_hand.run()].state, RunState::kDone);
  EXPECT_EQ(store.finished_by_cell().size(), 3u);
  EXPECT_EQ(store.runs_of_cells({failed.cell(), diverged.cell(), "unknown"}).size(), 2u);
}

TEST(RunState, AnUnknownOutcomeIsABadLine) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().end("exploded", 1);
  auto store = writer(out);
  EXPECT_THAT(store.ingest().complaints, ElementsAre(HasSubstr("attempts.jsonl:2: unknown run state \"exploded\"")));
}

TEST(Attempts, ALineAfterATornOneIsWhole) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start();
  append(run.attempts(), "{\"type\":\"attempt_en");
  run.end("lost", std::nullopt);
  auto store = writer(out);
  EXPECT_EQ(store.ingest().skipped, 1);
  EXPECT_EQ(store.runs().at(0).state, RunState::kLost);
}

TEST(ClockedSeries, CountsTheTrainingSecondsBeforeEachValue) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().evaluate(0, 0.1, 0.1).phase(0, "evaluate", 100);
  run.phase(1, "train", 1).phase(2, "train", 2).evaluate(2, 0.2, 0.2).phase(3, "train", 4).evaluate(3, 0.3, 0.3);
  auto store = writer(out);
  store.ingest();
  const auto points = store.clocked_series(run.run(), "evaluation/test/greedy");
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0].train_seconds, 0);
  EXPECT_EQ(points[1].train_seconds, 3);
  EXPECT_EQ(points[2].train_seconds, 7);
  EXPECT_EQ(points[2].step, 3);
  EXPECT_EQ(points[2].value, 0.3);
}

TEST(ForEachMetric, GivesOneRowForEachPlaceOfACell) {
  TemporaryFolder out;
  RunSpool placed(out.path(), config(0)), stray(out.path(), config(1));
  placed.start().metric(1, "reward", 0.5);
  stray.start().metric(1, "reward", 0.6);
  auto store = writer(out);
  store.record_experiment(experiment({placed.cell()}));
  store.record_experiment(experiment({placed.cell()}, "other"));
  store.ingest();
  std::vector<std::string> seen;
  store.for_each_metric([&](const MetricRow& row) {
    seen.push_back(row.experiment + "/" + row.arm + "/" + std::to_string(row.value).substr(0, 3));
  });
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("fig2b/Muon/0.5", "other/Muon/0.5", "//0.6"));
}

/// Writes a random tree; calls `between` now and then, at moments that include torn lines.
void write_random_tree(const std::filesystem::path& out, unsigned seed, const std::function<void()>& between) {
  std::mt19937 random(seed);
  std::vector<RunSpool> runs;
  for (int i = 0; i < 4; ++i) runs.emplace_back(out, config(i)).start();
  for (int i = 0; i < 400; ++i) {
    auto& run = runs[random() % runs.size()];
    const std::string line = run.line(random_event(random));
    const std::size_t cut = random() % line.size();
    append(run.events(), line.substr(0, cut));
    if (random() % 16 == 0) between();
    append(run.events(), line.substr(cut));
    if (random() % 50 == 0) append(run.events(), "garbage\n");
  }
  runs[0].finish(20).end("done", 0);
  runs[1].end("failed", 70, "why");
}

TEST(Rebuild, GivesTheDigestOfAStoreThatWasFedInPieces) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    TemporaryFolder out;
    std::string digest;
    {
      auto store = writer(out);
      write_random_tree(out.path(), seed, [&] { store.ingest(); });
      store.ingest();
      store.record_experiment(experiment({"a", "b"}));
      digest = store.digest();
      EXPECT_THAT(store.verify(), ::testing::Each(HasSubstr("not JSON"))) << seed;
    }
    EXPECT_EQ(Store::rebuild(out.path()), digest) << seed;
    EXPECT_EQ(Store(out.path(), Store::Mode::kReadOnly).digest(), digest) << seed;
  }
}

// The child is killed at some moment of a long ingest; what it committed must be a whole prefix to go on from.
TEST(Ingest, GoesOnAfterAKillAtAnyMoment) {
  TemporaryFolder out;
  std::mt19937 random(7);
  for (int i = 0; i < 3; ++i) {
    RunSpool run(out.path(), config(i));
    run.start();
    std::string text;
    for (int line = 0; line < 40'000; ++line)
      text += run.line({{"type", "metric"}, {"step", line}, {"values", {{"reward", line * 0.5}}}});
    append(run.events(), text);
  }
  int killed = 0;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        writer(out).ingest();
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    ::usleep(20'000 + static_cast<useconds_t>(random() % 200'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    killed += WIFSIGNALED(status);
    ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
  }
  EXPECT_GT(killed, 0);
  std::string digest;
  {
    auto store = writer(out);
    store.ingest();
    digest = store.digest();
    EXPECT_THAT(store.verify(), IsEmpty());
    for (const auto& run : store.runs()) EXPECT_EQ(store.series(run.run, "reward").size(), 40'000u);
  }
  EXPECT_EQ(Store::rebuild(out.path()), digest);
}

}  // namespace
}  // namespace pionbench
