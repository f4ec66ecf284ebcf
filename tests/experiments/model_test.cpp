#include "experiments/rlvr/model/qwen3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "experiments/kernels/attention.h"
#include "experiments/kernels/gelu.h"
#include "experiments/rlvr/model/decoder.h"
#include "experiments/rlvr/model/fused.h"
#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Qwen3Config tiny() {
  Qwen3Config c;
  c.vocabulary = 23;
  c.hidden = 16;
  c.layers = 2;
  c.query_heads = 4;
  c.kv_heads = 2;
  c.head_dim = 6;
  c.ffn = 24;
  return c;
}

Qwen3 make(torch::Dtype dtype = torch::kFloat64) {
  return Qwen3(tiny(), 5, 1.0, torch::kCPU, dtype);
}

fs::path folder_of(const std::string& name) {
  const auto folder = scratch("model-" + name);
  fs::create_directories(folder);
  return folder;
}

TEST(Decoder, OneTokenAtATimeEqualsTheFullForward) {
  const auto model = make();
  torch::manual_seed(1);
  // Prompts of unequal length, right-padded; the decoded tokens follow each prompt without a gap.
  const auto lengths = torch::tensor({5, 3, 1});
  const auto prompts = torch::randint(3, 23, {3, 5});
  const auto extra = torch::randint(3, 23, {3, 4});
  const Decoder decoder(model);
  KvCache prompt_cache;
  std::vector<torch::Tensor> decoded = {decoder.prefill(prompts, lengths, prompt_cache)};
  // Slots in another order than the prompts, one of them empty.
  auto cache = decoder.make_cache(4, 9);
  const auto slots = torch::tensor({2, 0, 3});
  cache.copy_from(prompt_cache, torch::arange(3), slots, 5);
  auto positions = torch::zeros({4}, torch::kInt64).index_copy(0, slots, lengths);
  for (int t = 0; t < 4; ++t) {
    const auto tokens = torch::zeros({4}, torch::kInt64).index_copy(0, slots, extra.select(1, t));
    decoded.push_back(
        decoder.decode(tokens, positions, positions.max().item<std::int64_t>() + 1, cache).index_select(0, slots));
    positions = positions + 1;
  }
  for (int b = 0; b < 3; ++b) {
    const auto n = lengths[b].item<std::int64_t>();
    const auto whole = torch::cat({prompts[b].narrow(0, 0, n), extra[b]}).unsqueeze(0);
    const auto expected = model.logits(model.forward(whole))[0];  // [n + 4, V]
    for (int t = 0; t <= 4; ++t)
      EXPECT_LT((decoded[static_cast<std::size_t>(t)][b] - expected[n - 1 + t]).abs().max().item<double>(), 1e-6)
          << "sequence " << b << " token " << t;
  }
}

/// The float32 path has kernels of its own (decode_kernel.h): head sizes with and without a rest of its sixteen lanes,
/// groups of one to eight heads, sequences of unequal length and beyond one register of scores.
TEST(Decoder, ItsFloat32KernelsComputeWhatTheFullForwardDoes) {
  struct Case {
    std::int64_t head_dim, query_heads, kv_heads;
  };
  for (const auto& [head_dim, query_heads, kv_heads] :
       {Case{6, 2, 2}, Case{16, 6, 2}, Case{24, 4, 2}, Case{40, 5, 1}, Case{64, 8, 1}, Case{128, 3, 1}}) {
    auto config = tiny();
    config.head_dim = head_dim, config.query_heads = query_heads, config.kv_heads = kv_heads;
    config.ffn = 37;
    const Qwen3 model(config, 7, 1.0, torch::kCPU, torch::kFloat32);
    const Qwen3 exact(config, 7, 1.0, torch::kCPU, torch::kFloat64);
    torch::manual_seed(2);
    const auto lengths = torch::tensor({19, 2, 7});
    const auto tokens = torch::randint(3, 23, {3, 40});
    const Decoder decoder(model);
    KvCache prompts;
    decoder.prefill(tokens.narrow(1, 0, 19), lengths, prompts);
    auto cache = decoder.make_cache(3, 40);
    cache.copy_from(prompts, torch::arange(3), torch::arange(3), 19);
    for (std::int64_t t = 0; t < 20; ++t) {
      const auto positions = lengths + t;
      const auto next = tokens.gather(1, positions.unsqueeze(1)).squeeze(1);
      const auto logits = decoder.decode(next, positions, positions.max().item<std::int64_t>() + 1, cache);
      const auto full = exact.logits(exact.forward(tokens));  // [3, 40, V]
      for (std::int64_t row = 0; row < 3; ++row)
        EXPECT_LT((logits[row] - full[row][positions[row].item<std::int64_t>()]).abs().max().item<double>(), 2e-5)
            << "head " << head_dim << ", step " << t << ", row " << row;
    }
  }
}

