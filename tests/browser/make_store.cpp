// A store for tests that look at the dashboard: make_store FOLDER            every kind of thing, text that would be
//                                                                           markup if it were let
//                                        make_store FOLDER RUNS             many runs, to measure with
//                                        make_store FOLDER grow             one more finished run
//                                        make_store FOLDER step N           a run that goes on is at step N of 40

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "results/stats/random.h"
#include "tests/results/synthetic.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarkup = "<img src=x onerror='window.injected=1'></script><script>window.injected=1</script>";

/// "2026-03-<day>T06:00:00.000Z"
std::string day(int number) {
  char text[40];
  std::snprintf(text, sizeof text, "2026-03-%02dT06:00:00.000Z", 1 + number % 28);
  return text;
}

/// Thirty sittings: one series steady, one slower at the end and kept out by a gate, one slower that no gate has seen,
/// one that is measured no more, one too new to judge, one that became faster.
void add_sittings(Store& store) {
  stats::Random random("dashboard history");
  const auto samples = [&](double level) {
    std::vector<double> out;
    for (int i = 0; i < 9; ++i) out.push_back(level * std::exp(0.005 * random.normal()));
    return out;
  };
  constexpr int kSittings = 28;
  for (int i = 0; i < kSittings; ++i) {
    const bool is_last = i + 1 == kSittings;
    Sitting s{.sitting = "20260301T0600" + std::to_string(10 + i) + "000Z-0001",
              .recorded_at = day(i),
              .revision = "revision" + std::to_string(i),
              .fingerprint = "f00d",
              .environment = {{"cpu", "A processor"}, {"cores", "2"}}};
    s.series.push_back({"step/adamw:real_time", "us", samples(100)});
    s.series.push_back({"step/muon:real_time", "us", samples(is_last ? 318 : 300), is_last ? "changed" : "good",
                        is_last ? "REGRESSED" : "", is_last ? "measured again, 9 samples against 9: +6.0 %" : ""});
    // Beyond its band in the last sitting, and cleared by a gate.
    s.series.push_back({"probe:real_time", "us", samples(is_last ? 90 : 80), "good", is_last ? "PASS" : ""});
    s.series.push_back({"step/pion:real_time", "us", samples(is_last ? 424 : 400)});
    s.series.push_back(
        {"rollout:tokens_per_second", "", samples(is_last ? 5300 : 5000), is_last ? "accepted" : "good"});
    if (!is_last) s.series.push_back({"gemm:real_time", "us", samples(50)});
    if (i >= kSittings - 2) s.series.push_back({kMarkup + std::string(":real_time"), "us", samples(7)});
    store.record_sitting(s);
  }
}

void add_everything(Store& store) {
  testing::Fig2bOptions fig2b;
  fig2b.outcome = [](const std::string& arm, const std::string& auxiliary, int seed) -> std::string {
    if (arm == "Muon, scale 5" && auxiliary == "trained" && seed == 2) return "failed";
    if (arm == "Muon, scale 5" && auxiliary == "frozen" && seed == 1) return "diverged";
    return arm == "Control" && seed == 2 ? "not run" : "done";
  };
  fig2b.accuracy = [](const std::string& arm, const std::string& auxiliary, int seed, int step) {
    stats::Random random(arm + auxiliary + std::to_string(seed) + std::to_string(step));
    const double end = arm.starts_with("Muon, scale 5") ? 0.05 : 0.55 + 0.04 * static_cast<double>(arm.size() % 5);
    return 0.3 + (end - 0.3) * step / 40.0 + 0.02 * random.normal();
  };
  testing::add_fig2b(store, fig2b);
  testing::add_fig3(store);

  testing::MadeUp odd{.name = "odd",
                      .arms = {{kMarkup, "muon"}, {"Plain", "adamw"}},
                      .settings = {{{"lr", "0.001"}}, {{"lr", "0.01"}}},
                      .metrics = {"evaluation/test/success", "reward", "grad_norm"},
                      .seeds = 2};
  odd.value = [](const auto& place) { return std::sin(place.step + place.seed) / 3 + 0.5; };
  odd.more = [](testing::RunSpool& run, const std::string&, int seed) {
    for (int step = 0; step <= 30; step += 10)
      for (const char* parameter : {"layers.0.q.weight", "layers.1.q.weight"})
        for (int head = -1; head < 2; ++head)
          run.event({{"type", "spectral"},
                     {"step", step},
                     {"parameter", parameter},
                     {"head", head},
                     {"values", {{"grad_effective_rank", 3.5 + head + seed + 0.1 * step}}}});
    testing::append(run.folder() / "stdout.log", std::string("first line\n") + kMarkup + "\n");
  };
  testing::add_made_up(store, odd);
  add_sittings(store);
}

