#pragma once
/// A store with made-up results of the experiments fig2b and fig3.

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/store/spool_tree.h"

namespace pionbench::testing {

struct Fig2bOptions {
  int seeds = 3;
  int steps = 40;
  /// How a cell ends: "done", "diverged", "failed", "not run".
  std::function<std::string(const std::string& arm, const std::string& auxiliary, int seed)> outcome =
      [](const auto&, const auto&, int) { return "done"; };
  /// Sampled accuracy; greedy is 0.05 above it.
  std::function<double(const std::string& arm, const std::string& auxiliary, int seed, int step)> accuracy =
      [](const auto&, const auto&, int, int) { return 0.4; };
};

struct SyntheticArm {
  std::string name, optimizer;
};

inline const std::vector<SyntheticArm>& synthetic_arms() {
  static const std::vector<SyntheticArm> kArms = {{"AdamW", "adamw"},          {"Muon, scale 5", "muon"},
                                                  {"Muon, scale 0.2", "muon"}, {"Pion", "pion"},
                                                  {"Pion per-head", "pion"},   {"Control", "frozen"}};
  return kArms;
}

inline CellConfig fig2b_config(const SyntheticArm& arm, const std::string& auxiliary, int seed) {
  CellConfig c = config(seed, arm.optimizer);
  c.settings["auxiliary"] = auxiliary;
  c.hyper["label"] = arm.name;  // keeps cells of arms with one optimizer apart
  if (arm.optimizer == "frozen") c.hyper.erase("lr");
  return c;
}

/// Writes runs and the experiment, and takes them in.
inline void add_fig2b(Store& store, const Fig2bOptions& options = {}) {
  ExperimentRecord e{.name = "fig2b", .scale = "quick"};
  e.spec = {{"title", "GRPO on arithmetic word problems, equal learning rate"},
            {"paper", {{"figure", "2(b)"}}},
            {"suite", "rlvr/arith"},
            {"arms", Json::object()}};
  for (const auto& arm : synthetic_arms()) {
    e.arms.push_back(arm.name);
    e.spec["arms"][arm.name] = {{"optimizer", arm.optimizer}};
    for (const std::string auxiliary : {"frozen", "trained"}) {
      if (arm.optimizer == "frozen" && auxiliary == "frozen") continue;
      for (int seed = 0; seed < options.seeds; ++seed) {
        const auto c = fig2b_config(arm, auxiliary, seed);
        const std::string outcome = options.outcome(arm.name, auxiliary, seed);
        e.cells.push_back(
            {content_hash(to_json(c)), arm.name, {{"auxiliary", auxiliary}, {"seed", std::to_string(seed)}}});
        if (outcome == "not run") continue;
        RunSpool run(store.out(), c);
        run.start();
        const int last = outcome == "done" ? options.steps : options.steps / 2;
        for (int step = 0; step <= last; ++step) {
          if (step > 0) run.phase(step, "train", 0.5).metric(step, "update_rms_over_lr", 0.2);
          if (step % 5) continue;
          const double accuracy = options.accuracy(arm.name, auxiliary, seed, step);
          for (const char* split : {"validation", "test"}) run.evaluate(step, accuracy + 0.05, accuracy, split);
        }
        if (outcome == "failed")
          run.end("failed", 70, "exit 70");
        else
          run.finish(last, outcome, outcome == "diverged" ? "loss is NaN" : "")
              .end(outcome, outcome == "done" ? 0 : 77);
      }
    }
  }
  store.record_experiment(e);
  store.ingest();
}

/// Any experiment: arms × settings × seeds, each run with the series that `value` gives.
struct MadeUp {
  struct Arm {
    std::string name, optimizer = "adamw";
    Values hyper = {};
  };
  struct Place {
    std::string arm;
    std::map<std::string, std::string> setting;
    int seed;
    int step;
    std::string metric;
  };
  std::string name;
  std::vector<Arm> arms;
  std::vector<std::map<std::string, std::string>> settings = {{}};
  std::vector<std::string> metrics;  ///< "evaluation/<split>/<name>" or a training metric
  std::function<double(const Place&)> value;
  int seeds = 6;
  int steps = 30;
  int every = 10;
  std::function<double(const std::string& arm)> seconds_per_step = [](const auto&) { return 1.0; };
  /// Further events of a run.
  std::function<void(RunSpool&, const std::string& arm, int seed)> more = [](auto&, const auto&, int) {};
  std::string scale = "quick";
  /// Cells for which this is false are planned and have no run (`step` and `metric` are empty).
  std::function<bool(const Place&)> is_run = [](const auto&) { return true; };
  Json defaults = Json::object();  ///< of the experiment file
};

inline void add_made_up(Store& store, const MadeUp& m) {
  ExperimentRecord e{.name = m.name,
                     .scale = m.scale,
                     .spec = {{"title", m.name}, {"arms", Json::object()}, {"defaults", m.defaults}}};
  for (const auto& arm : m.arms) {
    e.arms.push_back(arm.name);
    e.spec["arms"][arm.name] = {{"optimizer", arm.optimizer}};
    for (const auto& setting : m.settings)
      for (int seed = 0; seed < m.seeds; ++seed) {
        CellConfig c = config(seed, arm.optimizer);
        c.settings["place"] = m.name + m.scale + arm.name + Json(setting).dump();
        for (const auto& [key, value] : arm.hyper) c.hyper[key] = value;
        auto point = setting;
        point["seed"] = std::to_string(seed);
        e.cells.push_back({content_hash(to_json(c)), arm.name, point});
        if (!m.is_run({arm.name, setting, seed, 0, ""})) continue;
        RunSpool run(store.out(), c);
        run.start();
        for (int step = 0; step <= m.steps; step += m.every) {
          if (step) run.phase(step, "train", m.seconds_per_step(arm.name) * m.every);
          for (const auto& metric : m.metrics) {
            const double value = m.value({arm.name, setting, seed, step, metric});
            if (!metric.starts_with("evaluation/")) {
              run.metric(step, metric, value);
              continue;
            }
            const auto slash = metric.rfind('/');
            run.event({{"type", "evaluation"},
                       {"step", step},
                       {"split", metric.substr(11, slash - 11)},
                       {"values", {{metric.substr(slash + 1), value}}}});
          }
        }
        run.event({{"type", "progress"}, {"step", m.steps}, {"steps", m.steps}});
        m.more(run, arm.name, seed);
        run.finish(m.steps).end("done", 0);
      }
  }
  store.record_experiment(e);
  store.ingest();
}

inline double odd_quintic(double a, double b, double c, double s) {
  return s * (a + b * s * s + c * s * s * s * s);
}

/// `muon_b`: Muon's cubic coefficient; `promotion_c`: promotion's quintic one. Others than these plant a fault.
inline void add_fig3(Store& store, double muon_b = -4.7750, double promotion_c = 0.375, double leaked = 1e-5) {
  CellConfig c;
  c.suite = "maps";
  RunSpool run(store.out(), c);
  run.start();
  std::vector<double> grid;
  for (int i = 0; i <= 500; ++i) grid.push_back(i / 500.0);
  const auto muon = [=](double s) { return odd_quintic(3.4445, muon_b, 2.0315, s); };
  const auto promotion = [=](double s) { return odd_quintic(1.875, -1.25, promotion_c, s); };
  const auto suppression = [](double s) { return s * s * s * (2.5 - 1.5 * s * s); };
  const auto chain = [&](const std::string& name, const std::string& variant, auto first, int n, auto second, int m) {
    std::vector<double> y;
    for (double s : grid) {
      for (int i = 0; i < n; ++i) s = first(s);
      for (int i = 0; i < m; ++i) s = second(s);
      y.push_back(s);
    }
    run.event({{"type", "curve"}, {"name", name}, {"variant", variant}, {"x", grid}, {"y", y}});
  };
  for (int t = 1; t <= 5; ++t) {
    chain("muon", std::to_string(t), muon, t, muon, 0);
    chain("promotion", std::to_string(t), promotion, t, promotion, 0);
    chain("suppression", std::to_string(t), suppression, t, suppression, 0);
  }
  for (int k = 0; k <= 5; ++k) chain("pion", "k_p=" + std::to_string(k), promotion, k, suppression, 5 - k);
  for (const char* name : {"matrix_vectors", "matrix_values"})
    for (const char* variant : {"muon", "pion k_p=0"})
      run.event({{"type", "curve"}, {"name", name}, {"variant", variant}, {"x", {0, 1}}, {"y", {leaked, leaked / 2}}});
  run.finish(0).end("done", 0);
  ExperimentRecord e{.name = "fig3", .scale = "quick"};
  e.spec = {{"title", "Scalar maps of Newton–Schulz, promotion, suppression and their compositions"},
            {"paper", {{"figure", "3"}}},
            {"arms", Json::object()}};
  e.cells.push_back({run.cell(), "", {}});
  store.record_experiment(e);
  store.ingest();
}

}  // namespace pionbench::testing