TEST(Decoder, SamplesOfAPromptReadItsKeysInOnePlaceAndGetTheSameBits) {
  for (const std::int64_t head_dim : {24, 64, 128}) {
    auto config = tiny();
    config.head_dim = head_dim, config.query_heads = 6, config.kv_heads = 2;
    const Qwen3 model(config, 7, 1.0, torch::kCPU, torch::kFloat32);
    torch::manual_seed(2);
    const auto lengths = torch::tensor({37, 18});
    const Decoder decoder(model);
    KvCache prompts;
    decoder.prefill(torch::randint(3, 23, {2, 37}), lengths, prompts);
    const auto rows = torch::tensor({0, 1, 1, 0, 0});
    const auto make_cache = [&] {
      auto cache = decoder.make_cache(6, 48);  // slot 5 is empty
      cache.copy_from(prompts, rows, torch::arange(5), 37);
      return cache;
    };
    auto apart = make_cache(), together = make_cache();
    // Whole blocks of sixteen are read at the first slot of a prompt, so nothing else may be looked at there.
    for (auto* list : {&together.keys, &together.values})
      for (auto& x : *list)
        for (const auto& [slot, positions] : {std::pair{2, 16}, {3, 32}, {4, 32}})
          x[slot].narrow(1, 0, positions).fill_(std::numeric_limits<float>::quiet_NaN());
    const SharedPrefixes prefixes{{0, 1, 1, 0, 0, 5}, {37, 18, 18, 37, 37, 0}};
    for (std::int64_t t = 0; t < 9; ++t) {
      const auto tokens = torch::randint(3, 23, {6});
      const auto positions = torch::cat({lengths.index_select(0, rows) + t, torch::zeros({1}, torch::kInt64)});
      const auto expected = decoder.decode(tokens, positions, 48, apart);
      EXPECT_TRUE(torch::equal(decoder.decode(tokens, positions, 48, together, prefixes), expected))
          << "head " << head_dim << ", step " << t;
    }
  }
}

TEST(Decoder, RowsOfACacheCanBeTakenOutAndPutBack) {
  const auto model = make();
  const Decoder decoder(model);
  const auto prompts = torch::randint(3, 23, {2, 4});
  const auto lengths = torch::tensor({4, 2});
  KvCache both;
  decoder.prefill(prompts, lengths, both);
  auto three = decoder.make_cache(3, 6);
  three.copy_from(both.row(1, 2), torch::zeros({3}, torch::kInt64), torch::arange(3), 2);
  const auto token = torch::full({3}, 7, torch::kInt64), position = torch::full({3}, 2, torch::kInt64);
  const auto tripled = decoder.decode(token, position, 3, three);
  EXPECT_TRUE(torch::allclose(tripled[0], tripled[2], 1e-6, 1e-7));
  const auto expected =
      model.logits(model.forward(torch::cat({prompts[1].narrow(0, 0, 2), token.narrow(0, 0, 1)}).unsqueeze(0)));
  EXPECT_LT((tripled[1] - expected[0][2]).abs().max().item<double>(), 1e-6);
  auto one = three.selected(torch::tensor({1}));
  EXPECT_EQ(one.slots(), 1);
  EXPECT_LT(
      (decoder.decode(token.narrow(0, 0, 1), position.narrow(0, 0, 1), 3, one) - tripled[1]).abs().max().item<double>(),
      1e-6);
}

TEST(Qwen3, PaddingOnTheRightChangesNothingBeforeIt) {
  const auto model = make();
  const auto tokens = torch::randint(3, 23, {2, 6});
  const auto padded = torch::cat({tokens, torch::zeros({2, 3}, torch::kInt64)}, 1);
  EXPECT_TRUE(torch::allclose(model.forward(padded).narrow(1, 0, 6), model.forward(tokens), 1e-9, 1e-9));
}

