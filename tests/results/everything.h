#pragma once
/// A store with made-up results of every experiment that a figure or table is drawn of. Shapes of curves are the
/// paper's stories, numbers are noise: it shows how figures look and that the same store gives the same bytes, and
/// nothing else.

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "tests/results/synthetic.h"

namespace pionbench::testing {

/// A normal deviate that depends on the place alone.
inline double jitter(const MadeUp::Place& p, double sd = 0.015) {
  std::seed_seq seed{static_cast<int>(std::hash<std::string>{}(p.arm + p.metric + Json(p.setting).dump()) & 0xffff),
                     p.seed, p.step};
  std::mt19937 random(seed);
  return std::normal_distribution<double>(0, sd)(random);
}
inline double share(double x) {
  return std::clamp(x, 0.0, 1.0);
}
/// From `from` towards `to`, most of it early.
inline double rising(const MadeUp::Place& p, double from, double to) {
  return share(from + (to - from) * (1 - std::exp(-p.step / 12.0)) + (p.step ? jitter(p) : 0));
}

inline void add_everything(Store& store) {
  using Place = MadeUp::Place;
  const std::vector<MadeUp::Arm> three = {{"AdamW", "adamw"}, {"Muon", "muon"}, {"Pion", "pion"}};
  const std::vector<MadeUp::Arm> heads = {{"AdamW", "adamw"}, {"Muon", "muon"},          {"Muon per-head", "muon"},
                                          {"Pion", "pion"},   {"Pion per-head", "pion"}, {"Control", "frozen"}};
  const std::vector<std::map<std::string, std::string>> both = {{{"auxiliary", "frozen"}}, {{"auxiliary", "trained"}}};
  const auto end_of = [](const std::string& arm) {
    if (arm == "Muon" || arm == "Muon per-head") return 0.02;
    if (arm == "Pion per-head") return 0.86;
    if (arm == "LPMuon") return 0.33;
    if (arm == "Control") return 0.5;
    return arm == "Pion" ? 0.75 : 0.8;
  };
  const auto learning = [=](const Place& p) {
    return share(rising(p, 0.33, end_of(p.arm)) + (p.metric.ends_with("greedy") ? 0.08 : 0));
  };
  const std::vector<std::string> curves = {"evaluation/validation/sampled", "evaluation/validation/greedy",
                                           "evaluation/test/sampled", "evaluation/test/greedy"};
  const auto with = [&](const std::string& name, std::vector<MadeUp::Arm> arms, auto settings, auto metrics,
                        auto value) {
    MadeUp m{
        .name = name, .arms = std::move(arms), .settings = settings, .metrics = metrics, .value = value, .seeds = 3};
    m.steps = 60;
    m.every = 5;
    return m;
  };
  const auto per_head = [](RunSpool& run, const std::string& arm, int seed) {
    for (int layer = 0; layer < 4; ++layer)
      for (int head = 0; head < 4; ++head)
        for (const char* name : {"initial_weight_norm", "update_norm"})
          run.event({{"type", "spectral"},
                     {"step", 10},
                     {"parameter", "layers." + std::to_string(layer) + ".q_proj"},
                     {"head", head},
                     {"values",
                      {{name, 1 + 0.1 * head * (arm == "Pion" && *name == 'u' ? 0.01 : 1) * (1 + 0.3 * layer) +
                                  0.02 * seed}}}});
  };
  const std::vector<std::string> success = {"evaluation/test/success"};
  const auto suites = [](const char* suffix) {
    std::vector<std::map<std::string, std::string>> out;
    for (const char* suite : {"object", "spatial", "goal", "long"})
      out.push_back({{"suite", std::string("vla/") + suite + suffix}});
    return out;
  };
  const std::vector<std::map<std::string, std::string>> one = {{}};

  auto m = with("fig1a", {{"AdamW", "adamw"}}, one,
                std::vector<std::string>{"grad_effective_rank/vision", "grad_effective_rank/language",
                                         "grad_effective_rank/action"},
                [](const Place& p) {
                  const double level = p.metric.ends_with("vision") ? 60 : p.metric.ends_with("language") ? 25 : 5;
                  return level * (1 + 0.3 * std::exp(-p.step / 15.0)) + jitter(p, 0.3);
                });
  add_made_up(store, m);
  m = with("fig1b", {{"AdamW", "adamw"}, {"Muon", "muon"}, {"LRMuon", "lrmuon"}, {"Pion", "pion"}}, one, success,
           [](const Place& p) {
             return share((p.arm == "Muon" ? 0.40 : p.arm == "AdamW" ? 0.44 : 0.7) * p.step / 60.0 + jitter(p, 0.03));
           });
  m.seconds_per_step = [](const std::string& arm) { return arm == "LRMuon" ? 30.0 : 3.0; };
  m.is_run = [](const Place& p) { return !(p.arm == "LRMuon" && p.seed > 0); };
  add_made_up(store, m);
  m = with("fig2a", {{"SFT", "adamw"}, {"GRPO", "adamw"}, {"Control", "frozen"}}, both,
           std::vector<std::string>{"grad_snr"},
           [](const Place& p) { return (p.arm == "SFT" ? 1.5 : 0.05) * std::exp(jitter(p, 0.3)); });
  add_made_up(store, m);
  add_fig2b(store);
  add_fig3(store);
  m = with("fig4a", heads, both, std::vector<std::string>{"loss"}, [](const Place&) { return 1.0; });
  m.more = per_head;
  add_made_up(store, m);
  m = with("fig4b", heads, both, curves, learning);
  m.is_run = [](const Place& p) { return !(p.arm == "Pion per-head" && p.setting.at("auxiliary") == "trained"); };
  add_made_up(store, m);
  m = with("fig5a", three, suites(""), success, [](const Place& p) {
    return share((p.arm == "AdamW" ? 0.4 : p.arm == "Muon" ? 0.8 : 0.9) * p.step / 60.0 + jitter(p, 0.04));
  });
  m.is_run = [](const Place& p) { return !(p.arm == "Muon" && p.setting.at("suite") == "vla/long"); };
  add_made_up(store, m);
  m = with("fig5b", three, one, success, [](const Place& p) {
    return rising(p, 0, p.arm == "AdamW" ? 0.3 : p.arm == "Muon" ? 0.95 : 0.99);
  });
  add_made_up(store, m);
  std::vector<std::map<std::string, std::string>> eight;
  for (const char* suite : {"rlvr/algebra", "rlvr/arith"})
    for (const char* model : {"small", "large"})
      for (const char* algorithm : {"grpo", "gmpo"})
        eight.push_back({{"suite", suite}, {"model", model}, {"algorithm", algorithm}, {"auxiliary", "trained"}});
  auto four = three;
  four.push_back({"Control", "frozen"});
  m = with("fig6", four, eight, curves, learning);
  m.is_run = [](const Place& p) { return p.setting.at("suite") == "rlvr/arith" || p.setting.at("model") == "small"; };
  add_made_up(store, m);
  m = with("fig7", {{"AdamW", "adamw"}, {"Pion", "pion"}}, both, std::vector<std::string>{"grad_snr"},
           [](const Place& p) { return (p.arm == "Pion" ? 0.02 : 0.004) + jitter(p, 0.01); });
  add_made_up(store, m);
  m = with("fig8", {{"AdamW", "adamw"}, {"Pion", "pion"}, {"LPMuon", "lpmuon"}, {"Control", "frozen"}}, both, curves,
           learning);
  add_made_up(store, m);
  std::vector<std::map<std::string, std::string>> splits;
  for (int k = 0; k <= 5; ++k) splits.push_back({{"k_p", std::to_string(k)}});
  m = with("kp", {{"Pion", "pion"}}, splits, curves,
           [](const Place& p) { return rising(p, 0.33, 0.8 - 0.06 * std::stod(p.setting.at("k_p"))); });
  m.is_run = [](const Place& p) { return p.setting.at("k_p") != "4"; };
  add_made_up(store, m);
  std::vector<std::map<std::string, std::string>> categories;
  for (const auto& suite : suites("-plus"))
    for (const char* c : {"none", "background", "camera", "language", "layout", "light", "noise", "robot"}) {
      categories.push_back(suite);
      categories.back()["category"] = c;
    }
  m = with("table1", three, categories, success,
           [](const Place& p) { return share(0.6 + (p.arm == "Pion") * 0.1 + jitter(p, 0.03)); });
  m.every = 60;
  add_made_up(store, m);
  m = with("table3", three, one, success, [](const Place& p) { return share(0.5 + jitter(p)); });
  add_made_up(store, m);
  m = with("table-a5", {{"Pion", "pion"}, {"Pion per-head", "pion"}}, suites(""), success,
           [](const Place& p) { return share(0.8 + jitter(p)); });
  m.every = 60;
  add_made_up(store, m);
  m = with("table-a6", {{"S1"}, {"S2"}, {"S3"}, {"S5"}, {"S7"}, {"S8"}, {"S9"}}, one, success,
           [](const Place& p) { return share(0.5 + jitter(p, 0.1)); });
  m.every = 60;
  add_made_up(store, m);
  std::vector<std::map<std::string, std::string>> grid;
  for (const char* lr : {"3e-05", "0.0001", "0.0003", "0.001", "0.003"})
    for (const char* k_p : {"0", "1", "2", "5"}) grid.push_back({{"lr", lr}, {"k_p", k_p}});
  m = with("sweep-kp-lr", {{"Pion", "pion"}, {"Pion per-head", "pion"}}, grid, curves, [](const Place& p) {
    const double off = std::log10(std::stod(p.setting.at("lr")) / 5e-4) + 0.3 * std::stod(p.setting.at("k_p")) - 0.5;
    return rising(p, 0.33, share(0.85 - 0.5 * off * off));
  });
  m.defaults = {{"lr", 3e-4}};
  m.seeds = 2;
  m.is_run = [](const Place& p) { return !(p.setting.at("lr") == "0.003" && p.setting.at("k_p") == "5"); };
  m.more = [](RunSpool& run, const std::string& arm, int) {
    for (int step = 1; step <= 3; ++step) run.metric(step, "update_rms_over_lr", arm == "Pion" ? 0.15 : 0.3);
  };
  add_made_up(store, m);
}

}  // namespace pionbench::testing
