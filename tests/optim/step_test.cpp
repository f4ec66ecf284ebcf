/// What a step promises beyond its formula: nothing on bad gradients, names in errors, options that change no result.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "tests/optim/properties.h"

namespace pionbench::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using std::string_literals::operator""s;

/// Large enough for the fast path: head blocks are 32 × 64.
std::vector<Parameter> model() {
  torch::manual_seed(21);
  const auto make = [](std::vector<std::int64_t> shape) { return torch::randn(shape).set_requires_grad(true); };
  return {{"embed", make({10, 64}), Role::kEmbedding},
          {"q", make({128, 64}), Role::kHeadsOut, Modality::kLanguage, 4},
          {"o", make({64, 128}), Role::kHeadsIn, Modality::kLanguage, 4},
          {"up", make({96, 64}), Role::kMatrix},
          {"norm", make({64}), Role::kVector}};
}

/// A direction that stays and noise that changes.
void set_gradients(std::vector<Parameter>& of, std::uint64_t step) {
  auto fixed = at::detail::createCPUGenerator(5), fresh = at::detail::createCPUGenerator(100 + step);
  for (auto& p : of) {
    auto g = 0.2 * torch::randn(p.tensor.sizes(), fresh);
    if (p.tensor.dim() == 2)
      g = g + torch::outer(torch::randn({p.tensor.size(0)}, fixed), torch::randn({p.tensor.size(1)}, fixed));
    p.tensor.mutable_grad() = g;
  }
}

std::vector<torch::Tensor> weights(const std::vector<Parameter>& of) {
  std::vector<torch::Tensor> out;
  for (const auto& p : of) out.push_back(p.tensor.detach().clone());
  return out;
}

double distance(const std::vector<Parameter>& a, const std::vector<Parameter>& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    out = std::max(out, (a[i].tensor - b[i].tensor).abs().max().item<double>());
  return out;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryOptimizerStep, testing::ValuesIn(registry()), entry_name);

TEST_P(EveryOptimizerStep, BadGradientsChangeNothingAndAreNamed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto disturbed = model(), plain = model();
    const auto a = make_optimizer(GetParam(), disturbed, {}), b = make_optimizer(GetParam(), plain, {});
    for (std::uint64_t step = 0; step < 3; ++step) {
      set_gradients(disturbed, step);
      set_gradients(plain, step);
      if (step == 1) {
        // A step with one bad element, then the same step as it should have been.
        const auto before = weights(disturbed);
        for (const std::size_t i : {0UL, 3UL}) {
          if (a->owner(disturbed[i].tensor) == "frozen") continue;
          auto poisoned = disturbed[i].tensor.grad().clone();
          disturbed[i].tensor.mutable_grad() = poisoned.clone();
          disturbed[i].tensor.mutable_grad()[2][1] = bad;
          const auto report = a->step();
          EXPECT_FALSE(report.applied());
          EXPECT_THAT(report.nonfinite, ElementsAre(disturbed[i].name));
          disturbed[i].tensor.mutable_grad() = poisoned;
        }
        for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(before[i], disturbed[i].tensor));
      }
      EXPECT_TRUE(a->step().applied());
      b->step();
    }
    // Momenta and step counts were left alone too, or the later steps would differ.
    EXPECT_EQ(distance(disturbed, plain), 0);
    EXPECT_GE(a->statistics().at("skipped"), 1);
    EXPECT_EQ(a->statistics().at("steps"), 3);
  }
}

TEST(PlainMatrixOptimizer, LeavesOutAStepWithABadGradient) {
  auto w = torch::randn({32, 40}).set_requires_grad(true);
  MatrixOptimizer optimizer(std::vector<torch::Tensor>{w});
  w.mutable_grad() = torch::full({32, 40}, std::numeric_limits<float>::quiet_NaN());
  const auto before = w.detach().clone();
  optimizer.step();
  EXPECT_TRUE(torch::equal(before, w));
  EXPECT_FALSE(optimizer.momentum(w).defined());
  EXPECT_EQ(optimizer.statistics().skipped, 1);
}

TEST(PlainMatrixOptimizer, FiniteGradientsWhoseSumOverflowsAreNotBad) {
  auto w = torch::zeros({32, 40}).set_requires_grad(true);
  MatrixOptimizer optimizer(std::vector<torch::Tensor>{w});
  w.mutable_grad() = torch::full({32, 40}, 1e36);
  optimizer.step();
  EXPECT_EQ(optimizer.statistics().skipped, 0);
  EXPECT_TRUE(w.isfinite().all().item<bool>());
  EXPECT_GT(w.abs().max().item<double>(), 0);
}