/// Gradients of a scalar of the hidden states, by parameter.
std::vector<torch::Tensor> gradients(const Qwen3& model, const torch::Tensor& tokens) {
  for (const auto& p : model.parameters()) p.tensor.mutable_grad() = torch::Tensor();
  model.logits(model.forward(tokens)).to(torch::kFloat64).square().mean().backward();
  std::vector<torch::Tensor> out;
  for (const auto& p : model.parameters()) out.push_back(p.tensor.grad());
  return out;
}

TEST(Qwen3, GradientCheckpointingChangesNeitherValuesNorGradients) {
  auto model = make();
  torch::manual_seed(3);
  const auto tokens = torch::randint(3, 23, {2, 6});
  const auto plain = gradients(model, tokens);
  const auto value = model.forward(tokens);
  model.set_gradient_checkpointing(true);
  EXPECT_TRUE(torch::equal(model.forward(tokens), value));
  const auto again = gradients(model, tokens);
  for (std::size_t i = 0; i < plain.size(); ++i)
    EXPECT_TRUE(torch::allclose(again[i], plain[i], 1e-12, 1e-12)) << model.parameters()[i].name;
}

/// Five sequences of three prompts, padded on the right.
struct Padded {
  torch::Tensor tokens = torch::tensor({{3, 4, 5, 6, 7, 8, 9},
                                        {3, 4, 5, 7, 0, 0, 0},
                                        {3, 4, 5, 6, 7, 8, 0},
                                        {11, 12, 13, 14, 15, 0, 0},
                                        {3, 4, 9, 0, 0, 0, 0}},
                                       torch::kInt64);
  torch::Tensor lengths = torch::tensor({7, 4, 6, 5, 3}, torch::kInt64);
  torch::Tensor shared = torch::tensor({3, 3, 3, 2, 2}, torch::kInt64);  // prompts
  torch::Tensor valid = torch::arange(7).unsqueeze(0) < lengths.unsqueeze(1);
};

TEST(PackedTokens, HoldEveryTokenOnceAndSharedPromptsOnce) {
  const Padded padded;
  const auto packed = pack(padded.tokens, padded.lengths, padded.shared);
  // 7, then 4 and 6 without their three shared ones, then two that share nothing.
  EXPECT_EQ(packed.tokens.size(0), 7 + 1 + 3 + 5 + 3);
  const auto back = packed.tokens.index_select(0, packed.sequences.flatten()).view_as(packed.sequences);
  EXPECT_TRUE(torch::equal(back.masked_select(padded.valid), padded.tokens.masked_select(padded.valid)));
  const auto columns = torch::arange(7).expand({5, 7});
  const auto positions = packed.positions.index_select(0, packed.sequences.flatten()).view_as(packed.sequences);
  EXPECT_TRUE(torch::equal(positions.masked_select(padded.valid), columns.masked_select(padded.valid)));
  EXPECT_TRUE(torch::equal(packed.sequences.flatten().index_select(0, packed.places), torch::arange(19)));
}

TEST(PackedTokens, AreComputedAsTheirSequencesAreValuesAndGradients) {
  const Padded padded;
  auto model = make();
  const auto packed = pack(padded.tokens, padded.lengths, padded.shared);
  const auto weight = torch::rand({5, 7, 1}, torch::kFloat64) * padded.valid.unsqueeze(2);
  const auto of = [&](const std::function<torch::Tensor()>& hidden) {
    for (const auto& p : model.parameters()) p.tensor.mutable_grad() = torch::Tensor();
    const auto values = hidden();
    (values.square() * weight).sum().backward();
    std::vector<torch::Tensor> out = {values.masked_select(padded.valid.unsqueeze(2))};
    for (const auto& p : model.parameters()) out.push_back(p.tensor.grad().clone());
    return out;
  };
  const auto expected = of([&] { return model.forward(padded.tokens); });
  const auto in_place = [&] {
    return model.forward(packed).index_select(0, packed.sequences.flatten()).view({5, 7, -1});
  };
  for (const bool checkpointing : {false, true}) {
    model.set_gradient_checkpointing(checkpointing);
    const auto got = of(in_place);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(torch::allclose(got[i], expected[i], 1e-10, 1e-12)) << i;
  }
}