/// Runs of an experiment of many cells, each as a short training run reports: two evaluations splits and metrics by
/// step, spectra of a few matrices.
void add_many(const fs::path& out, int runs) {
  Store store(out, Store::Mode::kReadWrite);
  ExperimentRecord e{.name = "sweep", .scale = "quick"};
  e.spec = {{"title", "Learning rate by seed"}, {"arms", Json::object()}};
  const auto& arms = testing::synthetic_arms();
  for (const auto& arm : arms) e.arms.push_back(arm.name);
  for (int i = 0; i < runs; ++i) {
    const auto& arm = arms[static_cast<std::size_t>(i) % arms.size()];
    const int seed = i % 20;
    const std::string lr = std::to_string(i / 20);
    auto c = testing::fig2b_config(arm, "frozen", seed);
    c.settings["place"] = lr;
    e.cells.push_back({content_hash(to_json(c)), arm.name, {{"lr", lr}, {"seed", std::to_string(seed)}}});
    stats::Random random("many " + std::to_string(i));
    testing::RunSpool run(out, c);
    run.start();
    std::string lines;
    for (int step = 1; step <= 40; ++step) {
      lines += run.line(
          {{"type", "metric"},
           {"step", step},
           {"values", {{"loss", random.uniform()}, {"reward", random.uniform()}, {"grad_norm", random.uniform()}}}});
      if (step % 5 == 0) {
        lines += run.line({{"type", "phase"}, {"step", step}, {"name", "train"}, {"seconds", 5 * random.uniform()}});
        for (const char* split : {"validation", "test"})
          lines += run.line({{"type", "evaluation"},
                             {"step", step},
                             {"split", split},
                             {"values", {{"greedy", random.uniform()}, {"sampled", random.uniform()}}}});
      }
      if (step % 10 == 0)
        for (int p = 0; p < 6; ++p)
          lines +=
              run.line({{"type", "spectral"},
                        {"step", step},
                        {"parameter", "layers." + std::to_string(p) + ".weight"},
                        {"head", -1},
                        {"values", {{"grad_effective_rank", random.uniform()}, {"update_norm", random.uniform()}}}});
    }
    testing::append(run.events(), lines);
    const bool has_failed = i % 97 == 0;
    if (has_failed)
      run.end("failed", 70, "exit 70");
    else
      run.finish(40).end("done", 0);
  }
  store.record_experiment(e);
  store.ingest();
}

/// A seed more of the odd experiment's plain arm.
void grow(Store& store) {
  testing::RunSpool run(store.out(), testing::config(99, "adamw"));
  run.start().evaluate(40, 0.875, 0.75).finish(40).end("done", 0);
  store.ingest();
}

/// Nobody on this machine can say that its process is gone: it is another host's.
void step(Store& store, int at) {
  testing::RunSpool run(store.out(), testing::config(77, "muon"));
  if (at == 0) run.start();
  const Json event = {{"type", "progress"}, {"step", at}, {"steps", 40}, {"seq", 10 + at}, {"t", 0.5 * at}};
  testing::append(run.events(), event.dump() + "\n");
  store.ingest();
}

}  // namespace
}  // namespace pionbench

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::filesystem::path out = argv[1];
  const std::string what = argc > 2 ? argv[2] : "everything";
  if (const int runs = std::atoi(what.c_str()); runs > 0) {
    pionbench::add_many(out, runs);
    return 0;
  }
  pionbench::Store store(out, pionbench::Store::Mode::kReadWrite);
  if (what == "everything")
    pionbench::add_everything(store);
  else if (what == "grow")
    pionbench::grow(store);
  else if (what == "step" && argc > 3)
    pionbench::step(store, std::atoi(argv[3]));
  else
    return 2;
}
