#include "optim/spectral/leading.h"

#include <gtest/gtest.h>

namespace pionbench::optim {
namespace {

torch::Tensor exact(const torch::Tensor& x, const SpectralMap& map) {
  const auto [u, s, vh] = torch::linalg_svd(x.to(torch::kFloat64), /*full_matrices=*/false);
  auto f = s / s.norm().clamp_min(1e-300);
  auto* values = f.data_ptr<double>();
  for (std::int64_t i = 0; i < f.numel(); ++i) values[i] = evaluate(map, values[i]);
  return torch::matmul(u * f, vh);
}

torch::Tensor with_spectrum(std::int64_t m, std::int64_t n, std::vector<double> spectrum) {
  const auto r = std::min(m, n);
  spectrum.resize(static_cast<std::size_t>(r), 0.0);
  const auto u = std::get<0>(torch::linalg_qr(torch::randn({m, r}, torch::kFloat64)));
  const auto v = std::get<0>(torch::linalg_qr(torch::randn({n, r}, torch::kFloat64)));
  return torch::matmul(u * torch::tensor(spectrum, torch::kFloat64), v.t()).to(torch::kFloat32);
}

/// One direction of share `energy`, the rest spread over `others` directions.
torch::Tensor one_direction(std::int64_t m, std::int64_t n, double energy, int others) {
  std::vector<double> spectrum = {std::sqrt(energy)};
  for (int i = 0; i < others; ++i) spectrum.push_back(std::sqrt((1 - energy) / others));
  return with_spectrum(m, n, spectrum);
}

std::vector<LeadingUpdate> update(const torch::Tensor& x, const SpectralMap& map, const torch::Tensor& basis = {},
                                  std::uint64_t seed = 1) {
  return leading_updates({x}, {basis}, {seed}, map, filter_profile(map), {});
}

torch::Tensor dense(const LeadingUpdate& u) {
  return torch::matmul(u.left.t(), u.right);
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).norm().item<double>();
}

std::vector<std::pair<std::string, torch::Tensor>> inputs() {
  torch::manual_seed(2);
  std::vector<std::pair<std::string, torch::Tensor>> out = {
      {"noise", torch::randn({96, 200})},
      {"tall noise", torch::randn({200, 96})},
      {"square", torch::randn({64, 64})},
      {"odd sizes", torch::randn({37, 131})},
      {"rank one", with_spectrum(48, 80, {3.0})},
      {"two equal", with_spectrum(48, 80, {1.0, 1.0})},
      {"four and noise", with_spectrum(64, 128, {1.0, 0.8, 0.6, 0.4}) + 0.01 * torch::randn({64, 128})},
      {"zero", torch::zeros({32, 40})},
      {"tiny", torch::randn({40, 60}) * 1e-14},
  };
  // Through the cutoff (2/3 of the energy), against one rival and against many.
  for (const double energy : {0.3, 0.5, 0.6, 0.64, 0.66, 0.667, 0.68, 0.7, 0.8, 0.95})
    for (const int others : {1, 2, 20}) {
      out.emplace_back("energy " + std::to_string(energy) + " against " + std::to_string(others),
                       one_direction(64, 120, energy, others));
      out.emplace_back("the same, tall", one_direction(120, 64, energy, others));
    }
  return out;
}

TEST(FilterProfile, CountsTheDirectionsThatCanPass) {
  EXPECT_EQ(filter_profile(pion_map(0)).passable, 1);
  EXPECT_EQ(filter_profile(pion_map(1)).passable, 6);
  EXPECT_GT(filter_profile(pion_map(2)).passable, 20);
  EXPECT_GT(filter_profile(muon_map()).passable, 1000);
  // The steepest place by the chain rule, Π p'(sᵢ); the profile takes differences.
  for (const std::int64_t k_p : {0, 1}) {
    double steepest = 0;
    for (int i = 0; i <= 100000; ++i) {
      double at = i / 100000.0, slope = 1;
      for (const auto& p : pion_map(k_p)) {
        slope *= p.a + 3 * p.b * at * at + 5 * p.c * at * at * at * at;
        at = p(at);
      }
      steepest = std::max(steepest, std::abs(slope));
    }
    EXPECT_NEAR(filter_profile(pion_map(k_p)).slope, steepest, 0.01 * steepest);
  }
  EXPECT_TRUE(few_directions(filter_profile(pion_map(0)), 64, 256));
  EXPECT_FALSE(few_directions(filter_profile(pion_map(2)), 64, 256));
  EXPECT_FALSE(few_directions(filter_profile(pion_map(0)), 16, 256));
}

TEST(Leading, MatchesTheSvdWithinItsToleranceWhereverItSaysItSettled) {
  for (const std::int64_t k_p : {0, 1}) {
    const auto map = pion_map(k_p);
    int settled = 0, all = 0;
    for (const auto& [name, x] : inputs()) {
      const auto u = update(x, map).front();
      ++all;
      if (!u.certified) continue;
      ++settled;
      EXPECT_LE(distance(dense(u), exact(x, map)), 1e-3) << name << ", k_p " << k_p << ", passes " << u.passes;
    }
    EXPECT_GE(settled, all * 9 / 10) << "k_p " << k_p;
  }
}

TEST(Leading, AtMostOneDirectionPassesAtTheReleasedSetting) {
  for (const auto& [name, x] : inputs()) {
    const auto u = update(x, pion_map(0)).front();
    EXPECT_LE(u.left.size(0), 1) << name;
  }
}

TEST(Leading, AWarmStartNeedsNoFurtherPassWhenTheMatrixHardlyMoved) {
  torch::manual_seed(4);
  const auto x = one_direction(96, 160, 0.75, 3);
  const auto map = pion_map(0);
  const auto cold = update(x, map).front();
  const auto moved = x + 1e-5 * torch::randn({96, 160}) * x.norm() / 124.0;
  const auto warm = update(moved, map, cold.basis, 2).front();
  EXPECT_TRUE(warm.certified);
  EXPECT_EQ(warm.passes, 1);
  EXPECT_GT(cold.passes, 1);
  EXPECT_LE(distance(dense(warm), exact(moved, map)), 1e-3);
}

TEST(Leading, FindsADirectionThatTheWarmStartKnowsNothingOf) {
  torch::manual_seed(5);
  const auto map = pion_map(0);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto before = update(one_direction(40, 60, 0.9, 5), map).front();
    // The old direction stays in the new matrix, weaker than the one that appears.
    const auto x = one_direction(40, 60, 0.8, 1);
    const auto now = update(x, map, before.basis, seed).front();
    ASSERT_TRUE(now.certified);
    EXPECT_LE(distance(dense(now), exact(x, map)), 1e-3) << seed;
  }
}