TEST(PackedTokens, AreNotSharedWhereTheyDiffer) {
  const auto tokens = torch::tensor({{3, 4, 5}, {3, 9, 5}}, torch::kInt64);
  const auto two = torch::full({2}, 2, torch::kInt64), three = torch::full({2}, 3, torch::kInt64);
  EXPECT_EQ(pack(tokens, three, two).tokens.size(0), 6);
}

/// Kernels of float32 against torch's own operations in float64: head sizes and widths with and without a rest of the
/// sixteen lanes.
class FusedParts : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Widths, FusedParts, testing::Values(2, 12, 16, 24, 40, 64));

TEST_P(FusedParts, ComputeWhatTorchComputesValuesAndGradients) {
  torch::manual_seed(GetParam());
  const auto size = GetParam();
  const auto leaf = [](const torch::Tensor& x, torch::Dtype type) {
    return x.to(type).detach().set_requires_grad(true);
  };
  const auto x = 3 * torch::randn({5, 7, 2 * size}), heads = torch::randn({5, 7, 8, size}),
             q_norm = torch::rand({size}) + 0.5, k_norm = torch::rand({size}) + 0.5, weight = torch::rand({2 * size});
  const auto half = torch::randn({7, 1, size / 2}), angles = torch::cat({half, half}, -1);
  const auto results = [&](torch::Dtype type) {
    std::vector<torch::Tensor> in = {leaf(x, type), leaf(heads, type), leaf(q_norm, type), leaf(k_norm, type),
                                     leaf(weight, type)};
    std::vector<torch::Tensor> out = {
        rms_norm(in[0], in[4], 1e-6), silu_times(in[0]), kernels::gelu_tanh(in[0]),
        normalise_and_rotate(in[1], in[2], in[3], angles.to(type).cos(), angles.to(type).sin(), 4, 1e-6)};
    torch::Tensor loss = torch::zeros({}, type);
    for (const auto& y : out) loss = loss + (y * torch::arange(y.numel()).view_as(y).to(type).sin()).sum();
    loss.backward();
    for (const auto& y : in) out.push_back(y.grad());
    return out;
  };
  const auto expected = results(torch::kFloat64), got = results(torch::kFloat32);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].scalar_type(), torch::kFloat32);
    EXPECT_LT((got[i] - expected[i]).abs().max().item<double>(), 3e-6 * expected[i].abs().max().item<double>()) << i;
  }
}

/// The value and the gradients of qkv and context in `type`: three groups of `tokens`, two heads of 16; with
/// `shared` more tokens, two draws that share them.
std::vector<torch::Tensor> attention_in(torch::Dtype type, std::int64_t tokens, std::int64_t shared, bool rows_differ) {
  torch::manual_seed(7);
  const std::int64_t groups = 3, draws = shared ? 2 : 1, d = 32;
  const auto qkv = torch::randn({groups * draws, tokens, 3 * d}).to(type).set_requires_grad(true);
  auto context = shared ? torch::randn({groups, shared, 2 * d}).to(type).set_requires_grad(true) : torch::Tensor();
  auto allowed = torch::rand({groups, rows_differ ? tokens : 1, shared + tokens}) < .7;
  allowed.select(2, 0).fill_(true);
  const auto y = kernels::attention(qkv, context, rows_differ || shared ? allowed : torch::Tensor(), 2);
  (y * torch::arange(y.numel()).view_as(y).to(type).sin()).sum().backward();
  const torch::NoGradGuard no_grad;
  const auto again = kernels::attention(qkv, context, rows_differ || shared ? allowed : torch::Tensor(), 2);
  EXPECT_TRUE(torch::equal(y, again)) << "with and without gradients";
  return {y.detach(), qkv.grad(), shared ? context.grad() : torch::zeros({1}, type)};
}

TEST(Attention, KernelEqualsTorchInDoublePrecisionWithItsGradients) {
  for (const std::int64_t tokens : {1, 5, 8, 13, 70})
    for (const std::int64_t shared : {0, 3, 59})
      for (const bool rows_differ : {false, true}) {
        const auto expected = attention_in(torch::kFloat64, tokens, shared, rows_differ),
                   got = attention_in(torch::kFloat32, tokens, shared, rows_differ);
        for (std::size_t i = 0; i < got.size(); ++i)
          EXPECT_LE((got[i] - expected[i]).abs().max().item<double>(), 3e-6 * expected[i].abs().max().item<double>())
              << tokens << " tokens, " << shared << " shared, part " << i;
      }
}