TEST(Mistakes, NameTheParameter) {
  auto flat = model();
  flat[3].tensor = torch::zeros({2, 3, 4}).set_requires_grad(true);
  EXPECT_THAT(message_of([&] { make_optimizer("muon", flat, {}); }),
              HasSubstr("parameter \"up\" of shape [2, 3, 4]: a matrix optimizer needs two dimensions"));
  auto complex = model();
  complex[3].tensor = torch::zeros({4, 4}, torch::kComplexFloat).set_requires_grad(true);
  EXPECT_THAT(message_of([&] { make_optimizer("pion", complex, {}); }),
              HasSubstr("parameter \"up\" of shape [4, 4]: type ComplexFloat; a matrix optimizer needs a dense"));
  auto heads = model();
  EXPECT_THAT(message_of([&] {
                make_optimizer("pion", heads, {{"heads", "per-head"s}, {"head_group", std::int64_t{3}}});
              }),
              HasSubstr("parameter \"q\" of shape [128, 64]: its 4 heads do not divide into groups of head_group = 3"));
}

TEST(HeadGroup, MapsNeighbouringHeadsAsOneBlock) {
  for (const std::int64_t group : {1, 2, 4}) {
    auto grouped = model(), reference = model();
    // The reference says outright that there are fewer, larger heads.
    for (auto& p : reference) p.heads = std::max<std::int64_t>(1, p.heads / group);
    for (auto* m : {&grouped, &reference}) set_gradients(*m, 0);
    const Values per_head = {{"heads", "per-head"s}, {"k_p", std::int64_t{2}}, {"lr", 0.1}};
    auto with_group = per_head;
    with_group["head_group"] = group;
    make_optimizer("pion", grouped, with_group)->step();
    make_optimizer("pion", reference, per_head)->step();
    EXPECT_EQ(distance(grouped, reference), 0) << group;
  }
}

TEST(FastPath, StepsLikeTheChainWithinItsToleranceAndSaysThatItRan) {
  for (const auto* heads : {"whole", "per-head"})
    for (const std::int64_t k_p : {0, 1}) {
      auto fast = model(), chain = model();
      const auto hyper = [&](bool on) {
        return Values{
            {"k_p", k_p}, {"heads", std::string(heads)}, {"fast_path", on}, {"lr", 0.01}, {"update_scale", 1.0}};
      };
      const auto a = make_optimizer("pion", fast, hyper(true)), b = make_optimizer("pion", chain, hyper(false));
      constexpr int kSteps = 6;
      for (std::uint64_t step = 0; step < kSteps; ++step) {
        set_gradients(fast, step);
        set_gradients(chain, step);
        a->step();
        b->step();
      }
      // 1e-3 in Frobenius norm a step and matrix; the scale is √128 at most.
      EXPECT_LE(distance(fast, chain), kSteps * 0.01 * std::sqrt(128.0) * 1e-3) << heads << " k_p " << k_p;
      const auto counts = a->statistics();
      EXPECT_GT(counts.at("leading/finished"), 0);
      EXPECT_EQ(counts.at("leading/finished") + counts.at("leading/refused"),
                kSteps * (std::string(heads) == "whole" ? 3 : 9));
      EXPECT_EQ(b->statistics().at("leading/finished"), 0);
      EXPECT_GT(b->statistics().at("engine/gram") + b->statistics().at("engine/standard"), 0);
    }
}

TEST(FastPath, SaveLoadAndContinueEqualsUninterrupted) {
  auto straight = model(), resumed = model();
  const Values hyper = {{"lr", 0.01}, {"heads", "per-head"s}};
  const auto run = [](std::vector<Parameter>& of, RoutedOptimizer& optimizer, std::uint64_t from, std::uint64_t to) {
    for (auto step = from; step < to; ++step) {
      set_gradients(of, step);
      optimizer.step();
    }
  };
  const auto a = make_optimizer("pion", straight, hyper);
  run(straight, *a, 0, 6);
  std::stringstream buffer;
  {
    const auto b = make_optimizer("pion", resumed, hyper);
    run(resumed, *b, 0, 3);
    torch::serialize::OutputArchive archive;
    b->save(archive);
    archive.save_to(buffer);
  }
  const auto c = make_optimizer("pion", resumed, hyper);
  torch::serialize::InputArchive archive;
  archive.load_from(buffer);
  c->load(archive);
  run(resumed, *c, 3, 6);
  EXPECT_EQ(distance(straight, resumed), 0);
}

}  // namespace
}  // namespace pionbench::optim
