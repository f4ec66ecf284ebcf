#include "experiments/rlvr/pick.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pionbench::rlvr {
namespace {

/// What data/sampling.h, tested against its definition, draws from each row.
std::vector<std::int64_t> row_by_row(const torch::Tensor& logits, double temperature, const Truncation& truncation,
                                     const torch::Tensor& draws) {
  const auto p = torch::softmax(logits / temperature, -1).contiguous();
  std::vector<std::int64_t> out;
  for (std::int64_t r = 0; r < p.size(0); ++r)
    out.push_back(
        draw({p[r].data_ptr<float>(), static_cast<std::size_t>(p.size(1))}, truncation, draws[r].item<double>()));
  return out;
}

void expect_the_same_tokens(const torch::Tensor& logits, double temperature, const Truncation& truncation,
                            const torch::Tensor& draws, const std::string& what) {
  const auto [tokens, logp] = draw_rows(logits, temperature, truncation, draws);
  const auto expected = torch::tensor(row_by_row(logits, temperature, truncation, draws));
  EXPECT_EQ((tokens != expected).sum().item<std::int64_t>(), 0) << what;
  const auto all = torch::log_softmax(logits.to(torch::kFloat64) / temperature, -1);
  EXPECT_TRUE(torch::allclose(logp.to(torch::kFloat64), all.gather(1, tokens.unsqueeze(1)).squeeze(1), 1e-5, 1e-5))
      << what;
}

const std::vector<std::pair<const char*, Truncation>> kRules = {{"none", {}},
                                                                {"top-k", {7, 1, 0}},
                                                                {"top-k of one", {1, 1, 0}},
                                                                {"top-p", {0, 0.8, 0}},
                                                                {"min-p", {0, 1, 0.05}},
                                                                {"all three", {40, 0.9, 0.02}},
                                                                {"top-k beyond the vocabulary", {1000000, 1, 0}}};

TEST(DrawRows, TakesTheTokensThatDrawingRowByRowTakes) {
  torch::manual_seed(3);
  const auto draws = torch::rand({3000}, torch::kFloat64);
  for (const double spread : {0.3, 3.0, 30.0})
    for (const auto& [name, truncation] : kRules) {
      const auto logits = torch::randn({3000, 131}) * spread;
      expect_the_same_tokens(logits, 0.7, truncation, draws, std::string(name) + ", spread " + std::to_string(spread));
    }
}

TEST(DrawRows, GivesTiesToTheLowerTokenAndNeverDrawsWhatHasNoProbability) {
  torch::manual_seed(4);
  auto logits = torch::randint(0, 3, {2000, 67}).to(torch::kFloat32);
  logits.narrow(1, 20, 30).fill_(-std::numeric_limits<float>::infinity());
  const auto draws = torch::cat({torch::rand({1000}, torch::kFloat64), torch::zeros({500}, torch::kFloat64),
                                 torch::full({500}, std::nextafter(1.0, 0.0), torch::kFloat64)});
  for (const auto& [name, truncation] : kRules) {
    expect_the_same_tokens(logits, 1, truncation, draws, name);
    const auto tokens = draw_rows(logits, 1, truncation, draws).first;
    EXPECT_FALSE(((tokens >= 20) & (tokens < 50)).any().item<bool>()) << name;
  }
}

TEST(DrawRows, WorksInSlicesOfALargeVocabulary) {
  torch::manual_seed(5);
  const auto logits = torch::randn({130, 151936});  // Qwen3's, two slices
  expect_the_same_tokens(logits, 1, {}, torch::rand({130}, torch::kFloat64), "none");
}

TEST(DrawRows, SurvivesLogitsThatAreNoNumbers) {
  auto logits = torch::randn({4, 9});
  logits[1].fill_(std::numeric_limits<float>::quiet_NaN());
  logits[2][3] = std::numeric_limits<float>::infinity();
  for (const auto& [name, truncation] : kRules) {
    const auto tokens = draw_rows(logits, 1, truncation, torch::full({4}, 0.5, torch::kFloat64)).first;
    EXPECT_TRUE(((tokens >= 0) & (tokens < 9)).all().item<bool>()) << name;
  }
}

}  // namespace
}  // namespace pionbench::rlvr
