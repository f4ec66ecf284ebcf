/// Each rule on stores where the answer is known: what must be REPRODUCED, what must DIFFER, what is UNDERPOWERED.

#include "results/claims/claim.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.h"
#include "results/claims/rules.h"
#include "results/stats/random.h"
#include "tests/results/synthetic.h"

namespace pionbench::claims {
namespace {

using namespace pionbench::testing;
using ::testing::HasSubstr;

using Place = MadeUp::Place;

/// Noise of a run: the same for the same arm, setting and seed whatever the step, plus a little at each step.
double noise(const Place& p, double sd = 0.01) {
  stats::Random run(p.arm + Json(p.setting).dump() + std::to_string(p.seed) + p.metric);
  stats::Random step(p.arm + Json(p.setting).dump() + std::to_string(p.seed) + p.metric + std::to_string(p.step));
  return sd * run.normal() + 0.1 * sd * step.normal();
}

/// From `start` to `end` over the 30 steps.
double way(const Place& p, double start, double end) {
  return start + (end - start) * p.step / 30.0 + noise(p);
}

class Claims : public ::testing::Test {
 protected:
  Verdict verdict(const std::string& id) {
    const auto found = finding(id);
    return found.verdict;
  }
  Finding finding(const std::string& id) {
    const auto evidence = gather(store_);
    const Board board(evidence, store_.sittings(), "");
    for (const auto& entry : entries())
      if (entry.id == id) return entry.judge(board);
    throw std::logic_error("no claim " + id);
  }
  /// The same store without what was put into it.
  void clear() {
    store_ = Store(folders_.emplace_back(std::make_unique<TemporaryFolder>())->path(), Store::Mode::kReadWrite);
  }

