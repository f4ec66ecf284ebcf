#include "experiments/rlvr/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/rlvr/data/arith.h"
#include "tests/rlvr_data/support.h"

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
    SampleOptions out;
    out.samples = samples;
    out.max_new_tokens = 10;
    out.temperature = temperature;
    out.seed = seed;
    return out;
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

TEST_F(Sampling, LogProbsOfTheEngineAreThoseOfTheFullForwardAtItsTemperature) {
  auto warm = options(0.7, 2);
  const auto rollout = sample(model_, tokenizer_, batch_, warm);
  const auto full = completion_logp(model_, rollout, {}, 0.7);
  EXPECT_TRUE(torch::allclose(rollout.sampled_logp, full.logp, 1e-3, 1e-4));
}

/// Random prompts of random lengths for a float64 model: rounding cannot reach a draw.
class Generation : public testing::Test {
 protected:
  Generation() : model_(config(), 4, 1.0, torch::kCPU, torch::kFloat64) {
    torch::manual_seed(9);
    for (int i = 0; i < 12; ++i) {
      const auto ids = torch::randint(0, 31, {1 + (i * 7) % 13});
      prompts_.emplace_back(ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + ids.numel());
    }
    options_.samples = 4;
    options_.max_new_tokens = 17;
    options_.seed = 77;
  }
  static Qwen3Config config() {
    Qwen3Config c;
    c.vocabulary = 31;
    c.hidden = 20;
    c.layers = 2;
    c.query_heads = 4;
    c.kv_heads = 2;
    c.head_dim = 6;
    c.ffn = 24;
    return c;
  }
  static void expect_same(const std::vector<Completion>& a, const std::vector<Completion>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].tokens, b[i].tokens) << "sequence " << i;
      EXPECT_EQ(a[i].ended, b[i].ended);
      for (std::size_t t = 0; t < a[i].logp.size() && t < b[i].logp.size(); ++t)
        EXPECT_NEAR(a[i].logp[t], b[i].logp[t], 1e-5);
    }
  }
  Qwen3 model_;
  std::vector<TokenIds> prompts_;
  TokenIds end_ = {3, 8};  // about two in 31 tokens end a sequence
  GenerateOptions options_;
};

TEST_F(Generation, ASampleDoesNotDependOnTheBatchAroundIt) {
  const auto all = generate(model_, prompts_, end_, options_);
  for (const std::int64_t slots : {1, 3, 16, 1000}) {
    auto other = options_;
    other.most_slots = slots;
    expect_same(generate(model_, prompts_, end_, other), all);
  }
  // A prompt alone, with the stream numbers that it had among the others.
  auto alone = options_;
  alone.first_stream = 6 * 4;
  expect_same(generate(model_, {prompts_[6]}, end_, alone), {all.begin() + 24, all.begin() + 28});
}

TEST_F(Generation, EachPromptIsRunOnceAndSlotsAreRefilled) {
  auto few = options_;
  few.most_slots = 6;
  GenerateStats stats;
  const auto completions = generate(model_, prompts_, end_, few, &stats);
  std::int64_t prompt_tokens = 0, tokens = 0;
  for (const auto& prompt : prompts_) prompt_tokens += static_cast<std::int64_t>(prompt.size());
  for (const auto& completion : completions) tokens += static_cast<std::int64_t>(completion.tokens.size());
  EXPECT_EQ(stats.prompt_tokens, prompt_tokens);
  EXPECT_EQ(stats.completion_tokens, tokens);
  EXPECT_EQ(stats.slots, 6);
  // 48 sequences in waves of six, each as long as its longest, would take many more rows.
  EXPECT_GT(static_cast<double>(stats.completion_tokens) / static_cast<double>(stats.decoded_rows), 0.75);
}

TEST_F(Generation, EndsAtAnyOfTheEndTokensOrAtTheLimit) {
  bool by[2] = {false, false}, cut = false;
  for (const auto& completion : generate(model_, prompts_, end_, options_)) {
    ASSERT_FALSE(completion.tokens.empty());
    ASSERT_EQ(completion.tokens.size(), completion.logp.size());
    for (std::size_t t = 0; t + 1 < completion.tokens.size(); ++t)
      EXPECT_TRUE(completion.tokens[t] != 3 && completion.tokens[t] != 8);
    const auto last = completion.tokens.back();
    EXPECT_EQ(completion.ended, last == 3 || last == 8);
    EXPECT_EQ(completion.tokens.size() == 17u || completion.ended, true);
    by[0] = by[0] || last == 3, by[1] = by[1] || last == 8, cut = cut || !completion.ended;
  }
  EXPECT_TRUE(by[0] && by[1] && cut);
}

TEST_F(Generation, OneGreedySampleBesideTheDrawnOnesChangesNeither) {
  auto greedy = options_, drawn = options_, both = options_;
  greedy.temperature = 0, greedy.samples = 1;
  drawn.samples = 3;
  both.greedy_first = true;
  const auto a = generate(model_, prompts_, end_, greedy), b = generate(model_, prompts_, end_, drawn);
  std::vector<Completion> expected;
  for (std::size_t p = 0; p < prompts_.size(); ++p) {
    expected.push_back(a[p]);
    for (std::size_t i = 0; i < 3; ++i) expected.push_back(b[3 * p + i]);
  }
  expect_same(generate(model_, prompts_, end_, both), expected);
}

TEST_F(Generation, TruncationNeverDrawsWhatItExcludes) {
  auto narrow = options_;
  narrow.truncation.top_k = 1;
  auto greedy = options_;
  greedy.temperature = 0;
  const auto a = generate(model_, prompts_, end_, narrow), b = generate(model_, prompts_, end_, greedy);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].tokens, b[i].tokens);
}

TEST_F(Generation, MemoryDecidesHowManySlotsThereAre) {
  auto o = options_;
  o.memory_bytes = 1 << 20;
  const auto plan = plan_generation(config(), torch::kFloat64, 13, 1000, o);
  EXPECT_EQ(plan.capacity, 30);
  EXPECT_GT(plan.slots, 1);
  EXPECT_LE(plan.slots * plan.bytes_per_slot, o.memory_bytes);
  o.memory_bytes *= 2;
  EXPECT_GT(plan_generation(config(), torch::kFloat64, 13, 1000, o).slots, plan.slots);
  o.memory_bytes = 1000;
  EXPECT_THAT(message([&] { generate(model_, prompts_, end_, o); }),
              testing::HasSubstr("the memory budget of 0 MiB holds no sequence of 30 tokens, which takes 1 MiB"));
}

TEST_F(Generation, ForeignTokensAndEmptyPromptsAreNamed) {
  EXPECT_THAT(message([&] {
                generate(model_, {{1}, {31}}, end_, options_);
              }),
              testing::HasSubstr("prompt 2 of 2 holds token 31, the model knows 0..30"));
  EXPECT_THAT(message([&] { generate(model_, {{}}, end_, options_); }),
              testing::HasSubstr("prompt 1 of 1 has no tokens"));
}

}  // namespace
}  // namespace pionbench::rlvr