TEST(Attention, DoesNotDependOnTheNumberOfThreads) {
  const int before = torch::get_num_threads();
  torch::set_num_threads(1);
  const auto one = attention_in(torch::kFloat32, 13, 59, true);
  torch::set_num_threads(3);
  const auto three = attention_in(torch::kFloat32, 13, 59, true);
  torch::set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], three[i])) << i;
}

TEST(FusedPartsInThreads, DoNotDependOnTheNumberOfThreads) {
  const auto gradients_with = [](int threads) {
    const int before = torch::get_num_threads();
    torch::set_num_threads(threads);
    torch::manual_seed(5);
    const auto x = torch::randn({3000, 96}).set_requires_grad(true), weight = torch::rand({96}).set_requires_grad(true);
    const auto heads = torch::randn({3000, 8, 24}).set_requires_grad(true),
               norm = torch::rand({24}).set_requires_grad(true);
    const auto angles = torch::randn({3000, 1, 24});
    const auto y = normalise_and_rotate(heads, norm, norm, angles.cos(), angles.sin(), 4, 1e-6);
    (rms_norm(x, weight, 1e-6).square().sum() + y.square().sum() + kernels::gelu_tanh(x).sum()).backward();
    torch::set_num_threads(before);
    return std::vector<torch::Tensor>{x.grad(), weight.grad(), heads.grad(), norm.grad()};
  };
  const auto one = gradients_with(1), three = gradients_with(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], three[i])) << i;
}

TEST(Qwen3, GradientCheckpointingRespectsFrozenParameters) {
  auto model = make();
  const auto tokens = torch::randint(3, 23, {2, 6});
  const auto plain = gradients(model, tokens);
  model.set_gradient_checkpointing(true);
  for (const auto& p : model.parameters())
    if (!optim::is_matrix(p.role)) {
      auto tensor = p.tensor;
      tensor.set_requires_grad(false);
    }
  const auto frozen = gradients(model, tokens);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto& p = model.parameters()[i];
    ASSERT_EQ(frozen[i].defined(), optim::is_matrix(p.role)) << p.name;
    EXPECT_TRUE(!frozen[i].defined() || torch::allclose(frozen[i], plain[i], 1e-12, 1e-12)) << p.name;
  }
}

TEST(Qwen3, ComputesInBfloat16OnFloat32MasterWeights) {
  const auto exact = make(torch::kFloat32), rounded = make(torch::kBFloat16);
  const auto tokens = torch::randint(3, 23, {2, 6});
  for (std::size_t i = 0; i < exact.parameters().size(); ++i) {
    EXPECT_EQ(rounded.parameters()[i].tensor.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(torch::equal(rounded.parameters()[i].tensor, exact.parameters()[i].tensor));
  }
  const auto hidden = rounded.forward(tokens);
  EXPECT_EQ(hidden.scalar_type(), torch::kBFloat16);
  // bfloat16 keeps 8 bits: three decimal digits of values around 1, over two blocks.
  EXPECT_LT((hidden.to(torch::kFloat32) - exact.forward(tokens)).abs().max().item<double>(), 0.15);
  const auto theirs = gradients(exact, tokens), ours = gradients(rounded, tokens);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].scalar_type(), torch::kFloat32);
    EXPECT_LT((ours[i] - theirs[i]).norm().item<double>(), 0.25 * theirs[i].norm().item<double>() + 1e-6)
        << exact.parameters()[i].name;
  }
  // An update below bfloat16's resolution is kept: that is what master weights are for.
  const torch::NoGradGuard no_grad;
  auto weight = rounded.parameters()[1].tensor;
  const auto before = weight.clone();
  weight.add_(1e-5);
  EXPECT_FALSE(torch::equal(weight, before));
}

TEST(Qwen3, AReferenceIsKeptInTheComputeTypeWithoutGradient) {
  const auto folder = folder_of("reference");
  make(torch::kFloat32).save(folder);
  const Qwen3 reference(folder, torch::kCPU, torch::kBFloat16, /*trainable=*/false);
  for (const auto& p : reference.parameters()) {
    EXPECT_EQ(p.tensor.scalar_type(), torch::kBFloat16);
    EXPECT_FALSE(p.tensor.requires_grad());
  }
}

