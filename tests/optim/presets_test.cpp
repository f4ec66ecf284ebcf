/// Every released convention, written out once more from the released files: optimizer, preset, what it must expand to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"
#include "tests/optim/spectra.h"

namespace pionbench::optim {
namespace {

using namespace std::string_literals;

struct Released {
  const char* optimizer;
  const char* preset;
  double lr, decay;
  bool nesterov;
  const char* momentum_rule;
  double scale;
  const char* scale_rule;
  double eps;
  const char* eps_rule;
  double aux_lr, aux_beta2, aux_eps;
  Values more;
};

const std::vector<Released>& released() {
  const Values muon = {{"coefficients", "muon"s}};
  const Values kp0 = {{"k_p", std::int64_t{0}}};
  const Values pe = {{"coefficients", "polar-express"s}};
  const auto with = [](Values a, const Values& b) {
    a.insert(b.begin(), b.end());
    return a;
  };
  static const std::vector<Released> rows = {
      // Muon
      {"muon", "keller-jordan", 0.02, 0.0, true, "ema", 1.0, "sqrt_ratio", 1e-7, "add", 3e-4, 0.95, 1e-10, muon},
      {"muon", "torch", 1e-3, 0.1, true, "ema", 1.0, "sqrt_ratio", 1e-7, "max", 1e-3, 0.999, 1e-8, muon},
      {"muon", "torch-match-rms", 1e-3, 0.1, true, "ema", 0.2, "sqrt_max", 1e-7, "max", 1e-3, 0.999, 1e-8, muon},
      {"muon", "moonlight", 1e-3, 0.1, true, "sum", 0.2, "sqrt_max", 1e-7, "add", 1e-3, 0.95, 1e-8, muon},
      {"muon", "dion", 0.01, 0.01, false, "sum", 1.0, "sqrt_aspect", 1e-8, "add", 0.01, 0.95, 1e-8, pe},
      {"muon", "pion-release", 0.02, 0.01, true, "ema", 2.0, "sqrt_max", 1e-7, "add", 0.02, 0.999, 1e-8, muon},
      {"muon", "pion-rl", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8, muon},
      {"muon", "pion-vla", 1e-4, 0.01, true, "ema", 0.2, "sqrt_max", 1e-7, "add", 1e-4, 0.999, 1e-8, muon},
      {"muon", "pion-vlanext", 1e-4, 0.01, true, "ema", 0.2, "sqrt_max", 1e-7, "add", 1e-5, 0.999, 1e-8, muon},
      {"muon", "pion-openpi", 2.5e-5, 0.01, false, "ema", 2.0, "sqrt_max", 1e-7, "add", 2.5e-5, 0.999, 1e-8, muon},
      {"muon", "MuonAdamW", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8,
       with(muon, {{"heads", "whole"s}})},
      {"muon", "PerHeadMuonAdamW", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8,
       with(muon, {{"heads", "per-head"s}})},
      // Pion
      {"pion", "pion-release", 0.02, 0.01, true, "ema", 2.0, "sqrt_max", 1e-7, "add", 0.02, 0.999, 1e-8, kp0},
      {"pion", "pion-rl", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8, kp0},
      {"pion", "pion-vla", 1e-4, 0.01, true, "ema", 0.2, "sqrt_max", 1e-7, "add", 1e-4, 0.999, 1e-8, kp0},
      {"pion", "pion-vlanext", 1e-4, 0.01, true, "ema", 0.2, "sqrt_max", 1e-7, "add", 1e-5, 0.999, 1e-8, kp0},
      {"pion", "pion-openpi", 2.5e-5, 0.01, false, "ema", 2.0, "sqrt_max", 1e-7, "add", 2.5e-5, 0.999, 1e-8, kp0},
      {"pion", "DefaultPionAdamW", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8,
       with(kp0, {{"heads", "whole"s}})},
      {"pion", "PerHeadPionAdamW", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8,
       with(kp0, {{"heads", "per-head"s}})},
      // Relatives
      {"lowrank_muon",
       "pion-release",
       0.02,
       0.01,
       true,
       "ema",
       2.0,
       "sqrt_max",
       1e-7,
       "add",
       0.02,
       0.999,
       1e-8,
       {{"rank", std::int64_t{128}}, {"method", "svd"s}}},
      {"lowrank_muon",
       "low-rank-muon",
       0.02,
       0.01,
       true,
       "ema",
       1.0,
       "sqrt_ratio",
       1e-7,
       "add",
       0.02,
       0.999,
       1e-8,
       {{"rank", std::int64_t{200}}, {"method", "sketch"s}}},
      {"lpmuon", "pion-rl", 1e-6, 0.01, false, "ema", 5.0, "sqrt_max", 1e-7, "add", 1e-6, 0.999, 1e-8, {}},
      {"normuon", "normuon", 0.02, 0.0, true, "ema", 1.0, "sqrt_ratio", 1e-7, "add", 3e-4, 0.95, 1e-10,
       with(muon, {{"beta2", 0.95}, {"row_eps", 1e-10}})},
      {"normuon", "dion", 0.01, 0.01, false, "sum", 1.0, "sqrt_aspect", 1e-8, "add", 0.01, 0.95, 1e-8,
       with(pe, {{"beta2", 0.95}, {"row_eps", 1e-8}})},
      {"dynmuon",
       "dynmuon",
       0.01,
       0.01,
       false,
       "sum",
       1.0,
       "sqrt_aspect",
       1e-8,
       "add",
       0.01,
       0.95,
       1e-8,
       {{"transform", "released"s},
        {"p_max", 1.0},
        {"p_min", -0.25},
        {"p_centre", 0.02},
        {"p_width", 0.08},
        {"coefficients", "you"s}}},
      {"dynmuon",
       "dynmuon-readme",
       0.01,
       0.01,
       false,
       "sum",
       1.0,
       "sqrt_aspect",
       1e-8,
       "add",
       0.01,
       0.95,
       1e-8,
       {{"transform", "released"s},
        {"p_max", 1.0},
        {"p_min", -0.25},
        {"p_centre", 0.04},
        {"p_width", 0.04},
        {"coefficients", "you"s}}},
      {"dynmuon",
       "dynmuon-speedrun",
       0.02,
       0.025,
       true,
       "sum",
       1.0,
       "sqrt_ratio",
       1e-7,
       "add",
       0.02,
       0.999,
       1e-8,
       {{"transform", "taylor"s},
        {"p_max", 0.25},
        {"p_min", -0.25},
        {"p_centre", 0.04},
        {"p_width", 0.04},
        {"coefficients", "dynmuon"s},
        {"ns_steps", std::int64_t{12}}}},
  };
  return rows;
}

TEST(Presets, ExpandToWhatTheReleasedFilesSay) {
  for (const auto& row : released()) {
    const std::string where = row.optimizer + " "s + row.preset;
    const auto values = find_optimizer(row.optimizer).info.table.resolve({{"preset", std::string(row.preset)}});
    const auto real = [&](const char* name, double expected) {
      EXPECT_NEAR(get_real(values, name), expected, 1e-12 * std::abs(expected)) << where << " " << name;
    };
    real("lr", row.lr);
    real("weight_decay", row.decay);
    real("momentum", 0.95);
    real("update_scale", row.scale);
    real("eps", row.eps);
    real("aux_beta1", 0.9);
    real("aux_beta2", row.aux_beta2);
    real("aux_eps", row.aux_eps);
    EXPECT_NEAR(get_real(values, "lr") * get_real(values, "aux_lr_ratio"), row.aux_lr, 1e-12) << where;
    EXPECT_EQ(get_bool(values, "nesterov"), row.nesterov) << where;
    EXPECT_EQ(get_text(values, "momentum_rule"), row.momentum_rule) << where;
    EXPECT_EQ(get_text(values, "scale_rule"), row.scale_rule) << where;
    EXPECT_EQ(get_text(values, "eps_rule"), row.eps_rule) << where;
    EXPECT_EQ(get_text(values, "precision"), "bfloat16") << where;
    if (values.contains("ns_steps") && !row.more.contains("ns_steps")) {
      EXPECT_EQ(get_int(values, "ns_steps"), 5) << where;
    }
    for (const auto& [name, value] : row.more)
      EXPECT_EQ(to_text(values.at(name)), to_text(value)) << where << " " << name;
  }
}

TEST(Presets, EveryPresetOfAMatrixOptimizerStandsInTheTableAboveOrIsAPlainPionOne) {
  for (const auto& entry : registry())
    for (const auto& set : entry.info.table.bundle_sets)
      for (const auto& bundle : set.bundles) {
        const bool listed = std::any_of(released().begin(), released().end(), [&](const Released& row) {
          return row.optimizer == entry.info.name && row.preset == bundle.name;
        });
        const bool plain =
            bundle.name.starts_with("pion-") &&
            (entry.info.name == "lowrank_muon" || entry.info.name == "lpmuon" || entry.info.name == "modules");
        EXPECT_TRUE(listed || plain || entry.info.name == "dion") << entry.info.name << " " << bundle.name;
      }
}

TEST(Presets, NeverDependOnADefaultThatAnotherPresetOfTheSameOptimizerSets) {
  for (const auto& entry : registry())
    for (const auto& set : entry.info.table.bundle_sets)
      for (const auto& bundle : set.bundles)
        for (const auto& other : set.bundles)
          for (const auto& [name, value] : other.values)
            if (name != "heads") {
              EXPECT_TRUE(bundle.values.contains(name))
                  << entry.info.name << ": " << bundle.name << " leaves " << name << " open";
            }
}

TEST(Presets, TheFusedClassesSplitHeadsAndGiveTheRestToAdamW) {
  torch::manual_seed(3);
  const auto make = [](std::vector<std::int64_t> shape) { return torch::randn(shape).set_requires_grad(true); };
  for (const auto& [optimizer, whole, per_head] : {std::tuple{"muon", "MuonAdamW", "PerHeadMuonAdamW"},
                                                   std::tuple{"pion", "DefaultPionAdamW", "PerHeadPionAdamW"}})
    for (const bool split : {false, true}) {
      std::vector<Parameter> model = {{"q", make({24, 16}), Role::kHeadsOut, Modality::kLanguage, 4},
                                      {"up", make({20, 16}), Role::kMatrix, Modality::kLanguage},
                                      {"embed", make({10, 16}), Role::kEmbedding, Modality::kLanguage},
                                      {"norm", make({16}), Role::kVector, Modality::kLanguage}};
      std::vector<torch::Tensor> before;
      for (auto& p : model) {
        before.push_back(p.tensor.detach().clone());
        p.tensor.mutable_grad() = torch::randn_like(p.tensor);
        // One direction strong enough for k_p = 0 to pass it, in each head and in the whole.
        if (p.tensor.dim() == 2) p.tensor.mutable_grad() += 20;
      }
      const auto fused = make_optimizer(
          optimizer, model, {{"preset", std::string(split ? per_head : whole)}, {"lr", 0.01}, {"weight_decay", 0.0}});
      fused->step();
      EXPECT_EQ(fused->owner(model[1].tensor), "matrix");
      EXPECT_EQ(fused->owner(model[2].tensor), "auxiliary");
      EXPECT_EQ(fused->owner(model[3].tensor), "auxiliary");
      // The scale is 5·√max of what was mapped, whole [24, 16] or four heads [6, 16]. Pion passes one direction of each
      // at about one, Muon all 16, or six of each head, at 0.68 to 1.2.
      const bool pion = std::string(optimizer) == "pion";
      const double moved = (model[0].tensor.detach() - before[0]).norm().item<double>() / 0.01;
      const double expected = split ? 5 * std::sqrt(16.0) * std::sqrt(4.0 * (pion ? 1 : 6))
                                    : 5 * std::sqrt(24.0) * std::sqrt(pion ? 1.0 : 16.0);
      EXPECT_NEAR(moved / expected, pion ? 1 : 0.9, pion ? 0.05 : 0.25) << optimizer << " split " << split;
    }
}

TEST(Presets, SqrtAspectShrinksWideMatricesAndGrowsTallOnes) {
  torch::manual_seed(5);
  for (const auto& [rows, cols, heads] : {std::tuple{8, 32, 1}, std::tuple{32, 8, 1}, std::tuple{32, 8, 4}}) {
    const auto role = heads > 1 ? Role::kHeadsOut : Role::kMatrix;
    std::vector<torch::Tensor> steps;
    const auto g = torch::randn({rows, cols});
    for (const char* rule : {"none", "sqrt_aspect"}) {
      std::vector<Parameter> model = {
          {"w", torch::zeros({rows, cols}).set_requires_grad(true), role, Modality::kOther, heads}};
      model[0].tensor.mutable_grad() = g.clone();
      make_optimizer("muon", model,
                     {{"scale_rule", std::string(rule)}, {"heads", "per-head"s}, {"lr", 1.0}, {"weight_decay", 0.0}})
          ->step();
      steps.push_back(model[0].tensor.detach());
    }
    const double factor = std::sqrt(static_cast<double>(rows) / heads / cols);
    EXPECT_LT(largest_difference(steps[0] * factor, steps[1]), 1e-5);
  }
}

TEST(Coefficients, SetsThatDoNotOrthogonaliseAreNoChoiceForMuon) {
  std::vector<Parameter> model = {{"w", torch::zeros({4, 4}).set_requires_grad(true), Role::kMatrix}};
  EXPECT_THAT(
      [&] {
        make_optimizer("muon", model, {{"coefficients", "lpmuon"s}});
      },
      testing::ThrowsMessage<UserError>(testing::HasSubstr("unknown value \"lpmuon\"")));
  EXPECT_EQ(find_coefficients("pion-promotion").steps, pion_map(5));
  EXPECT_EQ(find_coefficients("pion-suppression").steps, pion_map(0));
  EXPECT_EQ(find_coefficients("aol").normalisation, Normalisation::kAol);
  EXPECT_EQ(find_coefficients("aol").steps.size(), 4u);
}

TEST(Coefficients, TheAolSetTurnsTheSignOfSingularValuesNearOne) {
  // As published. Rescaled rows have singular values up to 1, and reach it where rows are orthogonal already.
  const auto& steps = find_coefficients("aol").steps;
  for (double s = 0.05; s <= 0.85; s += 1e-3) {
    EXPECT_GT(evaluate(steps, s), 0.6) << s;
    EXPECT_LT(evaluate(steps, s), 1.31) << s;
  }
  EXPECT_GT(evaluate(steps, 0.883), 0);
  EXPECT_LT(evaluate(steps, 0.884), 0);
  EXPECT_LT(evaluate(steps, 1.0), -0.9);
}

}  // namespace
}  // namespace pionbench::optim
