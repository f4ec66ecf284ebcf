/// The policy against the same model in plain PyTorch (tests/tools/vla_policy_reference.py), and what its parameters
/// say of themselves.

#include "experiments/vla/policy/policy.h"

#include "core/files.h"
#include "experiments/rlvr/model/safetensors.h"
#include "experiments/vla/policy/losses.h"
#include "optim/registry.h"
#include "tests/vla_policy/support.h"

namespace pionbench::vla {
namespace {

using optim::Modality;
using testing::HasSubstr;

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

class AgainstPyTorch : public testing::TestWithParam<HeadKind> {};

TEST_P(AgainstPyTorch, LossOutputChunkAndEveryGradientAgree) {
  const char* python = std::getenv("PIONBENCH_PYTHON");
  const std::string interpreter = python ? python : "python3";
  if (shell(interpreter + " -c 'import torch, scipy, safetensors'").code != 0)
    GTEST_SKIP() << interpreter << " lacks torch, scipy or safetensors";
  const TemporaryFolder folder;
  const auto policy = stirred(GetParam());
  policy.save(folder.path());
  const auto seen = observation(3);
  auto generator = at::detail::createCPUGenerator(5);
  const auto draw = [&](at::IntArrayRef shape) {
    return torch::randn(shape, generator, torch::TensorOptions()).to(torch::kFloat64);
  };
  const auto actions = draw({3, 4, 7}), noise = draw({3, 4, 7});
  const auto sigma = torch::tensor({.1, .5, .9}, torch::kFloat64);
  rlvr::write_safetensors(folder.path() / "batch.safetensors", {{"images", seen.images},
                                                                {"words", seen.words},
                                                                {"proprio", seen.proprio},
                                                                {"actions", actions},
                                                                {"noise", noise},
                                                                {"sigma", sigma}});
  const char* home = std::getenv("PIONBENCH_HOME");
  const auto run = shell(interpreter + " " + std::string(home ? home : ".") + "/tests/tools/vla_policy_reference.py " +
                         folder.path().string());
  ASSERT_EQ(run.code, 0) << run.output;
  const auto reference = rlvr::read_safetensors(folder.path() / "reference.safetensors");

  const auto features = policy.encode(seen);
  torch::Tensor output, loss;
  if (GetParam() == HeadKind::kL1) {
    output = policy.chunk(features);
    loss = chunk_l1_loss(output, actions);
  } else {
    const auto sample = flow_sample(actions, noise, sigma);
    output = policy.velocity(features, sample.noisy, sigma);
    loss = flow_loss(output, sample, actions, sigma, .1);
  }
  loss.backward();
  // Time features are computed in float32 on both sides; everything else in float64.
  EXPECT_LT(std::abs(loss.item<double>() - reference.at("loss").item<double>()), 1e-6);
  EXPECT_LT(difference(output, reference.at("output")), 1e-5);
  EXPECT_LT(difference(policy.act(features, noise, 5), reference.at("chunk")), 1e-5);
  int compared = 0;
  for (const auto& p : policy.parameters()) {
    const auto& expected = reference.at("grad/" + p.name);
    const auto gradient = p.tensor.grad().defined() ? p.tensor.grad() : torch::zeros_like(p.tensor);
    EXPECT_LT(difference(gradient, expected), 1e-6) << p.name;
    compared += expected.abs().max().item<double>() > 1e-8;
  }
  // Nearly every parameter moves the loss: the comparison is of something.
  EXPECT_GT(compared, static_cast<int>(policy.parameters().size()) - 3);
}

INSTANTIATE_TEST_SUITE_P(Heads, AgainstPyTorch, testing::Values(HeadKind::kL1, HeadKind::kFlow),
                         [](const auto& info) { return info.param == HeadKind::kL1 ? "L1" : "Flow"; });

TEST(Policies, SeveralDrawsOfAMomentAreWhatEachWouldBeByItself) {
  const auto policy = stirred(HeadKind::kFlow);
  const auto features = policy.encode(observation(3));
  const auto noisy = torch::randn({3, 5, 4, 7}, torch::kFloat64);
  const auto sigma = torch::rand({3, 5}, torch::kFloat64);
  const auto together = policy.velocity(features, noisy.view({15, 4, 7}), sigma.view({15})).view({3, 5, 4, 7});
  for (int k = 0; k < 5; ++k)
    EXPECT_LT(difference(together.select(1, k), policy.velocity(features, noisy.select(1, k), sigma.select(1, k))),
              1e-12)
        << "draw " << k;
}

TEST(Losses, TheFrequencyMatrixIsOrthonormalAndItsFirstRowTheMean) {
  const auto matrix = dct_matrix(8, torch::TensorOptions().dtype(torch::kFloat64));
  EXPECT_LT(difference(torch::matmul(matrix, matrix.t()), torch::eye(8, torch::kFloat64)), 1e-12);
  const auto chunk = torch::randn({8, 7}, torch::kFloat64);
  EXPECT_LT(difference(torch::matmul(matrix[0], chunk), chunk.mean(0) * std::sqrt(8.)), 1e-12);
}

TEST(Losses, TheTrueVelocityLeadsFromNoiseToTheAction) {
  const auto actions = torch::randn({2, 4, 7}, torch::kFloat64), noise = torch::randn({2, 4, 7}, torch::kFloat64);
  const auto sigma = torch::tensor({.3, .8}, torch::kFloat64);
  const auto sample = flow_sample(actions, noise, sigma);
  EXPECT_LT(difference(clean_estimate(sample.noisy, sample.velocity, sigma), actions), 1e-12);
  EXPECT_LT(flow_loss(sample.velocity, sample, actions, sigma, .1).item<double>(), 1e-20);
  // Euler steps along it end at the action, however few.
  for (const std::int64_t steps : {1, 5}) {
    auto x = noise.clone();
    const auto grid = flow_grid(steps);
    for (std::size_t i = 0; i + 1 < grid.size(); ++i) x = x + (grid[i + 1] - grid[i]) * (noise - actions);
    EXPECT_LT(difference(x, actions), 1e-12);
  }
  EXPECT_EQ(flow_grid(5).size(), 6u);
  EXPECT_NEAR(flow_grid(5)[4], .001, 1e-15);
}

TEST(Policy, PaddingOfTheInstructionChangesNothing) {
  for (const auto head : {HeadKind::kL1, HeadKind::kFlow}) {
    const auto policy = stirred(head);
    auto seen = observation(3);
    const auto noise = torch::randn({3, 4, 7}, torch::kFloat64);
    const auto before = policy.act(policy.encode(seen), noise, 3);
    seen.words = torch::cat({seen.words, torch::zeros({3, 2}, torch::kInt64)}, 1);
    EXPECT_LT(difference(policy.act(policy.encode(seen), noise, 3), before), 1e-9);
    seen.words[0][1] = 2;  // another word does
    EXPECT_GT(difference(policy.act(policy.encode(seen), noise, 3)[0], before[0]), 1e-6);
  }
}

TEST(Policy, APixelReachesThePatchesWhoseConvolutionsSeeItAndNoOthers) {
  // Without vision blocks a patch knows its own surroundings alone: 3 × 3 linear patches of 2 × 2 about its corner.
  auto c = tiny();
  c.vision_layers = 0;
  const Policy policy(c, 3, torch::kCPU, torch::kFloat64);
  const auto seen = observation(1);
  const auto before = policy.encode(seen).vision;
  const auto grid = c.image / c.patch;
  int passed = 0;
  for (std::int64_t view = 0; view < 2; ++view)
    for (std::int64_t y = 0; y < c.image; ++y)
      for (std::int64_t x = 0; x < c.image; ++x) {
        auto changed = seen;
        changed.images = seen.images.clone();
        changed.images[0][view][y][x] += 1;
        const auto moved = (policy.encode(changed).vision - before).abs().amax(-1)[0];
        for (std::int64_t at = 0; at < c.patches(); ++at) {
          // Patch row r convolves the linear rows 2r − 1 to 2r + 1.
          const auto row = at % (grid * grid) / grid, column = at % grid;
          const bool reached =
              at / (grid * grid) == view && std::abs(y / 2 - 2 * row) <= 1 && std::abs(x / 2 - 2 * column) <= 1;
          if (!reached) {
            EXPECT_EQ(moved[at].item<double>(), 0) << view << " " << y << " " << x << " " << at;
          }
        }
        passed += moved.max().item<double>() > 0;
      }
  EXPECT_GT(passed, 2 * c.image * c.image * 9 / 10);  // a ReLU may hold a few back
}

TEST(Policy, ThePlainVisionTransformerIsTheStemWithoutConvolutions) {
  auto c = tiny();
  c.stem_patch = c.patch;
  const Policy policy(c, 0, torch::kCPU, torch::kFloat32);
  EXPECT_EQ(c.stem_stages(), 0);
  for (const auto& p : policy.parameters()) {
    EXPECT_EQ(p.name.find("stem"), std::string::npos) << p.name;
    if (p.name == "vision.patch.weight") {
      EXPECT_EQ(p.tensor.sizes(), (std::vector<std::int64_t>{8, 48}));
    }
  }
}

TEST(Policy, TheLooksAreTheAttentionOfTheQueries) {
  const auto policy = stirred(HeadKind::kL1);
  auto seen = observation(3);
  const auto features = policy.encode(seen, /*with_looks=*/true);
  const auto length = features.states.back().size(1);
  ASSERT_EQ(features.looks.sizes(), (std::vector<std::int64_t>{3, 3, 3, length}));
  EXPECT_LT(difference(features.looks.exp().sum(-1), torch::ones({3, 3, 3})), 1e-12);
  // Nobody looks at padding: row 2 of the observation has one word of four.
  EXPECT_EQ(features.looks.exp().narrow(3, policy.config().patches() + 1, 3)[2].abs().max().item<double>(), 0);
  EXPECT_FALSE(policy.encode(seen).looks.defined());
}

TEST(Policy, IsTheSameAfterSavingAndLoading) {
  const TemporaryFolder folder;
  const auto policy = stirred(HeadKind::kFlow, torch::kFloat32);
  policy.save(folder.path());
  const auto again = Policy::load(folder.path(), torch::kCPU, torch::kFloat32);
  ASSERT_EQ(again.parameters().size(), policy.parameters().size());
  for (std::size_t i = 0; i < policy.parameters().size(); ++i)
    EXPECT_TRUE(torch::equal(policy.parameters()[i].tensor, again.parameters()[i].tensor))
        << policy.parameters()[i].name;
  EXPECT_EQ(again.vocabulary().encode("Put the MILK, please", 9), (std::vector<std::int64_t>{5, 6, 4, 1}));
}

TEST(Policy, ABackboneBringsEverythingButTheHead) {
  const TemporaryFolder folder;
  stirred(HeadKind::kFlow, torch::kFloat32).save(folder.path(), /*backbone_only=*/true);
  const auto stored = rlvr::read_safetensors(folder.path() / "model.safetensors");
  Policy fresh(tiny(HeadKind::kL1), 1, torch::kCPU, torch::kFloat32),
      other(tiny(HeadKind::kL1), 1, torch::kCPU, torch::kFloat32);
  other.load_backbone(folder.path());
  for (std::size_t i = 0; i < fresh.parameters().size(); ++i) {
    const auto& p = other.parameters()[i];
    EXPECT_EQ(stored.contains(p.name), p.modality != Modality::kAction) << p.name;
    EXPECT_TRUE(
        torch::equal(p.tensor, p.modality == Modality::kAction ? fresh.parameters()[i].tensor : stored.at(p.name)))
        << p.name;
  }
  auto wider = tiny(HeadKind::kL1);
  wider.width = 24;
  Policy wrong(wider, 1, torch::kCPU, torch::kFloat32);
  EXPECT_THAT(error_of([&] { wrong.load_backbone(folder.path()); }),
              testing::AllOf(HasSubstr("model.safetensors"), HasSubstr("connector.up.weight"), HasSubstr("shape")));
}

TEST(Policy, EveryModuleHasItsTagAndEveryMatrixOfAttentionItsHeads) {
  for (const auto head : {HeadKind::kL1, HeadKind::kFlow}) {
    const Policy policy(tiny(head), 0, torch::kCPU, torch::kFloat32);
    std::map<Modality, int> matrices;
    for (const auto& p : policy.parameters()) {
      const auto module = p.name.substr(0, p.name.find('.'));
      const auto expected = module == "vision"     ? Modality::kVision
                            : module == "language" ? Modality::kLanguage
                            : module == "action"   ? Modality::kAction
                                                   : Modality::kOther;
      EXPECT_EQ(p.modality, expected) << p.name;
      EXPECT_EQ(optim::is_matrix(p.role) || p.role == optim::Role::kEmbedding || p.role == optim::Role::kOutput,
                p.tensor.dim() == 2)
          << p.name;
      if (optim::is_matrix(p.role)) ++matrices[p.modality];
      const auto last = p.name.substr(p.name.rfind('.') + 1);
      const bool out = last == "q" || last == "k" || last == "v" || last.ends_with("_k") || last.ends_with("_v");
      EXPECT_EQ(p.role == optim::Role::kHeadsOut, out) << p.name;
      EXPECT_EQ(p.role == optim::Role::kHeadsIn, last == "o") << p.name;
      if (out || last == "o") {
        EXPECT_EQ(p.heads, p.modality == Modality::kLanguage ? 3 : 2) << p.name;
      }
    }
    EXPECT_EQ(matrices.size(), 4u);
  }
}

TEST(Policy, EachMixtureOfTableA6PutsItsOptimizerOnItsModule) {
  const std::vector<std::string> rules = {"adamw", "muon", "pion", "lowrank_muon", "frozen"};
  const Policy policy(tiny(), 0, torch::kCPU, torch::kFloat32);
  for (const auto& vision : rules)
    for (const auto& language : rules)
      for (const auto& action : rules) {
        const auto optimizer = optim::make_optimizer(
            "modules", policy.parameters(),
            {{"vision", vision}, {"language", language}, {"action", action}, {"other", std::string("muon")}});
        for (const auto& p : policy.parameters()) {
          const auto expected = !optim::is_matrix(p.role)           ? "auxiliary"
                                : p.modality == Modality::kVision   ? vision
                                : p.modality == Modality::kLanguage ? language
                                : p.modality == Modality::kAction   ? action
                                                                    : "muon";
          ASSERT_EQ(optimizer->owner(p.tensor), expected) << p.name << ": " << vision << language << action;
        }
      }
}

/// Steps of `optimizer` on the l1 loss.
std::vector<optim::Parameter> trained(const std::string& optimizer, const Values& hyper, int steps = 3) {
  torch::set_num_threads(1);  // matrices this small only lose by sharing
  const auto policy = stirred(HeadKind::kL1, torch::kFloat32);
  const auto routed = optim::make_optimizer(optimizer, policy.parameters(), hyper);
  const auto seen = observation(3, torch::kFloat32);
  auto generator = at::detail::createCPUGenerator(5);
  const auto actions = torch::randn({3, 4, 7}, generator, torch::TensorOptions());
  for (int step = 0; step < steps; ++step) {
    routed->zero_grad();
    chunk_l1_loss(policy.chunk(policy.encode(seen)), actions).backward();
    EXPECT_TRUE(routed->step().applied());
  }
  return policy.parameters();
}

TEST(Modules, OneRuleForAllIsThatOptimizerToTheBit) {
  const std::string preset = "pion-vla";
  const auto all = [&](const std::string& rule) {
    return Values{{"preset", preset}, {"vision", rule}, {"language", rule},
                  {"action", rule},   {"other", rule},  {"lr", .01}};
  };
  for (const auto& [rule, values] : {std::pair<std::string, Values>{"muon", {{"preset", preset}, {"lr", .01}}},
                                     {"pion", {{"preset", preset}, {"lr", .01}}},
                                     {"lowrank_muon", {{"preset", preset}, {"lr", .01}}},
                                     {"adamw", {{"lr", .01}, {"weight_decay", .01}}}}) {
    const auto mixed = trained("modules", all(rule)), plain = trained(rule, values);
    for (std::size_t i = 0; i < plain.size(); ++i)
      EXPECT_TRUE(torch::equal(mixed[i].tensor, plain[i].tensor)) << rule << " " << plain[i].name;
  }
}

TEST(Modules, HeadsConcernPionsMatricesAlone) {
  const Values pion = {{"preset", std::string("pion-vla")}, {"lr", .01}, {"k_p", std::int64_t{4}}};
  auto per_head = pion;
  per_head["heads"] = std::string("per-head");
  // One step: later gradients differ everywhere.
  const auto whole = trained("modules", pion, 1), split = trained("modules", per_head, 1);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto role = whole[i].role;
    const bool has_heads = role == optim::Role::kHeadsOut || role == optim::Role::kHeadsIn;
    EXPECT_EQ(torch::equal(whole[i].tensor, split[i].tensor), !(has_heads && whole[i].modality == Modality::kAction))
        << whole[i].name;
  }
}

TEST(Modules, ARateOfItsOwnIsTheHeadsMatricesAlone) {
  const Values shared = {
      {"preset", std::string("pion-vla")}, {"lr", .01}, {"weight_decay", 0.0}, {"action", std::string("muon")}};
  auto own = shared;
  own["action_lr_ratio"] = 3.0;
  const auto before = stirred(HeadKind::kL1, torch::kFloat32).parameters();
  const auto one = trained("modules", shared, 1), three = trained("modules", own, 1);
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool is_heads = before[i].modality == Modality::kAction && optim::is_matrix(before[i].role);
    const auto change = one[i].tensor - before[i].tensor;
    EXPECT_TRUE(torch::allclose(three[i].tensor - before[i].tensor, (is_heads ? 3 : 1) * change, 1e-3, 1e-6))
        << before[i].name;
  }
}

