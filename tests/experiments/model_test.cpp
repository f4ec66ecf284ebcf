#include "experiments/rlvr/model/qwen3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"

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

fs::path scratch(const std::string& name) {
  const auto folder = fs::temp_directory_path() / ("pionbench-model-" + std::to_string(::getpid())) / name;
  fs::create_directories(folder);
  return folder;
}

std::string message(auto&& action) {
  try {
    action();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Qwen3, DecodingWithTheCacheEqualsTheFullForward) {
  const auto model = make();
  torch::manual_seed(1);
  // Prompts of unequal length, right-padded; the decoded tokens follow each prompt without a gap.
  const auto lengths = torch::tensor({5, 3, 1});
  const auto prompts = torch::randint(3, 23, {3, 5});
  const auto extra = torch::randint(3, 23, {3, 4});
  KvCache cache;
  std::vector<torch::Tensor> decoded = {model.prefill(prompts, lengths, 4, cache)};
  auto positions = lengths.clone();
  for (int t = 0; t < 4; ++t) {
    decoded.push_back(model.decode(extra.select(1, t), positions, cache));
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

TEST(Qwen3, PaddingOnTheRightChangesNothingBeforeIt) {
  const auto model = make();
  const auto tokens = torch::randint(3, 23, {2, 6});
  const auto padded = torch::cat({tokens, torch::zeros({2, 3}, torch::kInt64)}, 1);
  EXPECT_TRUE(torch::allclose(model.forward(padded).narrow(1, 0, 6), model.forward(tokens), 1e-9, 1e-9));
}

TEST(Qwen3, RepeatedCachesDecodeLikeSeparateOnes) {
  const auto model = make();
  const auto prompts = torch::randint(3, 23, {2, 4});
  const auto lengths = torch::tensor({4, 2});
  KvCache one;
  model.prefill(prompts, lengths, 1, one);
  auto three = one.repeat(3);
  const auto token = torch::randint(3, 23, {6});
  const auto repeated = model.decode(token, lengths.repeat_interleave(3), three);
  KvCache separate;
  model.prefill(prompts.repeat_interleave(3, 0), lengths.repeat_interleave(3), 1, separate);
  EXPECT_TRUE(torch::allclose(repeated, model.decode(token, lengths.repeat_interleave(3), separate), 1e-9, 1e-9));
}

TEST(Qwen3, IsTheSameFromTheSameSeedAndAnotherFromAnother) {
  const auto tokens = torch::randint(3, 23, {1, 5});
  EXPECT_TRUE(torch::equal(make().forward(tokens), make().forward(tokens)));
  const Qwen3 other(tiny(), 6, 1.0, torch::kCPU, torch::kFloat64);
  EXPECT_FALSE(torch::allclose(make().forward(tokens), other.forward(tokens)));
}

TEST(Qwen3, SavedAndLoadedItComputesTheSame) {
  const auto folder = scratch("round-trip");
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
  const auto file = scratch("config") / "config.json";
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
}

TEST(Safetensors, RoundTripsEveryType) {
  const auto file = scratch("types") / "x.safetensors";
  NamedTensors in = {{"a", torch::randn({3, 2})},
                     {"b", torch::randn({4}, torch::kFloat64)},
                     {"c", torch::randn({2, 2}).to(torch::kBFloat16)},
                     {"d", torch::randn({5}).to(torch::kFloat16)},
                     {"e", torch::arange(6).view({2, 3})},
                     {"empty", torch::empty({0, 3})}};
  write_safetensors(file, in);
  const auto out = read_safetensors(file);
  ASSERT_EQ(out.size(), in.size());
  for (const auto& [name, tensor] : in) EXPECT_TRUE(torch::equal(out.at(name), tensor)) << name;
}

TEST(Safetensors, MalformedFilesAreRefusedWithFileAndReason) {
  const auto file = scratch("bad") / "x.safetensors";
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

TEST(Safetensors, AMissingTensorOrAWrongShapeIsNamedWhenAModelLoads) {
  const auto folder = scratch("mismatch");
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

TEST(GpuQwen3, AgreesWithTheCpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  const auto tokens = torch::randint(3, 23, {2, 9});
  const Qwen3 cpu(tiny(), 5, 1.0, torch::kCPU, torch::kFloat32), gpu(tiny(), 5, 1.0, torch::kCUDA, torch::kFloat32);
  EXPECT_TRUE(torch::allclose(cpu.forward(tokens), gpu.forward(tokens.cuda()).cpu(), 1e-3, 1e-4));
}

}  // namespace
}  // namespace pionbench::rlvr