TEST(Leading, ReadsRowsOfAnyStrideAndDoesNotDependOnTheOthers) {
  torch::manual_seed(6);
  const auto wide = torch::cat({one_direction(48, 64, 0.8, 9), one_direction(48, 64, 0.75, 2)}, 1);
  const auto map = pion_map(0);
  const auto profile = filter_profile(map);
  const auto together =
      leading_updates({wide.narrow(1, 0, 64), wide.narrow(1, 64, 64)}, {{}, {}}, {1, 2}, map, profile, {});
  for (int i = 0; i < 2; ++i) {
    const auto alone = update(wide.narrow(1, 64 * i, 64).contiguous(), map, {}, static_cast<std::uint64_t>(i + 1));
    EXPECT_TRUE(torch::allclose(dense(together[static_cast<std::size_t>(i)]), dense(alone.front()), 1e-4, 1e-6));
  }
}

TEST(Leading, TheBatchedFormAgreesWithTheOneOfTheCpu) {
  torch::manual_seed(7);
  for (const std::int64_t k_p : {0, 1}) {
    const auto map = pion_map(k_p);
    const auto profile = filter_profile(map);
    std::vector<torch::Tensor> x = {one_direction(48, 64, 0.8, 9), torch::randn({48, 64}),
                                    one_direction(48, 64, 0.7, 2), torch::zeros({48, 64})};
    const auto batched =
        detail::leading_updates_batched(torch::stack(x), {{}, {}, {}, {}}, {1, 2, 3, 4}, map, profile, {});
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(batched[i].certified) << i;
      EXPECT_LE(distance(dense(batched[i]), exact(x[i], map)), 1e-3) << i;
    }
  }
}

TEST(Leading, AppliesDecayAndUpdateInPlaceOnAnyStride) {
  torch::manual_seed(8);
  for (const std::int64_t k_p : {0, 1}) {
    const auto x = with_spectrum(40, 50, {1.0, 0.9, 0.02});
    const auto u = update(x, pion_map(k_p)).front();
    const auto whole = torch::randn({40, 150});
    auto w = whole.clone();
    apply_leading_update(w.narrow(1, 50, 50), u, 0.9, -0.3);
    const auto expected = 0.9 * whole.narrow(1, 50, 50) - 0.3 * dense(u);
    EXPECT_TRUE(torch::allclose(w.narrow(1, 50, 50), expected, 1e-5, 1e-6));
    EXPECT_TRUE(torch::equal(w.narrow(1, 0, 50), whole.narrow(1, 0, 50)));
  }
}

}  // namespace
}  // namespace pionbench::optim