TEST(Qwen3, IsTheSameFromTheSameSeedAndAnotherFromAnother) {
  const auto tokens = torch::randint(3, 23, {1, 5});
  EXPECT_TRUE(torch::equal(make().forward(tokens), make().forward(tokens)));
  const Qwen3 other(tiny(), 6, 1.0, torch::kCPU, torch::kFloat64);
  EXPECT_FALSE(torch::allclose(make().forward(tokens), other.forward(tokens)));
}

TEST(Qwen3, SavedAndLoadedItComputesTheSame) {
  const auto folder = folder_of("round-trip");
  const auto model = make(torch::kFloat32);
  model.save(folder);
  const Qwen3 loaded(folder, torch::kCPU, torch::kFloat32);
  const auto tokens = torch::randint(3, 23, {2, 7});
  EXPECT_TRUE(torch::equal(model.forward(tokens), loaded.forward(tokens)));
}

TEST(Qwen3, TagsEveryParameterWithRoleAndHeads) {
  std::map<std::string, optim::Parameter> by_name;
  const auto model = make();
  for (const auto& p : model.parameters()) by_name[p.name] = p;
  EXPECT_EQ(by_name.size(), 2u + 11u * 2u);
  const auto at = [&](const char* name) { return by_name.at(std::string("model.layers.1.") + name); };
  EXPECT_EQ(at("self_attn.q_proj.weight").heads, 4);
  EXPECT_EQ(at("self_attn.v_proj.weight").heads, 2);
  EXPECT_EQ(at("self_attn.o_proj.weight").role, optim::Role::kHeadsIn);
  EXPECT_EQ(at("mlp.down_proj.weight").role, optim::Role::kMatrix);
  EXPECT_EQ(at("self_attn.q_norm.weight").role, optim::Role::kVector);
  EXPECT_EQ(by_name.at("model.embed_tokens.weight").role, optim::Role::kEmbedding);
}

TEST(Qwen3, ConfigReadsBothRopeSpellingsAndNamesWhatIsWrong) {
  const auto file = folder_of("config") / "config.json";
  const std::string sizes =
      R"("model_type":"qwen3","vocab_size":23,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":4,)"
      R"("num_key_value_heads":2,"head_dim":6,"intermediate_size":24)";
  write_file_atomic(file, "{" + sizes + R"(,"rope_theta":5000})");
  EXPECT_EQ(Qwen3Config::load(file).rope_theta, 5000);
  write_file_atomic(file, "{" + sizes + R"(,"rope_parameters":{"rope_theta":7000,"rope_type":"default"}})");
  EXPECT_EQ(Qwen3Config::load(file).rope_theta, 7000);
  write_file_atomic(file, R"({"model_type":"llama"})");
  EXPECT_THAT(message([&] { Qwen3Config::load(file); }), HasSubstr("model_type must be \"qwen3\", got \"llama\""));
  write_file_atomic(file, R"({"model_type":"qwen3","vocab_size":-4})");
  EXPECT_THAT(message([&] { Qwen3Config::load(file); }), HasSubstr("vocab_size must be a positive integer, got -4"));
  const auto with = [&](const std::string& field) {
    write_file_atomic(file, "{" + sizes + "," + field + "}");
    return message([&] { Qwen3Config::load(file); });
  };
  EXPECT_THAT(with(R"("attention_bias":true)"), HasSubstr("attention_bias is true; only false is implemented"));
  EXPECT_THAT(with(R"("hidden_act":"gelu")"), HasSubstr("hidden_act is \"gelu\"; only \"silu\""));
  EXPECT_THAT(with(R"("use_sliding_window":true)"), HasSubstr("use_sliding_window"));
  EXPECT_THAT(with(R"("rope_scaling":{"type":"yarn"})"), HasSubstr("rope_scaling is an object"));
  EXPECT_THAT(with(R"("rope_parameters":{"rope_type":"yarn","rope_theta":1e6})"), HasSubstr("rope_type is \"yarn\""));
  EXPECT_THAT(with(R"("rope_theta":-1)"), HasSubstr("must be positive"));
  EXPECT_EQ(with(R"("rope_scaling":null,"attention_bias":false)"), "no error");
}