TEST(Modules, AFrozenHeadKeepsItsMatricesAndTrainsTheRest) {
  const auto before = stirred(HeadKind::kL1, torch::kFloat32).parameters();
  const auto after =
      trained("modules", {{"preset", std::string("pion-vla")}, {"lr", .01}, {"action", std::string("frozen")}});
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool frozen = before[i].modality == Modality::kAction && optim::is_matrix(before[i].role);
    if (before[i].name == "language.embedding" || before[i].name == "language.position") continue;  // unused rows decay
    EXPECT_EQ(torch::equal(before[i].tensor, after[i].tensor), frozen) << before[i].name;
  }
}

TEST(Policy, SizesThatDoNotFitAreNamed) {
  auto c = tiny();
  c.patch = 3;
  EXPECT_THAT(error_of([&] { Policy(c, 0, torch::kCPU, torch::kFloat32); }),
              testing::AllOf(HasSubstr("patch"), HasSubstr("crop"), HasSubstr("3 and 8")));
  c = tiny();
  c.image = 12;
  c.patch = 6;
  EXPECT_THAT(error_of([&] { Policy(c, 0, torch::kCPU, torch::kFloat32); }),
              testing::AllOf(HasSubstr("stem_patch"), HasSubstr("power of two")));
  c = tiny();
  c.heads = 5;
  EXPECT_THAT(error_of([&] { Policy(c, 0, torch::kCPU, torch::kFloat32); }), HasSubstr("language_heads, width"));
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / "policy.json", "{\"image\": 8}");
  EXPECT_THAT(error_of([&] { Policy::load(folder.path(), torch::kCPU, torch::kFloat32); }), HasSubstr("policy.json"));
}

}  // namespace
}  // namespace pionbench::vla