  std::vector<std::unique_ptr<TemporaryFolder>> folders_;
  TemporaryFolder folder_;
  Store store_{folder_.path(), Store::Mode::kReadWrite};
};

Reference any_reference() {
  Reference out;
  for (const auto& entry : entries()) out[entry.id] = {"a sentence", "a value", "a source", "primary"};
  return out;
}

TEST_F(Claims, OfAnEmptyStoreAreAllNotRunAndSayWhatLacks) {
  const std::vector<Evidence> nothing;
  const auto judged = judge(Board(nothing, {}, ""), any_reference());
  ASSERT_EQ(judged.size(), 29u);
  for (std::size_t i = 0; i < judged.size(); ++i) {
    EXPECT_EQ(judged[i].entry->id, "C" + std::to_string(i + 1));
    EXPECT_EQ(judged[i].finding.verdict, Verdict::kNotRun) << judged[i].entry->id;
    EXPECT_NE(judged[i].finding.why, "") << judged[i].entry->id;
    EXPECT_EQ(judged[i].finding.ours, "") << judged[i].entry->id;
  }
  EXPECT_EQ(exit_code(judged), 3);
}

TEST_F(Claims, OfTheMapsAreComputedExactly) {
  add_fig3(store_);
  for (const char* id : {"C1", "C2", "C3", "C4"}) {
    EXPECT_EQ(verdict(id), Verdict::kReproduced) << id << finding(id).ours;
    EXPECT_EQ(finding(id).n, 0);
  }
  EXPECT_THAT(finding("C3").ours, HasSubstr("[0.682, 1.134]"));
  EXPECT_THAT(finding("C4").ours, HasSubstr("0.416 to 0.576"));  // k_p 1, on a grid of 0.002
}

TEST_F(Claims, OfTheMapsDifferWhenOneCoefficientIsWrong) {
  add_fig3(store_, -4.5750, 0.395, 0.02);
  EXPECT_EQ(verdict("C2"), Verdict::kDiffers) << finding("C2").ours;
  EXPECT_EQ(verdict("C1"), Verdict::kDiffers);
  EXPECT_EQ(verdict("C3"), Verdict::kDiffers);
}

TEST_F(Claims, C5ComparesTimesOfTheNewestSittingThatHasThem) {
  const auto sitting = [&](const char* name, double pion, double per_head, double spread = 1) {
    Sitting s{name, name, "r", "machine", {}, {}};
    const auto times = [&](double level) {
      return std::vector<double>{level - spread, level, level + spread, level + 0.5 * spread, level - 0.5 * spread};
    };
    s.series = {{"step/qwen3/muon:real_time", "us", times(100)},
                {"step/qwen3/pion:real_time", "us", times(pion)},
                {"step/qwen3/pion/per-head:real_time", "us", times(per_head)}};
    store_.record_sitting(s);
  };
  sitting("1", 101, 101);
  EXPECT_EQ(verdict("C5"), Verdict::kReproduced) << finding("C5").ours;
  sitting("2", 101, 130);
  EXPECT_EQ(verdict("C5"), Verdict::kDiffers) << finding("C5").ours;
  EXPECT_THAT(finding("C5").why, HasSubstr("slower"));
  sitting("2a", 20, 20);  // cheaper than claimed is not "within noise" either
  EXPECT_EQ(verdict("C5"), Verdict::kDiffers) << finding("C5").ours;
  EXPECT_THAT(finding("C5").why, HasSubstr("faster"));
  sitting("3", 101, 101, 20);
  EXPECT_EQ(verdict("C5"), Verdict::kUnderpowered) << finding("C5").ours;
}

// --- reinforcement learning ----------------------------------------------------------------------------------------

struct Ends {
  double adamw = 0.84, muon = 0.015, pion = 0.78, per_head = 0.90, per_head_muon = 0.02;
  double muon_early = 0.05;
  int seeds = 3;
};

MadeUp small_panel(const Ends& ends) {
  MadeUp m{.name = "fig2b"};
  const std::string whole = "whole", heads = "per-head";
  m.arms = {{"AdamW", "adamw"},
            {"Muon, scale 5", "muon", {{"update_scale", 5.0}, {"heads", whole}}},
            {"Muon, scale 0.2", "muon", {{"update_scale", 0.2}, {"heads", whole}}},
            {"Muon per-head", "muon", {{"update_scale", 5.0}, {"heads", heads}}},
            {"Pion", "pion", {{"heads", whole}, {"k_p", std::int64_t{0}}}},
            {"Pion per-head", "pion", {{"heads", heads}, {"k_p", std::int64_t{0}}}}};
  m.settings = {{{"auxiliary", "frozen"}}, {{"auxiliary", "trained"}}};
  m.metrics = {"evaluation/test/sampled", "evaluation/validation/sampled"};
  m.seeds = ends.seeds;
  m.value = [ends](const Place& p) {
    if (p.arm == "Muon, scale 5" || p.arm == "Muon per-head") {
      if (p.step == 0) return 0.33 + noise(p);
      if (p.step < 30) return ends.muon_early + noise(p);
      return std::max(0.0, (p.arm == "Muon per-head" ? ends.per_head_muon : ends.muon) + noise(p));
    }
    return way(p, 0.33,
               p.arm == "AdamW"           ? ends.adamw
               : p.arm == "Pion"          ? ends.pion
               : p.arm == "Pion per-head" ? ends.per_head
                                          : 0.81);
  };
  return m;
}

TEST_F(Claims, OfASmallPanelAreReproducedWhereTheDataShowThem) {
  add_made_up(store_, small_panel({}));
  for (const char* id : {"C12", "C13", "C14", "C15"})
    EXPECT_EQ(verdict(id), Verdict::kReproduced) << id << ": " << finding(id).ours << "; " << finding(id).why;
  EXPECT_EQ(finding("C13").n, 6);
  EXPECT_EQ(finding("C13").runs.size(), 6u);
  EXPECT_EQ(finding("C13").scale, "quick");
}

TEST_F(Claims, C12LooksAtTheFallAndNamesARiseBeforeIt) {
  auto m = small_panel({});
  const auto before = m.value;
  // Up first, as measured at the quick scale: 0.33, 0.6, 0.1, 0.015.
  m.value = [=](const Place& p) { return p.arm == "Muon, scale 5" && p.step == 10 ? 0.6 + noise(p) : before(p); };
  add_made_up(store_, m);
  EXPECT_EQ(verdict("C12"), Verdict::kReproduced) << finding("C12").ours << "; " << finding("C12").why;
  EXPECT_THAT(finding("C12").ours, HasSubstr("at step 10 first; below its start from evaluation 2 of 3 on"));
  clear();
  // Late: above its start at the third evaluation, though it ends near 0, as measured at the quick scale.
  m.steps = 60;
  m.value = [=](const Place& p) {
    if (p.arm != "Muon, scale 5") return before(p);
    return (p.step == 0 ? 0.33 : p.step <= 30 ? 0.6 : 0.015) + noise(p);
  };
  add_made_up(store_, m);
  EXPECT_EQ(verdict("C12"), Verdict::kDiffers) << finding("C12").ours;
  EXPECT_THAT(finding("C12").ours, HasSubstr("below its start from evaluation 4 of 6 on"));
}

TEST_F(Claims, OfASmallPanelDifferWhereTheDataShowTheContrary) {
  add_made_up(store_, small_panel({.adamw = 0.2, .muon = 0.8, .pion = 0.78, .per_head = 0.1, .per_head_muon = 0.5}));
  for (const char* id : {"C12", "C13", "C14", "C15"})
    EXPECT_EQ(verdict(id), Verdict::kDiffers) << id << ": " << finding(id).ours << "; " << finding(id).why;
}

TEST_F(Claims, C15DiffersWhereOnlyOneOfItsHalvesDoes) {
  add_made_up(store_, small_panel({.per_head = 0.79}));  // as measured at the quick scale: below AdamW
  EXPECT_EQ(verdict("C15"), Verdict::kDiffers);
}

TEST_F(Claims, AreUnderpoweredWithTooFewRunsWhateverTheDataLookLike) {
  add_made_up(store_, small_panel({.seeds = 2}));  // four pairs: the least p is 0.125
  EXPECT_EQ(verdict("C13"), Verdict::kUnderpowered);
  EXPECT_THAT(finding("C13").why, HasSubstr("so few runs cannot reach 0.05"));
  EXPECT_TRUE(finding("C13").detectable);
}

TEST_F(Claims, SayWhichArmLacks) {
  auto m = small_panel({});
  std::erase_if(m.arms, [](const auto& arm) { return arm.name == "Muon per-head"; });
  add_made_up(store_, m);
  EXPECT_EQ(verdict("C14"), Verdict::kNotRun);
  EXPECT_THAT(finding("C14").why, HasSubstr("no arm like Muon at the released scale, per-head"));
  EXPECT_EQ(verdict("C12"), Verdict::kReproduced);
}

MadeUp snr(const std::string& name, const std::string& high, const std::string& low, double lead, double sd = 0.01) {
  MadeUp m{.name = name, .arms = {{high}, {low}}, .metrics = {"grad_snr"}};
  m.value = [=](const Place& p) { return 0.5 + (p.arm == high ? lead : 0) + noise(p, sd); };
  return m;
}

TEST_F(Claims, OfEveryStepNeedEveryStep) {
  add_made_up(store_, snr("fig2a", "SFT", "GRPO", 0.2));
  add_made_up(store_, snr("fig7", "Pion", "AdamW", 0.2));
  EXPECT_EQ(verdict("C11"), Verdict::kReproduced) << finding("C11").ours;
  EXPECT_EQ(verdict("C23"), Verdict::kReproduced);
  clear();
  auto crossing = snr("fig2a", "SFT", "GRPO", 0.2);
  crossing.value = [](const Place& p) { return 0.5 + (p.arm == "SFT" ? 0.2 - 0.02 * p.step : 0) + noise(p); };
  add_made_up(store_, crossing);
  EXPECT_EQ(verdict("C11"), Verdict::kDiffers) << finding("C11").ours;
  EXPECT_THAT(finding("C11").why, HasSubstr("behind at step"));
  clear();
  add_made_up(store_, snr("fig2a", "SFT", "GRPO", 0.005, 0.05));
  EXPECT_EQ(verdict("C11"), Verdict::kUnderpowered) << finding("C11").ours;
}

TEST_F(Claims, C16ComparesHeadsOfUpdates) {
  const auto panel = [&](double whole_spread, double per_head_spread, bool with_norms) {
    auto m = small_panel({});
    m.seeds = 6;
    m.more = [=](RunSpool& run, const std::string& arm, int seed) {
      const double spread = arm == "Pion" ? whole_spread : per_head_spread;
      for (int layer = 0; layer < 3; ++layer)
        for (int head = 0; head < 4; ++head) {
          Json values = {{"update_norm", 1 + spread * (head + 0.01 * seed)}};
          if (with_norms) values["initial_weight_norm"] = 3 + 0.1 * head;
          run.event({{"type", "spectral"},
                     {"step", 10},
                     {"parameter", "layers." + std::to_string(layer) + ".q_proj"},
                     {"head", head},
                     {"values", values}});
        }
    };
    add_made_up(store_, m);
  };
  panel(1e-4, 0.1, true);
  EXPECT_EQ(verdict("C16"), Verdict::kReproduced) << finding("C16").ours << finding("C16").why;
  clear();
  panel(0.1, 0.1, true);
  EXPECT_EQ(verdict("C16"), Verdict::kDiffers) << finding("C16").ours;
  clear();
  panel(1e-4, 0.1, false);
  EXPECT_EQ(verdict("C16"), Verdict::kNotRun);
  EXPECT_THAT(finding("C16").why, HasSubstr("initial_weight_norm"));
}

MadeUp eight_panels(double pion, double muon_at_worst, double pion_at_worst, double sd = 0.01, int seeds = 3) {
  MadeUp m{.name = "fig6", .arms = {{"AdamW"}, {"Muon", "muon"}, {"Pion", "pion"}}};
  for (const char* algorithm : {"grpo", "gmpo"})
    for (const char* model : {"small", "large"})
      for (const char* data : {"arith", "algebra"})
        m.settings.push_back({{"algorithm", algorithm}, {"model", model}, {"data", data}});
  m.settings.erase(m.settings.begin());
  m.metrics = {"evaluation/test/sampled", "evaluation/validation/sampled"};
  m.seeds = seeds;
  m.every = 5;
  m.value = [=](const Place& p) {
    const bool is_worst =
        p.setting == std::map<std::string, std::string>{{"algorithm", "gmpo"}, {"data", "algebra"}, {"model", "large"}};
    const double end = p.arm == "AdamW"  ? 0.80
                       : p.arm == "Pion" ? (is_worst ? pion_at_worst : pion)
                                         : (is_worst ? muon_at_worst : 0.01);
    return 0.33 + (end - 0.33) * p.step / 30.0 + (p.step ? noise(p, sd) : 0.0);
  };
  return m;
}

TEST_F(Claims, OfAllPanelsNeedAllPanels) {
  add_made_up(store_, eight_panels(0.95, 0.01, 0.95));
  EXPECT_EQ(verdict("C21"), Verdict::kReproduced) << finding("C21").ours << finding("C21").why;
  EXPECT_EQ(verdict("C22"), Verdict::kReproduced) << finding("C22").ours << finding("C22").why;
  EXPECT_EQ(finding("C22").n, 24);
  clear();
  add_made_up(store_, eight_panels(0.95, 0.5, 0.6));  // one panel of eight has it the other way round
  EXPECT_EQ(verdict("C21"), Verdict::kDiffers) << finding("C21").ours;
  EXPECT_EQ(verdict("C22"), Verdict::kDiffers) << finding("C22").ours;
  clear();
  add_made_up(store_, eight_panels(0.80, 0.01, 0.80, 0.2, 1));
  EXPECT_EQ(verdict("C22"), Verdict::kUnderpowered) << finding("C22").ours;
}

TEST_F(Claims, C24IsAnEquivalence) {
  const auto course = [&](double end, double sd, int seeds = 6) {
    MadeUp m{
        .name = "fig8", .arms = {{"LPMuon", "muon"}}, .metrics = {"evaluation/validation/sampled"}, .seeds = seeds};
    m.value = [=](const Place& p) { return 0.33 + (end - 0.33) * p.step / 30.0 + noise(p, sd); };
    add_made_up(store_, m);
  };
  course(0.33, 0.01);
  EXPECT_EQ(verdict("C24"), Verdict::kReproduced) << finding("C24").why;
  clear();
  course(0.8, 0.01);
  EXPECT_EQ(verdict("C24"), Verdict::kDiffers);
  clear();
  course(0.33, 1, 3);
  EXPECT_EQ(verdict("C24"), Verdict::kUnderpowered);
}

TEST_F(Claims, C25ComparesTheBestOfEachHalf) {
  const auto sweep = [&](int best) {
    MadeUp m{.name = "kp", .metrics = {"evaluation/test/sampled"}};
    for (int k = 0; k <= 5; ++k) m.arms.push_back({"k_p " + std::to_string(k), "pion", {{"k_p", std::int64_t{k}}}});
    m.value = [=](const Place& p) { return way(p, 0.3, p.arm == "k_p " + std::to_string(best) ? 0.9 : 0.7); };
    add_made_up(store_, m);
  };
  sweep(1);
  EXPECT_EQ(verdict("C25"), Verdict::kReproduced) << finding("C25").ours;
  EXPECT_THAT(finding("C25").ours, HasSubstr("k_p 1"));
  clear();
  sweep(4);
  EXPECT_EQ(verdict("C25"), Verdict::kDiffers);
}

// --- robots --------------------------------------------------------------------------------------------------------

/// Arms with a success rate each, over settings.
MadeUp robots(const std::string& name, const std::map<std::string, double>& success,
              std::vector<std::map<std::string, std::string>> settings = {{}}, int seeds = 6) {
  MadeUp m{.name = name, .settings = std::move(settings), .metrics = {"evaluation/test/success"}, .seeds = seeds};
  for (const auto& [arm, rate] : success) m.arms.push_back({arm});
  m.value = [success](const Place& p) { return success.at(p.arm) * p.step / 30.0 + (p.step ? noise(p) : 0.0); };
  return m;
}

TEST_F(Claims, OfTheActionHead) {
  auto m = robots("fig1b", {{"AdamW", 0.44}, {"Muon", 0.40}, {"Pion", 0.74}, {"LRMuon", 0.60}});
  m.seconds_per_step = [](const std::string& arm) { return arm == "LRMuon" ? 12.0 : 1.0; };
  add_made_up(store_, m);
  for (const char* id : {"C8", "C9", "C10"}) EXPECT_EQ(verdict(id), Verdict::kReproduced) << id << finding(id).ours;
  clear();
  m = robots("fig1b", {{"AdamW", 0.10}, {"Muon", 0.54}, {"Pion", 0.05}, {"LRMuon", 0.14}});
  add_made_up(store_, m);
  for (const char* id : {"C8", "C9", "C10"}) EXPECT_EQ(verdict(id), Verdict::kDiffers) << id << finding(id).ours;
}

TEST_F(Claims, OfTheSuites) {
  const std::vector<std::map<std::string, std::string>> suites = {
      {{"suite", "goal"}}, {{"suite", "long"}}, {{"suite", "object"}}, {{"suite", "spatial"}}};
  add_made_up(store_, robots("fig5a", {{"AdamW", 0.7}, {"Muon", 0.85}, {"Pion", 0.95}}, suites, 3));
  EXPECT_EQ(verdict("C17"), Verdict::kReproduced) << finding("C17").ours << finding("C17").why;
  clear();
  auto m = robots("fig5a", {{"AdamW", 0.7}, {"Muon", 0.85}, {"Pion", 0.95}}, suites, 3);
  const auto before = m.value;
  m.value = [before](const Place& p) {  // Pion fails one suite
    return p.arm == "Pion" && p.setting.at("suite") == "long" ? 0.5 * before(p) : before(p);
  };
  add_made_up(store_, m);
  EXPECT_EQ(verdict("C17"), Verdict::kDiffers) << finding("C17").ours;
  EXPECT_THAT(finding("C17").why, HasSubstr("the other way round at suite long"));
  clear();
  add_made_up(store_, robots("fig5a", {{"AdamW", 0.84}, {"Muon", 0.85}, {"Pion", 0.86}}, suites, 1));
  EXPECT_EQ(verdict("C17"), Verdict::kUnderpowered);
}

TEST_F(Claims, C18LooksAtAThirdOfTheStepsAndAtTheEnd) {
  const auto course = [&](double early, double end, double adamw) {
    MadeUp m{.name = "fig5b", .arms = {{"AdamW"}, {"Pion"}}, .metrics = {"evaluation/test/success"}};
    m.value = [=](const Place& p) {
      if (p.arm == "AdamW") return adamw * p.step / 30.0 + (p.step ? noise(p) : 0.0);
      return std::min(1.0, p.step == 10 ? early + noise(p, 0.003) : p.step == 0 ? 0.0 : end);
    };
    add_made_up(store_, m);
  };
  course(0.97, 1.0, 0.2);
  EXPECT_EQ(verdict("C18"), Verdict::kReproduced) << finding("C18").ours << finding("C18").why;
  clear();
  course(0.5, 0.8, 0.2);
  EXPECT_EQ(verdict("C18"), Verdict::kDiffers) << finding("C18").ours;
}

TEST_F(Claims, OfTheColumns) {
  const std::vector<std::string> categories = {"background", "camera", "language", "layout", "light", "noise", "robot"};
  const auto table = [&](const std::map<std::string, double>& leads) {
    MadeUp m{.name = "table1", .arms = {{"AdamW"}, {"Muon"}, {"Pion"}}, .metrics = {"evaluation/test/success"}};
    m.settings.clear();
    for (const auto& category : categories) m.settings.push_back({{"category", category}});
    m.value = [=](const Place& p) {
      const double lead = leads.contains(p.setting.at("category")) ? leads.at(p.setting.at("category")) : 0.02;
      return (p.arm == "AdamW" ? 0.4 : p.arm == "Muon" ? 0.6 : 0.6 + lead) + noise(p, 0.004);
    };
    add_made_up(store_, m);
  };
  table({{"language", 0.20}, {"noise", 0.14}, {"robot", 0.08}});
  EXPECT_EQ(verdict("C19"), Verdict::kReproduced) << finding("C19").ours << finding("C19").why;
  EXPECT_EQ(verdict("C20"), Verdict::kReproduced) << finding("C20").ours << finding("C20").why;
  clear();
  table({{"language", 0.02}, {"noise", 0.14}, {"robot", 0.20}, {"camera", -0.2}});
  EXPECT_EQ(verdict("C19"), Verdict::kDiffers) << finding("C19").ours;
  EXPECT_EQ(verdict("C20"), Verdict::kDiffers) << finding("C20").ours;
}

TEST_F(Claims, OfHeadsAndModalities) {
  add_made_up(store_, robots("table-a5", {{"Pion", 0.9725}, {"Pion per-head", 0.9685}}, {{}}, 8));
  add_made_up(store_, robots("table-a6", {{"S1", 0.436}, {"S5", 0.738}, {"S7", 0.178}, {"S8", 0.97}, {"S9", 1.0}}));
  for (const char* id : {"C26", "C27", "C29"}) EXPECT_NE(verdict(id), Verdict::kDiffers) << id << finding(id).ours;
  EXPECT_EQ(verdict("C27"), Verdict::kReproduced) << finding("C27").ours;
  EXPECT_EQ(verdict("C29"), Verdict::kReproduced) << finding("C29").ours << finding("C29").why;
  clear();
  add_made_up(store_, robots("table-a5", {{"Pion", 0.7}, {"Pion per-head", 0.9}}));
  add_made_up(store_, robots("table-a6", {{"S1", 0.5}, {"S5", 0.3}, {"S7", 0.9}, {"S8", 0.4}, {"S9", 0.2}}));
  for (const char* id : {"C26", "C27", "C29"}) EXPECT_EQ(verdict(id), Verdict::kDiffers) << id << finding(id).ours;
}

TEST_F(Claims, OfTheRobotAreJudgedInSimulationAndSaySo) {
  // 30 trials of each of three tasks; the successes of an arm at each, by seed a trial more or less.
  const auto robot = [&](const std::map<std::string, std::array<int, 3>>& successes) {
    MadeUp m{.name = "table3", .arms = {{"AdamW"}, {"Muon"}, {"Pion"}}, .metrics = {"evaluation/test/success"}};
    m.value = [](const Place&) { return 0.5; };
    m.more = [=](RunSpool& run, const std::string& arm, int seed) {
      Json items = Json::array();
      for (int i = 0; i < 90; ++i) {
        const int task = i / 30;
        const double success = i % 30 < successes.at(arm).at(static_cast<std::size_t>(task)) + seed % 2;
        items.push_back({{"item", i}, {"values", {{"task", task}, {"success", success}}}});
      }
      run.event(
          {{"type", "evaluation"}, {"step", 30}, {"split", "test"}, {"values", {{"success", 0.5}}}, {"items", items}});
    };
    add_made_up(store_, m);
  };
  robot({{"AdamW", {6, 10, 12}}, {"Muon", {8, 10, 17}}, {"Pion", {24, 25, 28}}});  // as published
  EXPECT_EQ(verdict("C28"), Verdict::kReproduced) << finding("C28").ours << finding("C28").why;
  EXPECT_THAT(finding("C28").why, HasSubstr("no robot was moved"));
  EXPECT_THAT(finding("C28").ours, HasSubstr("in simulation"));
  clear();
  robot({{"AdamW", {6, 10, 12}}, {"Muon", {8, 10, 17}}, {"Pion", {14, 16, 20}}});
  EXPECT_EQ(verdict("C28"), Verdict::kDiffers) << "ahead, but by 16 points and not by 40: " << finding("C28").ours;
  clear();
  robot({{"AdamW", {6, 10, 12}}, {"Muon", {8, 25, 17}}, {"Pion", {24, 15, 28}}});
  EXPECT_EQ(verdict("C28"), Verdict::kDiffers) << "behind at one task: " << finding("C28").ours;
}

TEST_F(Claims, OfRanks) {
  const auto ranks = [&](double vision, double language, double share, double sd) {
    MadeUp m{.name = "fig1a", .arms = {{"AdamW"}}};
    m.metrics = {"grad_effective_rank/vision", "grad_effective_rank/language", "grad_effective_rank/action",
                 "grad_effective_rank_share/action"};
    m.value = [=](const Place& p) {
      if (p.metric.ends_with("vision")) return vision + noise(p, sd);
      if (p.metric.ends_with("language")) return language + noise(p, sd);
      return p.metric.ends_with("share/action") ? share + noise(p, sd / 100) : 5 + noise(p, sd);
    };
    add_made_up(store_, m);
  };
  ranks(300, 50, 0.05, 0.5);
  EXPECT_EQ(verdict("C6"), Verdict::kReproduced) << finding("C6").ours;
  EXPECT_EQ(verdict("C7"), Verdict::kReproduced) << finding("C7").ours;
  clear();
  ranks(6, 12, 0.3, 0.5);
  EXPECT_EQ(verdict("C6"), Verdict::kDiffers) << finding("C6").ours;
  EXPECT_EQ(verdict("C7"), Verdict::kDiffers);
}

// --- all of them ---------------------------------------------------------------------------------------------------

TEST(ClaimRules, ClaimAnAdvantageWronglyAtMostAtTheirLevel) {
  Evidence evidence;
  stats::Random random("null");
  constexpr int kTrials = 1500;
  int reproduced = 0, contradicted = 0, found = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    evidence.digest = std::to_string(trial);
    Group a{.label = "a", .evidence = &evidence}, b{.label = "b", .evidence = &evidence}, better = a;
    for (const char* setting : {"one", "two"})
      for (const char* seed : {"0", "1", "2", "3"}) {
        a.values[setting][seed] = 0.7 + 0.05 * random.normal();
        b.values[setting][seed] = 0.7 + 0.05 * random.normal();
        better.values[setting][seed] = a.values[setting][seed] + 0.12;
      }
    const auto verdict = superior(a, b).verdict;
    reproduced += verdict == Verdict::kReproduced;
    contradicted += superior(better, b).verdict == Verdict::kDiffers;
    found += superior(better, b).verdict == Verdict::kReproduced;
  }
  // One side of a two-sided test at 0.05.
  EXPECT_LE(reproduced / static_cast<double>(kTrials), 0.025 + 4 * std::sqrt(.025 * .975 / kTrials));
  EXPECT_LE(contradicted, kTrials / 200);
  EXPECT_GT(found, kTrials * 0.8);
}

TEST_F(Claims, LargestScaleWithResultsIsJudgedUnlessOneIsNamed) {
  auto desk = small_panel({.adamw = 0.2});
  desk.scale = "desk";
  add_made_up(store_, small_panel({}));
  add_made_up(store_, desk);
  EXPECT_EQ(finding("C13").scale, "desk");
  EXPECT_EQ(verdict("C13"), Verdict::kDiffers);
  const auto evidence = gather(store_);
  EXPECT_EQ(judge_c13(Board(evidence, {}, "quick")).verdict, Verdict::kReproduced);
  EXPECT_EQ(judge_c13(Board(evidence, {}, "paper")).verdict, Verdict::kNotRun);
}

TEST_F(Claims, ReportsNameEverything) {
  add_made_up(store_, small_panel({}));
  const auto evidence = gather(store_);
  const auto judged = judge(Board(evidence, {}, ""), any_reference(), {"C12", "C13"});
  ASSERT_EQ(judged.size(), 2u);
  EXPECT_EQ(exit_code(judged), 0);
  const Json rows = to_json(judged);
  for (const char* key : {"id", "sentence", "rule", "verdict", "paper", "ours", "interval", "n", "mde", "runs", "why"})
    EXPECT_TRUE(rows[1].contains(key)) << key;
  EXPECT_THAT(to_markdown(judged), HasSubstr("2 REPRODUCED, 0 DIFFERS, 0 UNDERPOWERED, 0 NOT RUN"));
  EXPECT_THAT(to_plain(judged), HasSubstr("fig2b (quick)"));
  EXPECT_THROW(judge(Board(evidence, {}, ""), any_reference(), {"C99"}), UserError);
}

}  // namespace
}  // namespace pionbench::claims