TEST(Safetensors, RoundTripsEveryType) {
  const auto file = folder_of("types") / "x.safetensors";
  NamedTensors in = {{"a", torch::randn({3, 2})},
                     {"b", torch::randn({4}, torch::kFloat64)},
                     {"c", torch::randn({2, 2}).to(torch::kBFloat16)},
                     {"d", torch::randn({5}).to(torch::kFloat16)},
                     {"e", torch::arange(6).view({2, 3})},
                     {"f", torch::tensor({true, false, true})},
                     {"scalar", torch::tensor(3.5)},
                     {"empty", torch::empty({0, 3})}};
  write_safetensors(file, in);
  const auto out = read_safetensors(file);
  ASSERT_EQ(out.size(), in.size());
  for (const auto& [name, tensor] : in) EXPECT_TRUE(torch::equal(out.at(name), tensor)) << name;
}

TEST(Safetensors, MalformedFilesAreRefusedWithFileAndReason) {
  const auto file = folder_of("bad") / "x.safetensors";
  const auto with_header = [&](const std::string& header, std::size_t data) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 255);
    write_file_atomic(file, bytes + header + std::string(data, '\0'));
    return message([&] { read_safetensors(file); });
  };
  write_file_atomic(file, "abc");
  EXPECT_THAT(message([&] { read_safetensors(file); }), HasSubstr("shorter than 8 bytes"));
  write_file_atomic(file, std::string(8, '\xff') + "{}");
  EXPECT_THAT(message([&] { read_safetensors(file); }), HasSubstr("truncated or not safetensors"));
  EXPECT_THAT(with_header("[1]", 0), HasSubstr("not a JSON object"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}})", 12),
              HasSubstr("tensor \"w\": shape [2] of F32 does not fill 12 bytes"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4),
              HasSubstr("not within the 4"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}})", 8),
              HasSubstr("unknown dtype \"Q4\""));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", 8),
              HasSubstr("absurdly large"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), HasSubstr("list of sizes"));
  EXPECT_THAT(
      with_header(
          R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          12),
      HasSubstr("overlap or leave a hole"));
  EXPECT_THAT(message([&] { read_safetensors(file.parent_path() / "absent"); }), HasSubstr("No such file"));
}

TEST(Safetensors, TensorsOutliveTheFileAndWritingToThemLeavesItAlone) {
  const auto file = folder_of("map") / "x.safetensors";
  write_safetensors(file, {{"a", torch::ones({4})}});
  auto tensors = read_safetensors(file);
  tensors["a"].add_(1);
  EXPECT_EQ(read_safetensors(file)["a"].sum().item<double>(), 4);
  fs::remove(file);
  EXPECT_EQ(tensors["a"].sum().item<double>(), 8);
}

TEST(Safetensors, ShardsAreReadByTheirIndexAndMustAgreeWithIt) {
  const auto folder = folder_of("shards");
  const auto a = torch::randn({3}), b = torch::randn({2, 2});
  const auto index = folder / "model.safetensors.index.json";
  write_safetensors(folder / "one.safetensors", {{"a", a}});
  write_safetensors(folder / "two.safetensors", {{"b", b}});
  const auto with = [&](const std::string& map) {
    write_file_atomic(index, "{\"weight_map\":" + map + "}");
    return message([&] { read_checkpoint(folder); });
  };
  ASSERT_EQ(with(R"({"a":"one.safetensors","b":"two.safetensors"})"), "no error");
  const auto tensors = read_checkpoint(folder);
  EXPECT_TRUE(torch::equal(tensors.at("a"), a) && torch::equal(tensors.at("b"), b));
  EXPECT_THAT(with(R"({"a":"one.safetensors","b":"one.safetensors"})"), HasSubstr("lacks tensor \"b\""));
  EXPECT_THAT(with(R"({"a":"one.safetensors","b":"three.safetensors"})"), HasSubstr("three.safetensors"));
  EXPECT_THAT(with(R"({"a":"one.safetensors","c":"two.safetensors"})"), HasSubstr("holds tensor \"b\""));
  EXPECT_THAT(with(R"({"a":"../one.safetensors"})"), HasSubstr("must be a file beside the index"));
  EXPECT_THAT(with("[]"), HasSubstr("not a shard index"));
  fs::remove(index);
  EXPECT_THAT(message([&] { read_checkpoint(folder); }), HasSubstr("model.safetensors: No such file"));
}

