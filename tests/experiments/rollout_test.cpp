#include "experiments/rlvr/rollout.h"

#include <gtest/gtest.h>

#include "experiments/rlvr/data/arith.h"

namespace pionbench::rlvr {
namespace {

class Sampling : public testing::Test {
 protected:
  Sampling()
      : tokenizer_(Tokenizer::from_words(arith_vocabulary())), model_(config(), 3, 1.0, torch::kCPU, torch::kFloat32) {
    problems_ = generate_arith(0, {12, 0, 0}).train;
    for (const auto& p : problems_) batch_.push_back(&p);
  }
  Qwen3Config config() const {
    Qwen3Config c;
    c.vocabulary = tokenizer_.size();
    c.hidden = 24;
    c.layers = 2;
    c.query_heads = 4;
    c.kv_heads = 2;
    c.head_dim = 6;
    c.ffn = 32;
    return c;
  }
  SampleOptions options(double temperature, std::int64_t samples = 1, std::uint64_t seed = 1) const {
    return {samples, 10, temperature, seed};
  }
  Tokenizer tokenizer_;
  Qwen3 model_;
  std::vector<Problem> problems_;
  std::vector<const Problem*> batch_;
};

TEST_F(Sampling, GreedyFollowsTheArgmaxOfTheFullForward) {
  const auto rollout = sample(model_, tokenizer_, batch_, options(0));
  for (std::int64_t i = 0; i < rollout.tokens.size(0); ++i) {
    const auto prompt = rollout.prompt_lengths[i].item<std::int64_t>(),
               length = rollout.completion_lengths[i].item<std::int64_t>();
    const auto row = rollout.tokens[i].narrow(0, 0, prompt + length);
    const auto best = model_.logits(model_.forward(row.unsqueeze(0)))[0].argmax(-1);
    EXPECT_TRUE(torch::equal(row.narrow(0, prompt, length), best.narrow(0, prompt - 1, length))) << "row " << i;
  }
}

TEST_F(Sampling, SameSeedSameSamplesOtherSeedOthers) {
  const auto a = sample(model_, tokenizer_, batch_, options(1, 2, 7)),
             b = sample(model_, tokenizer_, batch_, options(1, 2, 7));
  const auto c = sample(model_, tokenizer_, batch_, options(1, 2, 8));
  EXPECT_EQ(a.completions, b.completions);
  EXPECT_NE(a.completions, c.completions);
}

TEST_F(Sampling, FirstTokensFollowTheModelsDistribution) {
  const std::int64_t samples = 20000;
  SampleOptions one = options(1, samples);
  one.max_new_tokens = 1;
  const auto rollout = sample(model_, tokenizer_, {batch_[0]}, one);
  const auto prompt = rollout.prompt_lengths[0].item<std::int64_t>();
  const auto tokens = torch::tensor(tokenizer_.encode(batch_[0]->question)).unsqueeze(0);
  const auto expected = torch::softmax(model_.logits(model_.forward(tokens))[0][prompt - 1], -1);
  const auto observed = torch::bincount(rollout.tokens.select(1, prompt), {}, tokenizer_.size()).to(torch::kFloat32) /
                        static_cast<double>(samples);
  // Four standard deviations of a proportion, for the largest of 88.
  const double sd = std::sqrt(expected.max().item<double>() / static_cast<double>(samples));
  EXPECT_LT((observed - expected).abs().max().item<double>(), 4 * sd);
}

TEST_F(Sampling, SamplesOfAPromptStandNextToEachOther) {
  const auto rollout = sample(model_, tokenizer_, batch_, options(1, 3));
  ASSERT_EQ(rollout.tokens.size(0), 36);
  for (std::int64_t i = 0; i < 36; ++i) {
    const auto prompt = torch::tensor(tokenizer_.encode(batch_[static_cast<std::size_t>(i / 3)]->question));
    EXPECT_TRUE(torch::equal(rollout.tokens[i].narrow(0, 0, prompt.size(0)), prompt));
  }
}

TEST_F(Sampling, LogProbsAreThoseOfTheFullForward) {
  const auto rollout = sample(model_, tokenizer_, batch_, options(1, 2));
  const auto rows = torch::tensor({1, 4, 19});
  const auto result = completion_logp(model_, rollout, rows);
  for (std::int64_t r = 0; r < 3; ++r) {
    const auto i = rows[r].item<std::int64_t>();
    const auto prompt = rollout.prompt_lengths[i].item<std::int64_t>(),
               length = rollout.completion_lengths[i].item<std::int64_t>();
    const auto row = rollout.tokens[i].narrow(0, 0, prompt + length);
    const auto logp = torch::log_softmax(model_.logits(model_.forward(row.unsqueeze(0)))[0], -1);
    for (std::int64_t t = 0; t < result.logp.size(1); ++t) {
      if (t >= length) {
        EXPECT_EQ(result.mask[r][t].item<double>(), 0);
        EXPECT_EQ(result.logp[r][t].item<double>(), 0);
        continue;
      }
      EXPECT_EQ(result.mask[r][t].item<double>(), 1);
      EXPECT_NEAR(result.logp[r][t].item<double>(),
                  logp[prompt - 1 + t][row[prompt + t].item<std::int64_t>()].item<double>(), 1e-4);
    }
  }
}

}  // namespace
}  // namespace pionbench::rlvr
