/// Every registered optimizer is found here and held to the same promises, from its first day on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "optim/matrix_optimizer.h"
#include "optim/registry.h"
#include "tests/optim/properties.h"

namespace pionbench::optim {
namespace {

using testing::HasSubstr;

/// A model in miniature: every role once, grouped queries (4 query heads, 2 key/value heads, head size 6).
std::vector<Parameter> tiny_model(torch::Device device = torch::kCPU) {
  torch::manual_seed(11);
  const auto make = [&](std::vector<std::int64_t> shape) {
    return torch::randn(shape).to(device).set_requires_grad(true);
  };
  return {
      {"embed", make({10, 16}), Role::kEmbedding, Modality::kLanguage, 1},
      {"q", make({24, 16}), Role::kHeadsOut, Modality::kLanguage, 4},
      {"k", make({12, 16}), Role::kHeadsOut, Modality::kLanguage, 2},
      {"o", make({16, 24}), Role::kHeadsIn, Modality::kLanguage, 4},
      {"up", make({32, 16}), Role::kMatrix, Modality::kLanguage, 1},
      {"down", make({16, 32}), Role::kMatrix, Modality::kLanguage, 1},
      {"norm", make({16}), Role::kVector, Modality::kLanguage, 1},
      {"head", make({10, 16}), Role::kOutput, Modality::kLanguage, 1},
  };
}

void set_gradients(std::vector<Parameter>& model, std::uint64_t seed, double scale = 1.0) {
  auto generator = at::detail::createCPUGenerator(seed);
  for (auto& p : model)
    p.tensor.mutable_grad() = (torch::randn(p.tensor.sizes(), generator) * scale).to(p.tensor.device());
}

std::vector<torch::Tensor> weights(const std::vector<Parameter>& model) {
  std::vector<torch::Tensor> out;
  for (const auto& p : model) out.push_back(p.tensor.detach().clone());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryOptimizer, testing::ValuesIn(registry()), entry_name);

TEST_P(EveryOptimizer, SaysWhatItIs) {
  const auto& info = GetParam().info;
  for (const auto& text : {info.title, info.equation, info.source, info.state, info.cost}) EXPECT_FALSE(text.empty());
  for (const auto& setting : info.table.settings) EXPECT_FALSE(setting.help.empty()) << setting.name;
}

TEST_P(EveryOptimizer, EveryPresetResolvesAndRuns) {
  const auto& info = GetParam().info;
  for (const auto& set : info.table.bundle_sets)
    for (const auto& bundle : set.bundles) {
      auto model = tiny_model();
      set_gradients(model, 1);
      make_optimizer(GetParam(), model, {{set.key, bundle.name}})->step();
      for (const auto& p : model) EXPECT_TRUE(p.tensor.isfinite().all().item<bool>()) << bundle.name << " " << p.name;
    }
}

TEST_P(EveryOptimizer, ZeroGradientShrinksWhatItOwnsExactlyOnce) {
  auto model = tiny_model();
  const auto before = weights(model);
  const auto optimizer = make_optimizer(GetParam(), model, {{"lr", 0.1}, {"weight_decay", 0.5}});
  for (auto& p : model) p.tensor.mutable_grad() = torch::zeros_like(p.tensor);
  optimizer->step();
  for (std::size_t i = 0; i < model.size(); ++i) {
    const double factor = optimizer->owner(model[i].tensor) == "frozen" ? 1.0 : 0.95;  // 1 − 0.1·0.5
    EXPECT_TRUE(torch::allclose(model[i].tensor, factor * before[i], 1e-6, 1e-7)) << model[i].name;
  }
}

TEST_P(EveryOptimizer, LeavesParametersWithoutGradientOrWithoutTrainingAlone) {
  auto model = tiny_model();
  model[1].tensor.set_requires_grad(false);
  const auto before = weights(model);
  const auto optimizer = make_optimizer(GetParam(), model, {});
  set_gradients(model, 2);
  model[1].tensor.mutable_grad() = torch::Tensor();
  model[4].tensor.mutable_grad() = torch::Tensor();
  optimizer->step();
  EXPECT_EQ(optimizer->owner(model[1].tensor), "frozen");
  EXPECT_TRUE(torch::equal(model[1].tensor, before[1]));
  EXPECT_TRUE(torch::equal(model[4].tensor, before[4]));
}

TEST_P(EveryOptimizer, SaveLoadAndContinueEqualsUninterrupted) {
  auto straight = tiny_model(), resumed = tiny_model();
  const auto run = [](std::vector<Parameter>& model, RoutedOptimizer& optimizer, int from, int to) {
    for (int step = from; step < to; ++step) {
      set_gradients(model, static_cast<std::uint64_t>(step));
      optimizer.step();
    }
  };
  const auto a = make_optimizer(GetParam(), straight, {{"lr", 0.01}});
  run(straight, *a, 0, 6);
  std::stringstream buffer;
  {
    const auto b = make_optimizer(GetParam(), resumed, {{"lr", 0.01}});
    run(resumed, *b, 0, 3);
    torch::serialize::OutputArchive archive;
    b->save(archive);
    archive.save_to(buffer);
  }
  const auto c = make_optimizer(GetParam(), resumed, {{"lr", 0.01}});
  torch::serialize::InputArchive archive;
  archive.load_from(buffer);
  c->load(archive);
  run(resumed, *c, 3, 6);
  for (std::size_t i = 0; i < straight.size(); ++i)
    EXPECT_TRUE(torch::equal(straight[i].tensor, resumed[i].tensor)) << straight[i].name;
}

TEST_P(EveryOptimizer, LearningRateFactorScalesTheStep) {
  auto full = tiny_model(), half = tiny_model();
  const auto before = weights(full);
  const Values plain = {{"lr", 0.01}, {"weight_decay", 0.0}};
  const auto a = make_optimizer(GetParam(), full, plain), b = make_optimizer(GetParam(), half, plain);
  b->set_lr_factor(0.5);
  set_gradients(full, 3);
  set_gradients(half, 3);
  a->step();
  b->step();
  for (std::size_t i = 0; i < full.size(); ++i)
    EXPECT_TRUE(torch::allclose((full[i].tensor - before[i]) * 0.5, half[i].tensor - before[i], 1e-3, 1e-7))
        << full[i].name;
}

TEST(Routing, FollowsRolesAndNeverShapes) {
  auto model = tiny_model();
  const auto muon = make_optimizer("muon", model, {});
  const auto frozen = make_optimizer("frozen", model, {});
  const auto adamw = make_optimizer("adamw", model, {});
  for (const auto& p : model) {
    EXPECT_EQ(muon->owner(p.tensor), is_matrix(p.role) ? "matrix" : "auxiliary") << p.name;
    EXPECT_EQ(frozen->owner(p.tensor), is_matrix(p.role) ? "frozen" : "auxiliary") << p.name;
    EXPECT_EQ(adamw->owner(p.tensor), "auxiliary") << p.name;
  }
}

TEST(Routing, AdamwIsTorchsOwnBitForBit) {
  auto ours = tiny_model(), theirs = tiny_model();
  const auto a = make_optimizer("adamw", ours, {{"lr", 0.01}, {"weight_decay", 0.1}});
  std::vector<torch::Tensor> tensors;
  for (const auto& p : theirs) tensors.push_back(p.tensor);
  torch::optim::AdamW b(tensors, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  for (std::uint64_t step = 0; step < 5; ++step) {
    set_gradients(ours, step);
    set_gradients(theirs, step);
    a->step();
    b.step();
  }
  for (std::size_t i = 0; i < ours.size(); ++i)
    EXPECT_TRUE(torch::equal(ours[i].tensor, theirs[i].tensor)) << ours[i].name;
}

TEST(PerHead, EqualsALoopOverHeadsOnBothSides) {
  for (const char* name : {"muon", "pion"}) {
    auto model = tiny_model();
    const auto before = weights(model);
    set_gradients(model, 4);
    const double lr = 0.1, scale = 2.0;
    Values hyper = {{"lr", lr},
                    {"weight_decay", 0.0},
                    {"update_scale", scale},
                    {"nesterov", false},
                    {"heads", std::string("per-head")}};
    if (name == std::string("pion")) hyper["k_p"] = std::int64_t{2};
    make_optimizer(name, model, hyper)->step();
    const auto map = name == std::string("muon") ? muon_map() : pion_map(2);
    for (std::size_t i = 0; i < model.size(); ++i) {
      const auto& p = model[i];
      if (p.role != Role::kHeadsOut && p.role != Role::kHeadsIn) continue;
      const auto axis = p.role == Role::kHeadsOut ? 0 : 1;
      std::vector<torch::Tensor> pieces;
      for (const auto& gradient : p.tensor.grad().chunk(p.heads, axis)) {
        const double factor = scale * std::sqrt(static_cast<double>(std::max(gradient.size(0), gradient.size(1))));
        pieces.push_back(apply_spectral_map(gradient * 0.05, map) * factor);
      }
      const auto expected = before[i] - lr * torch::cat(pieces, axis);
      EXPECT_TRUE(torch::allclose(p.tensor, expected, 1e-4, 1e-5))
          << name << " " << p.name << " off by " << (p.tensor - expected).abs().max().item<double>()
          << " after a move of " << (before[i] - expected).abs().max().item<double>();
    }
  }
}

TEST(PerHead, PermutingHeadsPermutesTheUpdate) {
  auto plain = tiny_model(), permuted = tiny_model();
  const auto order = torch::tensor({2, 0, 3, 1});
  const auto permute = [&](const torch::Tensor& x) {
    return x.view({4, 6, 16}).index_select(0, order).reshape({24, 16});
  };
  set_gradients(plain, 5);
  set_gradients(permuted, 5);
  {
    const torch::NoGradGuard no_grad;
    permuted[1].tensor.copy_(permute(plain[1].tensor));
    permuted[1].tensor.mutable_grad() = permute(plain[1].tensor.grad());
  }
  for (auto* model : {&plain, &permuted})
    make_optimizer("pion", *model, {{"heads", std::string("per-head")}, {"k_p", std::int64_t{3}}})->step();
  EXPECT_TRUE(torch::allclose(permute(plain[1].tensor), permuted[1].tensor, 1e-5, 1e-6));
}

TEST(PerHead, BlocksAndMergeAreInverse) {
  const auto w = torch::randn({12, 20});
  for (const auto side : {HeadSide::kOutput, HeadSide::kInput})
    EXPECT_TRUE(torch::equal(merge_heads(head_blocks(w, 4, side), side), w));
}

TEST(Momentum, SumAndAverageGiveTheSameDirection) {
  for (const bool nesterov : {false, true}) {
    auto sum = tiny_model(), ema = tiny_model();
    const auto hyper = [&](const char* rule) {
      return Values{{"momentum_rule", std::string(rule)}, {"nesterov", nesterov}, {"eps", 0.0}, {"lr", 0.1}};
    };
    const auto a = make_optimizer("muon", sum, hyper("sum")), b = make_optimizer("muon", ema, hyper("ema"));
    for (std::uint64_t step = 0; step < 4; ++step) {
      set_gradients(sum, step);
      set_gradients(ema, step);
      a->step();
      b->step();
    }
    EXPECT_TRUE(torch::allclose(sum[4].tensor, ema[4].tensor, 1e-4, 1e-4)) << "nesterov " << nesterov;
  }
}

TEST(Scale, FollowsEachPublishedRule) {
  const auto factor = [](ScaleRule rule, std::int64_t rows, std::int64_t cols) {
    return update_factor(MatrixOptions().update_scale(0.2).scale_rule(rule), rows, cols);
  };
  EXPECT_DOUBLE_EQ(factor(ScaleRule::kSqrtMax, 64, 16), 0.2 * 8);
  EXPECT_DOUBLE_EQ(factor(ScaleRule::kSqrtMax, 16, 64), 0.2 * 8);
  EXPECT_DOUBLE_EQ(factor(ScaleRule::kSqrtRatio, 64, 16), 0.2 * 2);
  EXPECT_DOUBLE_EQ(factor(ScaleRule::kSqrtRatio, 16, 64), 0.2);
  EXPECT_DOUBLE_EQ(factor(ScaleRule::kNone, 64, 16), 0.2);
}

TEST(Scale, AFullyWhitenedMuonStepHasTheRmsOfItsScale) {
  // RMS of one step over lr = scale when every singular value is 1; Muon's land in [0.68, 1.13].
  auto model = tiny_model();
  const auto before = weights(model);
  set_gradients(model, 6);
  make_optimizer("muon", model, {{"lr", 1.0}, {"weight_decay", 0.0}, {"update_scale", 5.0}})->step();
  const double rms = (model[4].tensor - before[4]).pow(2).mean().sqrt().item<double>();
  EXPECT_GT(rms, 0.68 * 5);
  EXPECT_LT(rms, 1.21 * 5);
}

TEST(Mistakes, AreNamedWithWhatIsAllowed) {
  auto model = tiny_model();
  const auto message = [&](auto&& action) -> std::string {
    try {
      action();
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { make_optimizer("moun", model, {}); }),
              HasSubstr("unknown optimizer \"moun\"; did you mean \"muon\"?"));
  EXPECT_THAT(message([&] {
                make_optimizer("muon", model, {{"learning_rate", 0.1}});
              }),
              HasSubstr("unknown setting \"learning_rate\""));
  EXPECT_THAT(message([&] {
                make_optimizer("muon", model, {{"momentum", 1.5}});
              }),
              HasSubstr("setting \"momentum\": got 1.5, allowed: real in [0, 0.999999]"));
  EXPECT_THAT(message([&] {
                make_optimizer("muon", model, {{"preset", std::string("pion-lr")}});
              }),
              HasSubstr("did you mean \"pion-rl\"?"));
  EXPECT_THAT(message([&] { make_optimizer("pion", model, {{"k_p", std::int64_t{7}}}); }), HasSubstr("k_p\": got 7"));

  auto bad_heads = tiny_model();
  bad_heads[1].heads = 5;
  EXPECT_THAT(message([&] {
                make_optimizer("pion", bad_heads, {{"heads", std::string("per-head")}});
              }),
              HasSubstr("parameter \"q\" of shape [24, 16]: 5 heads do not divide"));
  const auto cube = torch::zeros({2, 2, 2}).set_requires_grad(true);
  EXPECT_THAT(message([&] { MatrixOptimizer(std::vector<torch::Tensor>{cube}); }),
              HasSubstr("only 2-D parameters are allowed"));
}

TEST(GpuOptimizers, TakeTheSameStepOnTheGpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  for (const auto& entry : registry()) {
    auto cpu = tiny_model(), gpu = tiny_model(torch::kCUDA);
    const auto a = make_optimizer(entry.info.name, cpu, {}), b = make_optimizer(entry.info.name, gpu, {});
    for (std::uint64_t step = 0; step < 3; ++step) {
      set_gradients(cpu, step);
      set_gradients(gpu, step);
      a->step();
      b->step();
    }
    for (std::size_t i = 0; i < cpu.size(); ++i)
      EXPECT_TRUE(torch::allclose(cpu[i].tensor, gpu[i].tensor.cpu(), 1e-3, 1e-4))
          << entry.info.name << " " << cpu[i].name;
  }
}

}  // namespace
}  // namespace pionbench::optim