TEST(Safetensors, AMissingTensorOrAWrongShapeIsNamedWhenAModelLoads) {
  const auto folder = folder_of("mismatch");
  const auto model = make(torch::kFloat32);
  model.save(folder);
  auto tensors = read_safetensors(folder / "model.safetensors");
  auto without = tensors;
  without.erase("model.norm.weight");
  write_safetensors(folder / "model.safetensors", without);
  EXPECT_THAT(message([&] { Qwen3(folder, torch::kCPU, torch::kFloat32); }),
              HasSubstr("tensor \"model.norm.weight\" is missing"));
  tensors["model.norm.weight"] = torch::zeros({7});
  write_safetensors(folder / "model.safetensors", tensors);
  EXPECT_THAT(message([&] { Qwen3(folder, torch::kCPU, torch::kFloat32); }),
              HasSubstr("has shape [7], config.json says [16]"));
}

void expect_parity(const Qwen3& model, const NamedTensors& reference) {
  const auto& tokens = reference.at("tokens");
  const auto logits = model.logits(model.forward(tokens));
  EXPECT_LT((logits - reference.at("logits")).abs().max().item<double>(), 1e-4);
  logits.mean().backward();
  const auto& expected = reference.at("gradient");
  const auto gradient = model.layers()[0].q.grad();
  EXPECT_LT((gradient - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>() + 1e-8);
  // Greedy text, token by token through the cache.
  const Decoder decoder(model);
  KvCache prompt_cache;
  const auto rows = tokens.size(0), prompt = tokens.size(1), length = reference.at("greedy").size(1);
  auto next = decoder.prefill(tokens, torch::full({rows}, prompt, torch::kInt64), prompt_cache).argmax(-1);
  auto cache = decoder.make_cache(rows, prompt + length);
  cache.copy_from(prompt_cache, torch::arange(rows), torch::arange(rows), prompt);
  std::vector<torch::Tensor> greedy = {next};
  for (std::int64_t t = 0; t + 1 < length; ++t) {
    next = decoder.decode(next, torch::full({rows}, prompt + t, torch::kInt64), prompt + t + 1, cache).argmax(-1);
    greedy.push_back(next);
  }
  EXPECT_TRUE(torch::equal(torch::stack(greedy, 1), reference.at("greedy")));
}

constexpr const char* kNoTransformers =
    "the Python at PIONBENCH_PYTHON has no transformers; ci/setup --parity installs it";

TEST(TransformersParity, LogitsGradientsAndGreedyTextAgreeOnItsOwnCheckpoints) {
  const auto folder = folder_of("hf");
  const auto made = run_tool("qwen3_reference.py", "make " + folder.string() + " tied untied bf16 fp16 sharded old");
  if (!made) GTEST_SKIP() << kNoTransformers;
  ASSERT_EQ(*made, 0);
  for (const std::string name : {"tied", "untied", "bf16", "fp16", "sharded", "old"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(fs::exists(folder / name / "model.safetensors.index.json"), name == "sharded");
    expect_parity(Qwen3(folder / name, torch::kCPU, torch::kFloat32),
                  read_safetensors(folder / name / "reference.out"));
  }
}

TEST(TransformersParity, TransformersReadsOurCheckpointsAndComputesTheSame) {
  const auto folder = folder_of("ours");
  std::vector<Qwen3> models;
  for (const bool tied : {true, false}) {
    auto config = tiny();
    config.head_dim = 8;
    config.tied = tied;
    config.rope_theta = 12345;
    models.emplace_back(config, 8, 1.0, torch::kCPU, torch::kFloat32);
    models.back().save(folder / (tied ? "tied" : "untied"));
  }
  const auto code =
      run_tool("qwen3_reference.py", "run " + (folder / "tied").string() + " " + (folder / "untied").string());
  if (!code) GTEST_SKIP() << kNoTransformers;
  ASSERT_EQ(*code, 0);
  expect_parity(models[0], read_safetensors(folder / "tied" / "reference.out"));
  expect_parity(models[1], read_safetensors(folder / "untied" / "reference.out"));
}

TEST(GpuQwen3, AgreesWithTheCpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const auto tokens = torch::randint(3, 23, {2, 9});
  const Qwen3 cpu(tiny(), 5, 1.0, torch::kCPU, torch::kFloat32), gpu(tiny(), 5, 1.0, torch::kCUDA, torch::kFloat32);
  EXPECT_TRUE(torch::allclose(cpu.forward(tokens), gpu.forward(tokens.cuda()).cpu(), 1e-3, 1e-4));
}

}  // namespace
}  // namespace pionbench::rlvr
