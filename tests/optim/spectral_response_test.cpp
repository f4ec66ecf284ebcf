/// What every map and every optimizer does to a spectrum, against float64 SVDs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/metrics.h"
#include "tests/optim/spectra.h"

namespace pionbench::optim {
namespace {

using namespace std::string_literals;
using Response1 = std::function<double(double, std::int64_t)>;

// ---------------------------------------------------------------------------------------------- coefficient sets

class EverySet : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    torch::manual_seed(17);
    if (find_coefficients(GetParam()).normalisation != Normalisation::kFrobenius)
      GTEST_SKIP() << "not a function of the spectrum alone";
  }
};
INSTANTIATE_TEST_SUITE_P(Coefficients, EverySet, testing::ValuesIn(coefficient_names()), [](const auto& info) {
  auto name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(EverySet, MapsEverySingularValueByItsPolynomialAndKeepsTheVectors) {
  const auto& set = find_coefficients(GetParam());
  for (const auto& [name, x] : hard_inputs()) {
    const double norm = x.norm().item<double>() * set.norm_factor;
    const auto expected = by_svd(x, [&](double s, std::int64_t) { return evaluate(set.steps, s / norm); });
    EXPECT_LT(largest_difference(apply_spectral_map(x, set.steps, engine_for(set, Precision::kFloat64)), expected),
              1e-9)
        << name;
    // Rank-deficient and ill-conditioned inputs carry rounding in their null directions, which the slope at 0
    // amplifies: 346 to 1000 for five steps, 4096 for DynMuon's twelve.
    const double bound = set.steps.size() > 10 ? 3e-2 : 5e-3;
    EXPECT_LT(largest_difference(
                  apply_spectral_map(x.to(torch::kFloat32), set.steps, engine_for(set, Precision::kFloat32)), expected),
              bound)
        << name;
  }
}

TEST_P(EverySet, ZeroStaysZeroAndATransposeStaysATranspose) {
  const auto& set = find_coefficients(GetParam());
  const auto options = engine_for(set, Precision::kFloat64);
  EXPECT_EQ(apply_spectral_map(torch::zeros({2, 5, 9}), set.steps, options).abs().max().item<double>(), 0);
  const auto x = torch::randn({12, 31}, torch::kFloat64);
  EXPECT_LT(
      largest_difference(apply_spectral_map(x.t(), set.steps, options), apply_spectral_map(x, set.steps, options).t()),
      1e-12);
}

TEST_P(EverySet, Bfloat16StaysWithinItsRounding) {
  const auto& set = find_coefficients(GetParam());
  std::vector<double> spectrum;  // full rank; null directions are the worst of bfloat16, and of every form
  for (int i = 0; i < 48; ++i) spectrum.push_back(1.0 - 0.015 * i);
  const auto x = with_spectrum(48, 96, spectrum).to(torch::kFloat32);
  auto options = engine_for(set, Precision::kBFloat16);
  const double norm = x.norm().item<double>() * set.norm_factor;
  const auto expected = by_svd(x, [&](double s, std::int64_t) { return evaluate(set.steps, s / norm); });
  const auto got = apply_spectral_map(x, set.steps, options).to(torch::kFloat64);
  // Observed 6e-3 (DynMuon's) to 0.15 (CANS); relative, or absolute where nothing passes. Headroom 2.
  EXPECT_LT((got - expected).norm().item<double>(), 0.3 * std::max(1.0, expected.norm().item<double>()));
}

TEST(Aol, RescalesRowsByTheirGramSumsAndThenMapsTheSpectrum) {
  torch::manual_seed(19);
  const auto& set = find_coefficients("aol");
  for (const auto& [rows, cols] : {std::pair{12, 40}, std::pair{40, 12}, std::pair{16, 16}}) {
    const auto x = torch::randn({rows, cols}, torch::kFloat64);
    const auto wide = rows > cols ? x.t() : x;
    const auto unit = wide / wide.norm();
    const auto rescaled = unit * torch::matmul(unit, unit.t()).abs().sum(1, true).rsqrt();
    const auto mapped = by_svd(rescaled, [&](double s, std::int64_t) { return evaluate(set.steps, s); });
    const auto got = apply_spectral_map(x, set.steps, engine_for(set, Precision::kFloat64));
    EXPECT_LT(largest_difference(rows > cols ? got.t() : got, mapped), 1e-9) << rows << " x " << cols;
  }
}

// ---------------------------------------------------------------------------------------------- whole optimizers

/// An optimizer whose direction is U f(S) Vᵀ, with the hyperparameters that make it so.
struct Mapped {
  const char* label;
  const char* optimizer;
  Values hyper;
  Response1 (*response)(double norm);
  double slack = 1;  ///< of tolerances, for approximations that state their own
};

template <typename MakeMap>
Response1 chain(double norm, MakeMap make_map) {
  return [norm, map = make_map()](double s, std::int64_t) { return norm > 0 ? evaluate(map, s / norm) : 0.0; };
}

std::vector<Mapped> mapped_optimizers() {
  std::vector<Mapped> out = {
      {"muon", "muon", {}, [](double norm) { return chain(norm, [] { return muon_map(); }); }},
      {"muon_polar_express",
       "muon",
       {{"coefficients", "polar-express"s}},
       [](double norm) { return chain(1.02 * norm, [] { return find_coefficients("polar-express").steps; }); }},
      {"lpmuon",
       "lpmuon",
       {},
       [](double norm) { return chain(norm, [] { return find_coefficients("lpmuon").steps; }); }},
      {"lowrank_muon",
       "lowrank_muon",
       {{"rank", std::int64_t{3}}},
       [](double) -> Response1 { return [](double, std::int64_t i) { return i < 3 ? 1.0 : 0.0; }; }},
      {"dynmuon_exact",
       "dynmuon",
       {{"transform", "exact"s}, {"p_min", 0.5}, {"p_max", 0.5}, {"momentum_rule", "sum"s}, {"nesterov", false}},
       [](double) -> Response1 { return [](double s, std::int64_t) { return std::sqrt(s); }; }},
      {"dynmuon_released",
       "dynmuon",
       {{"p_min", -0.25}, {"p_max", -0.25}, {"momentum_rule", "sum"s}, {"nesterov", false}},
       [](double norm) -> Response1 {
         return [norm](double s, std::int64_t) {
           const double t = s / norm, e = t * t - 1, d = -0.125;
           return std::pow(norm, -0.25) * (1 + d * e + 0.5 * d * (d - 1) * e * e) *
                  evaluate(find_coefficients("you").steps, t);
         };
       }},
  };
  static const std::array<Response1 (*)(double), 6> pions = {
      [](double n) { return chain(n, [] { return pion_map(0); }); },
      [](double n) { return chain(n, [] { return pion_map(1); }); },
      [](double n) { return chain(n, [] { return pion_map(2); }); },
      [](double n) { return chain(n, [] { return pion_map(3); }); },
      [](double n) { return chain(n, [] { return pion_map(4); }); },
      [](double n) { return chain(n, [] { return pion_map(5); }); }};
  static const std::array<const char*, 6> labels = {"pion_kp0", "pion_kp1", "pion_kp2",
                                                    "pion_kp3", "pion_kp4", "pion_kp5"};
  for (std::size_t k = 0; k < pions.size(); ++k)
    out.push_back({labels[k], "pion", {{"k_p", static_cast<std::int64_t>(k)}, {"fast_path", false}}, pions[k]});
  // The fast path promises 1e-3 in Frobenius norm.
  out.push_back({"pion_kp0_fast", "pion", {{"k_p", std::int64_t{0}}}, pions[0], 10});
  out.push_back({"pion_kp1_fast", "pion", {{"k_p", std::int64_t{1}}}, pions[1], 10});
  return out;
}

/// Weights that start at 0, float64, after `gradients` in turn, with learning rate 1, no decay, no scale; negated.
torch::Tensor moved(const Mapped& c, const std::vector<torch::Tensor>& gradients, Values more = {},
                    Role role = Role::kMatrix, std::int64_t heads = 1) {
  std::vector<Parameter> model = {
      {"w", torch::zeros_like(gradients[0]).set_requires_grad(true), role, Modality::kOther, heads}};
  Values hyper = c.hyper;
  for (const auto& [name, value] : more) hyper[name] = value;
  hyper.insert({{"lr", 1.0}, {"weight_decay", 0.0}, {"scale_rule", "none"s}, {"eps", 0.0}});
  const auto optimizer = make_optimizer(c.optimizer, model, hyper);
  for (const auto& g : gradients) {
    model[0].tensor.mutable_grad() = g.clone();
    optimizer->step();
  }
  return -model[0].tensor.detach();
}

class EveryMappedOptimizer : public testing::TestWithParam<Mapped> {
 protected:
  void SetUp() override { torch::manual_seed(23); }
};
INSTANTIATE_TEST_SUITE_P(Optimizers, EveryMappedOptimizer, testing::ValuesIn(mapped_optimizers()),
                         [](const auto& info) { return std::string(info.param.label); });
void PrintTo(const Mapped& c, std::ostream* out) {
  *out << c.label;
}

TEST_P(EveryMappedOptimizer, MapsTheSpectrumOfItsMomentumOnEveryKindOfMatrix) {
  for (const auto& [name, g] : hard_inputs()) {
    const auto& c = GetParam();
    const auto step = moved(c, {g});
    // Only DynMuon sees the magnitude of what it maps: there the first direction is G itself (sum, no Nesterov).
    const auto expected = by_svd(g, c.response(g.norm().item<double>()));
    // Products run in float32; rank deficiency and ill condition as in EverySet. DynMuon's results have a magnitude.
    const double scale = c.optimizer == "dynmuon"s ? expected.abs().max().item<double>() : 1.0;
    EXPECT_LT(largest_difference(step, expected), 5e-3 * scale) << name;
  }
}

TEST_P(EveryMappedOptimizer, KeepsTheSingularVectorsOfTheMomentum) {
  // Uᵀ·step·V is diagonal.
  const auto g = with_spectrum(14, 22, {1, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1});
  const auto [u, s, vh] = torch::linalg_svd(g, false);
  auto inner = torch::matmul(torch::matmul(u.t(), moved(GetParam(), {g})), vh.t());
  inner.diagonal().zero_();
  // Observed 3.5e-4: Muon, Gram form in float32, from the null directions. Headroom 2.
  EXPECT_LT(inner.abs().max().item<double>(), 7e-4 * GetParam().slack);
}

TEST_P(EveryMappedOptimizer, StepsAlongTheTransposeForTransposedGradients) {
  const std::vector<torch::Tensor> g = {torch::randn({10, 26}, torch::kFloat64),
                                        torch::randn({10, 26}, torch::kFloat64)};
  const auto plain = moved(GetParam(), g),
             transposed = moved(GetParam(), {g[0].t().contiguous(), g[1].t().contiguous()});
  // Two steps on each side.
  EXPECT_LT(largest_difference(plain.t(), transposed), GetParam().slack > 1 ? 4e-3 : 1e-4);
}

TEST_P(EveryMappedOptimizer, AZeroGradientMovesNothing) {
  EXPECT_EQ(moved(GetParam(), {torch::zeros({6, 9}, torch::kFloat64)}).abs().max().item<double>(), 0);
}

TEST_P(EveryMappedOptimizer, AveragesGradientsAsItsMomentumRuleSays) {
  // Three steps against the rule in float64, SVD for the map: EMA with and without Nesterov, and the plain sum.
  struct Rule {
    const char* name;
    bool nesterov;
  };
  const auto& c = GetParam();
  for (const auto& rule : {Rule{"ema", false}, Rule{"ema", true}, Rule{"sum", false}, Rule{"sum", true}}) {
    std::vector<torch::Tensor> g;
    for (int i = 0; i < 3; ++i)
      g.push_back(torch::randn({8, 12}, torch::kFloat64) + 2 * torch::ones({8, 12}, torch::kFloat64));
    const double mu = 0.9;
    auto m = torch::zeros_like(g[0]), expected = torch::zeros_like(g[0]);
    for (const auto& x : g) {
      const bool ema = rule.name == "ema"s;
      m = ema ? mu * m + (1 - mu) * x : mu * m + x;
      const auto d = !rule.nesterov ? m : ema ? mu * m + (1 - mu) * x : mu * m + x;
      expected += by_svd(d, c.response(d.norm().item<double>()));
    }
    const auto got =
        moved(c, g, {{"momentum", mu}, {"momentum_rule", std::string(rule.name)}, {"nesterov", rule.nesterov}});
    EXPECT_LT(largest_difference(got, expected), c.slack > 1 ? 3e-3 : 1e-3)
        << rule.name << " nesterov " << rule.nesterov;
  }
}

// ---------------------------------------------------------------------------------------------- heads

/// Optimizers that take "heads", each in a setting without randomness per head. Dion draws another first factor for
/// every head, so its heads differ from a loop by design; it is held to its formula in relatives_test.
std::vector<std::pair<std::string, Values>> headed() {
  return {{"muon", {}},
          {"pion", {{"k_p", std::int64_t{2}}}},
          {"lpmuon", {}},
          {"lowrank_muon", {{"rank", std::int64_t{2}}}},
          {"lowrank_muon", {{"rank", std::int64_t{3}}, {"method", "sketch"s}}},
          {"normuon", {}},
          {"dynmuon", {{"transform", "exact"s}, {"p_min", -0.25}, {"p_max", 0.5}, {"total_steps", std::int64_t{4}}}},
          {"dynmuon", {{"scale_rule", "sqrt_aspect"s}, {"p_min", -0.25}, {"p_max", -0.25}}},
          {"muon", {{"preset", "dion"s}, {"precision", "float32"s}}}};
}

constexpr std::int64_t kHeads = 4;

std::vector<torch::Tensor> head_gradients(Role role) {
  std::vector<torch::Tensor> out;
  for (int i = 0; i < 3; ++i)
    out.push_back(role == Role::kHeadsOut ? torch::randn({kHeads * 5, 14}) : torch::randn({14, kHeads * 5}));
  return out;
}

torch::Tensor after_steps(const std::string& name, Values hyper, const torch::Tensor& w,
                          const std::vector<torch::Tensor>& gradients, Role role, std::int64_t heads) {
  std::vector<Parameter> model = {{"w", w.clone().set_requires_grad(true), role, Modality::kOther, heads}};
  hyper.insert({{"lr", 0.05}, {"weight_decay", 0.1}});
  const auto optimizer = make_optimizer(name, model, hyper);
  for (const auto& g : gradients) {
    model[0].tensor.mutable_grad() = g.clone();
    optimizer->step();
  }
  return model[0].tensor.detach();
}

TEST(Heads, PerHeadEqualsALoopOfWholeMatricesForEveryOptimizer) {
  torch::manual_seed(29);
  for (const auto role : {Role::kHeadsOut, Role::kHeadsIn})
    for (const auto& [name, hyper] : headed()) {
      const auto axis = role == Role::kHeadsOut ? 0 : 1;
      const auto gradients = head_gradients(role);
      const auto w = torch::randn_like(gradients[0]);
      auto split = hyper;
      split["heads"] = "per-head"s;
      const auto together = after_steps(name, split, w, gradients, role, kHeads);
      std::vector<torch::Tensor> alone;
      for (std::int64_t h = 0; h < kHeads; ++h) {
        std::vector<torch::Tensor> own;
        for (const auto& g : gradients) own.push_back(g.chunk(kHeads, axis)[static_cast<std::size_t>(h)].contiguous());
        alone.push_back(after_steps(name, hyper, w.chunk(kHeads, axis)[static_cast<std::size_t>(h)].contiguous(), own,
                                    Role::kMatrix, 1));
      }
      EXPECT_LT(largest_difference(together, torch::cat(alone, axis)), 2e-5)
          << name << (axis ? " input side" : " output side");
    }
}

TEST(Heads, PermutingHeadsPermutesTheStepOnBothSidesForEveryOptimizer) {
  torch::manual_seed(31);
  const auto order = torch::tensor({2, 0, 3, 1});
  for (const auto role : {Role::kHeadsOut, Role::kHeadsIn})
    for (const auto& [name, hyper] : headed()) {
      const auto axis = role == Role::kHeadsOut ? 0 : 1;
      const auto permute = [&](const torch::Tensor& x) {
        const auto parts = x.chunk(kHeads, axis);
        std::vector<torch::Tensor> out;
        for (std::int64_t h = 0; h < kHeads; ++h)
          out.push_back(parts[static_cast<std::size_t>(order[h].item<std::int64_t>())]);
        return torch::cat(out, axis);
      };
      const auto gradients = head_gradients(role);
      std::vector<torch::Tensor> permuted;
      for (const auto& g : gradients) permuted.push_back(permute(g));
      const auto w = torch::randn_like(gradients[0]);
      auto split = hyper;
      split["heads"] = "per-head"s;
      EXPECT_LT(largest_difference(permute(after_steps(name, split, w, gradients, role, kHeads)),
                                   after_steps(name, split, permute(w), permuted, role, kHeads)),
                2e-5)
          << name << (axis ? " input side" : " output side");
    }
}

// ---------------------------------------------------------------------------------------------- relatives' own rules

TEST(Dion, FollowsItsFormulaForSeveralStepsWithErrorFeedback) {
  torch::manual_seed(37);
  // The oracle projects by P Pᵀ and takes Q from the optimizer's first step only through what it can see: the span of
  // M Q at full rank is the whole space, so M shrinks by μ in every direction and the update is an orthonormal matrix.
  const double mu = 0.8;
  std::vector<Parameter> model = {{"w", torch::zeros({6, 15}).set_requires_grad(true), Role::kMatrix}};
  const auto dion = make_optimizer("dion", model, {{"lr", 1.0}, {"weight_decay", 0.0}, {"momentum", mu}});
  auto m = torch::zeros({6, 15}, torch::kFloat64);
  for (int i = 0; i < 4; ++i) {
    const auto g = torch::randn({6, 15});
    const auto before = model[0].tensor.detach().clone();
    model[0].tensor.mutable_grad() = g.clone();
    dion->step();
    m = mu * (m + g.to(torch::kFloat64));
    EXPECT_LT(largest_difference(dion->momentum(model[0].tensor), m), 1e-5) << "step " << i;
    const auto update = (before - model[0].tensor.detach()).to(torch::kFloat64) / std::sqrt(6.0 / 15.0);
    // P has orthonormal columns and Q unit columns: ‖P Qᵀ‖² = ‖Q‖² = k.
    EXPECT_NEAR(update.square().sum().item<double>(), 6, 1e-3) << "step " << i;
  }
}

TEST(NorMuon, FollowsItsFormulaInItsOrderForSeveralSteps) {
  torch::manual_seed(41);
  const double mu = 0.9, beta2 = 0.7, eps = 1e-3, lr = 0.1, decay = 0.2;
  std::vector<Parameter> model = {{"w", torch::randn({12, 7}).set_requires_grad(true), Role::kMatrix}};
  auto w = model[0].tensor.detach().to(torch::kFloat64).clone();
  const auto normuon = make_optimizer("normuon", model,
                                      {{"preset", "normuon"s},
                                       {"precision", "float32"s},
                                       {"momentum", mu},
                                       {"beta2", beta2},
                                       {"row_eps", eps},
                                       {"lr", lr},
                                       {"weight_decay", decay}});
  auto m = torch::zeros({12, 7}, torch::kFloat64), v = torch::zeros({12, 1}, torch::kFloat64);
  for (int i = 0; i < 4; ++i) {
    const auto g = torch::randn({12, 7});
    model[0].tensor.mutable_grad() = g.clone();
    normuon->step();
    const auto wide = g.to(torch::kFloat64);
    m = mu * m + (1 - mu) * wide;
    const auto d = mu * m + (1 - mu) * wide;
    const double norm = d.norm().item<double>();
    const auto o = by_svd(d, [&](double s, std::int64_t) { return evaluate(muon_map(), s / norm); });
    v = beta2 * v + (1 - beta2) * o.square().mean(1, true);
    auto scaled = o / (v.sqrt() + eps);
    scaled = scaled * (o.norm() / scaled.norm());
    w = (1 - lr * decay) * w - lr * std::sqrt(12.0 / 7.0) * scaled;  // √max(1, rows/cols) after the rescaling
    EXPECT_LT(largest_difference(model[0].tensor, w), 1e-4) << "step " << i;
  }
}

TEST(DynMuon, TakesItsExponentFromTheStepCountedFromOne) {
  // p(t) with T = 10: the exact transform of a gradient with singular values 4 and 1 shows p as log₄ of the larger.
  torch::manual_seed(43);
  const auto g = with_spectrum(5, 8, {4, 1});
  const auto [u, s, vh] = torch::linalg_svd(g, false);
  std::vector<Parameter> model = {{"w", torch::zeros({5, 8}, torch::kFloat64).set_requires_grad(true), Role::kMatrix}};
  const auto dynmuon = make_optimizer("dynmuon", model,
                                      {{"transform", "exact"s},
                                       {"scale_rule", "none"s},
                                       {"momentum", 0.0},
                                       {"momentum_rule", "sum"s},
                                       {"nesterov", false},
                                       {"lr", 1.0},
                                       {"weight_decay", 0.0},
                                       {"total_steps", std::int64_t{10}},
                                       {"p_max", 1.0},
                                       {"p_min", -0.25},
                                       {"p_centre", 0.3},
                                       {"p_width", 0.1}});
  for (int t = 1; t <= 6; ++t) {
    const auto before = model[0].tensor.detach().clone();
    model[0].tensor.mutable_grad() = g.clone();
    dynmuon->step();
    const auto inner = torch::matmul(torch::matmul(u.t(), before - model[0].tensor.detach()), vh.t());
    const double p = -0.25 + 1.25 / (1 + std::exp((t / 10.0 - 0.3) / 0.1));
    EXPECT_NEAR(std::log(inner[0][0].item<double>()) / std::log(4.0), p, 1e-6) << "step " << t;
  }
}

TEST(DynMuon, TheTaylorTransformHasNoBranches) {
  torch::manual_seed(47);
  const auto g = torch::randn({9, 14}, torch::kFloat64);
  const double norm = g.norm().item<double>();
  for (const double p : {0.5, 0.1, -0.1}) {
    const Mapped c{
        "",
        "dynmuon",
        {{"transform", "taylor"s}, {"p_min", p}, {"p_max", p}, {"momentum_rule", "sum"s}, {"nesterov", false}},
        nullptr};
    const auto expected = by_svd(g, [&](double s, std::int64_t) {
      const double t = s / norm, e = t * t - 1, d = p / 2;
      return std::pow(norm, p) * (1 + d * e + 0.5 * d * (d - 1) * e * e) * evaluate(find_coefficients("you").steps, t);
    });
    EXPECT_LT(largest_difference(moved(c, {g}), expected), 1e-4) << "p = " << p;
  }
}

TEST(LowRankMuon, TheGaussianSketchIsNearlyTheBestRankKOnADecayingSpectrum) {
  torch::manual_seed(53);
  std::vector<double> spectrum;
  for (int i = 0; i < 24; ++i) spectrum.push_back(std::pow(0.5, i));
  const auto g = with_spectrum(24, 50, spectrum);
  const Mapped c{"", "lowrank_muon", {{"method", "sketch"s}, {"rank", std::int64_t{12}}}, nullptr};
  const auto [u, s, vh] = torch::linalg_svd(g, false);
  const auto inner = torch::matmul(torch::matmul(u.t(), moved(c, {g})), vh.t());
  const double norm = g.norm().item<double>();
  // The first directions go where Newton–Schulz sends them; beyond the rank little is left.
  for (int i = 0; i < 5; ++i)
    EXPECT_NEAR(inner[i][i].item<double>(), evaluate(muon_map(), s[i].item<double>() / norm), 2e-2) << i;
  EXPECT_LE((singular_values(moved(c, {g})) > 1e-3).sum().item<std::int64_t>(), 12);
}

}  // namespace
}  // namespace pionbench::optim
