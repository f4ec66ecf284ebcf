#include "experiments/vla/policy/policy.h"

#include <cmath>
#include <limits>

#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"
#include "experiments/kernels/attention.h"
#include "experiments/kernels/gelu.h"
#include "experiments/rlvr/model/safetensors.h"
#include "experiments/vla/policy/losses.h"
#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {

using optim::Modality;
using optim::Role;

namespace {

// Residual branches start smaller than the stream that they add to.
constexpr double kResidualInit = .5;
constexpr double kEmbeddingInit = .3;
constexpr double kOutputInit = .3;
constexpr std::int64_t kTimeFeatures = 64;
constexpr double kTimeScale = 1000, kTimePeriod = 1e4;  // VLANeXt's time input is 1000·sigma

torch::Tensor plain_norm(const torch::Tensor& x) {
  return torch::layer_norm(x, {x.size(-1)});
}

/// [B, N, H·E] -> [B, H, N, E]
torch::Tensor by_heads(const torch::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
}

std::string at(const std::string& prefix, std::int64_t i) {
  return prefix + std::to_string(i) + ".";
}

}  // namespace

struct Policy::Spec {
  std::string name;
  std::vector<std::int64_t> shape;
  Role role;
  Modality modality;
  double deviation;  ///< of the initial weights; 0: zeros; negative: ones
  std::int64_t heads = 1;
};

void PolicyConfig::check() const {
  const auto divides = [](const char* part, std::int64_t a, const char* whole, std::int64_t b) {
    if (a < 1 || b < 1 || b % a)
      throw UserError(std::string("settings ") + part + ", " + whole + ": got " + std::to_string(a) + " and " +
                      std::to_string(b) + "; the first must divide the second");
  };
  divides("patch", patch, "crop", image);
  divides("stem_patch", stem_patch, "patch", patch);
  if (const auto times = patch / stem_patch; (times & (times - 1)) != 0)
    throw UserError("settings stem_patch, patch: got " + std::to_string(stem_patch) + " and " + std::to_string(patch) +
                    "; the second must be the first times a power of two");
  if (vision_width % (patch / stem_patch) != 0)
    throw UserError("settings vision_width, patch, stem_patch: got " + std::to_string(vision_width) + ", " +
                    std::to_string(patch) + " and " + std::to_string(stem_patch) +
                    "; patch / stem_patch must divide the width");
  divides("language_heads", heads, "width", width);
  divides("vision_heads", vision_heads, "vision_width", vision_width);
  divides("action_heads", action_heads, "action_width", action_width);
}

std::int64_t PolicyConfig::stem_stages() const {
  std::int64_t stages = 0;
  for (auto side = stem_patch; side < patch; side *= 2) ++stages;
  return stages;
}

std::vector<Policy::Spec> Policy::specs() const {
  const auto& c = config_;
  std::vector<Spec> out;
  const auto scale = [](std::int64_t fan_in) { return 1 / std::sqrt(static_cast<double>(fan_in)); };
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, Role role, Modality modality,
                       double deviation, std::int64_t heads = 1) {
    out.push_back({name, std::move(shape), role, modality, deviation, heads});
  };
  const auto norm = [&](const std::string& name, std::int64_t width, Modality modality) {
    add(name + ".weight", {width}, Role::kVector, modality, -1);
    add(name + ".bias", {width}, Role::kVector, modality, 0);
  };
  const auto dense = [&](const std::string& name, std::int64_t to, std::int64_t from, Modality modality,
                         Role role = Role::kMatrix, double factor = 1) {
    add(name + ".weight", {to, from}, role, modality, factor * scale(from));
    add(name + ".bias", {to}, Role::kVector, modality, 0);
  };
  const auto blocks = [&](const std::string& prefix, std::int64_t count, std::int64_t d, std::int64_t heads,
                          Modality modality) {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto p = at(prefix + ".", i);
      norm(p + "attention_norm", d, modality);
      for (const char* part : {"q", "k", "v"}) add(p + part, {d, d}, Role::kHeadsOut, modality, scale(d), heads);
      add(p + "o", {d, d}, Role::kHeadsIn, modality, kResidualInit * scale(d), heads);
      norm(p + "mlp_norm", d, modality);
      dense(p + "up", c.mlp_ratio * d, d, modality);
      dense(p + "down", d, c.mlp_ratio * d, modality, Role::kMatrix, kResidualInit);
    }
    norm(prefix + ".norm", d, modality);
  };
  // Widths double along the stem and end at the module's.
  const auto stages = c.stem_stages();
  dense("vision.patch", c.vision_width >> stages, c.stem_patch * c.stem_patch * 3, Modality::kVision, Role::kEmbedding);
  for (std::int64_t i = 0; i < stages; ++i) {
    const auto to = c.vision_width >> (stages - 1 - i);
    // Kernels as matrices [out, in·3·3], as Muon takes them; a ReLU comes before each.
    dense("vision.stem." + std::to_string(i), to, 9 * to / 2, Modality::kVision, Role::kMatrix, std::sqrt(2.));
  }
  add("vision.position", {c.patches(), c.vision_width}, Role::kEmbedding, Modality::kVision, kEmbeddingInit);
  blocks("vision", c.vision_layers, c.vision_width, c.vision_heads, Modality::kVision);
  dense("connector.up", c.width, c.vision_width, Modality::kOther);
  dense("connector.down", c.width, c.width, Modality::kOther);
  dense("proprio.up", c.width, kProprioSize, Modality::kOther);
  dense("proprio.down", c.width, c.width, Modality::kOther);
  add("queries", {c.queries, c.width}, Role::kEmbedding, Modality::kOther, kEmbeddingInit);
  add("language.embedding", {vocabulary_.size(), c.width}, Role::kEmbedding, Modality::kLanguage, kEmbeddingInit);
  add("language.position", {c.words, c.width}, Role::kEmbedding, Modality::kLanguage, kEmbeddingInit);
  blocks("language", c.layers, c.width, c.heads, Modality::kLanguage);

  const auto a = c.action_width;
  const auto action = Modality::kAction;
  add("action.position", {c.chunk, a}, Role::kEmbedding, action, kEmbeddingInit);
  if (c.head == HeadKind::kL1) {
    for (std::int64_t i = 0; i < c.layers; ++i) {
      const auto p = at("action.", i);
      add(p + "q", {a, a}, Role::kHeadsOut, action, scale(a), c.action_heads);
      for (const char* source : {"self", "adapter", "task"}) {
        const auto from = std::string(source) == "self" ? a : c.width;
        add(p + source + "_k", {a, from}, Role::kHeadsOut, action, scale(from), c.action_heads);
        add(p + source + "_v", {a, from}, Role::kHeadsOut, action, scale(from), c.action_heads);
      }
      add(p + "gate", {1}, Role::kVector, action, 0);
      add(p + "o", {a, a}, Role::kHeadsIn, action, scale(a), c.action_heads);
      norm(p + "norm", a, action);
      dense(p + "mlp", a, a, action, Role::kMatrix, std::sqrt(2.));  // a ReLU follows
    }
    norm("action.norm", a, action);
    dense("action.output", kActionSize, a, action, Role::kOutput, kOutputInit);
    return out;
  }
  dense("action.input", a, kActionSize, action);
  dense("action.time_up", a, kTimeFeatures, action);
  dense("action.time_down", a, a, action);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto p = at("action.", i);
    dense(p + "condition", a, c.width, action);
    add(p + "modulation.weight", {6 * a, a}, Role::kMatrix, action, 0);
    add(p + "modulation.bias", {6 * a}, Role::kVector, action, 0);
    for (const char* part : {"q", "k", "v"}) add(p + part, {a, a}, Role::kHeadsOut, action, scale(a), c.action_heads);
    add(p + "o", {a, a}, Role::kHeadsIn, action, scale(a), c.action_heads);
    dense(p + "up", c.mlp_ratio * a, a, action);
    dense(p + "down", a, c.mlp_ratio * a, action);
  }
  add("action.final_modulation.weight", {2 * a, a}, Role::kMatrix, action, 0);
  add("action.final_modulation.bias", {2 * a}, Role::kVector, action, 0);
  add("action.output.weight", {kActionSize, a}, Role::kOutput, action, 0);
  add("action.output.bias", {kActionSize}, Role::kVector, action, 0);
  return out;
}

Policy::Policy(const PolicyConfig& config, std::uint64_t seed, torch::Device device, torch::Dtype dtype)
    : config_(config), vocabulary_(config.vocabulary), device_(device), compute_(dtype) {
  config_.check();
  const auto kept = dtype == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  auto generator = at::detail::createCPUGenerator(seed);
  for (const auto& spec : specs()) {
    auto w = torch::zeros(spec.shape, torch::kFloat32);
    if (spec.deviation > 0) w.normal_(0, spec.deviation, generator);
    if (spec.deviation < 0) w.fill_(1);
    auto placed = w.to(device, kept).set_requires_grad(true);
    weights_[spec.name] = placed;
    parameters_.push_back({spec.name, placed, spec.role, spec.modality, spec.heads});
  }
}

torch::Tensor Policy::linear(const std::string& name, const torch::Tensor& x) const {
  const auto bias = weights_.find(name + ".bias");
  if (bias == weights_.end()) return torch::linear(x, weight(name).to(compute_));
  return torch::linear(x, weight(name + ".weight").to(compute_), bias->second.to(compute_));
}

torch::Tensor Policy::together(std::initializer_list<std::string> names) const {
  std::vector<torch::Tensor> parts;
  for (const auto& name : names) parts.push_back(weight(name));
  return torch::cat(parts);
}

torch::Tensor Policy::block(const std::string& p, const torch::Tensor& x, std::int64_t heads,
                            const torch::Tensor& allowed, torch::Tensor* looks, std::int64_t look_rows) const {
  const auto norm = [&](const std::string& name, const torch::Tensor& y) {
    return torch::layer_norm(y, {y.size(-1)}, weight(p + name + ".weight").to(compute_),
                             weight(p + name + ".bias").to(compute_));
  };
  const auto d = x.size(-1);
  // One product for the three projections: at these widths a call costs as much as its arithmetic.
  const auto qkv = torch::linear(norm("attention_norm", x), together({p + "q", p + "k", p + "v"}).to(compute_));
  if (looks) {
    const auto n = x.size(1) - look_rows;
    const auto parts = qkv.split(d, -1);
    const auto scores =
        torch::matmul(by_heads(parts[0], heads).narrow(2, n, look_rows), by_heads(parts[1], heads).transpose(-2, -1)) /
        std::sqrt(static_cast<double>(d / heads));
    *looks = scores.masked_fill(~allowed.narrow(1, n, look_rows).unsqueeze(1), -std::numeric_limits<float>::infinity())
                 .log_softmax(-1);
  }
  const auto y = x + linear(p + "o", kernels::attention(qkv, {}, allowed, heads));
  return y + linear(p + "down", kernels::gelu_tanh(linear(p + "up", norm("mlp_norm", y))));
}

Features Policy::encode(const Observation& observation, bool with_looks) const {
  const auto& c = config_;
  const auto batch = observation.images.size(0), side = c.image / c.stem_patch, p = c.stem_patch;
  // Linear patches: [2B, s, p, s, p, 3] -> [2B, s, s, p·p·3]. Each view on its own, as the paper's encoders see one
  // image at a time.
  auto seen = linear("vision.patch", observation.images.to(compute_)
                                         .view({2 * batch, side, p, side, p, 3})
                                         .permute({0, 1, 3, 2, 4, 5})
                                         .reshape({2 * batch, side, side, p * p * 3}));
  for (std::int64_t i = 0; i < c.stem_stages(); ++i) {
    const auto name = "vision.stem." + std::to_string(i);
    const auto kernel = weight(name + ".weight").to(compute_);
    // Channels last throughout: the views before and after cost nothing.
    seen = torch::conv2d(torch::relu(seen).permute({0, 3, 1, 2}), kernel.view({kernel.size(0), -1, 3, 3}),
                         weight(name + ".bias").to(compute_), /*stride=*/2, /*padding=*/1)
               .permute({0, 2, 3, 1});
  }
  seen = seen.reshape({batch, c.patches(), c.vision_width}) + weight("vision.position").to(compute_);
  seen = seen.view({2 * batch, c.patches() / 2, c.vision_width});
  for (std::int64_t i = 0; i < c.vision_layers; ++i) seen = block(at("vision.", i), seen, c.vision_heads, {});
  seen = torch::layer_norm(seen, {c.vision_width}, weight("vision.norm.weight").to(compute_),
                           weight("vision.norm.bias").to(compute_))
             .view({batch, c.patches(), c.vision_width});
  Features out;
  out.vision = seen;
  seen = linear("connector.down", kernels::gelu_tanh(linear("connector.up", seen)));

  const auto words = observation.words;
  const auto length = words.size(1);
  const auto said = torch::embedding(weight("language.embedding"), words).to(compute_) +
                    weight("language.position").narrow(0, 0, length).to(compute_);
  const auto felt =
      linear("proprio.down", kernels::gelu_tanh(linear("proprio.up", observation.proprio.to(compute_)))).unsqueeze(1);
  const auto asked = weight("queries").to(compute_).unsqueeze(0).expand({batch, c.queries, c.width});
  auto x = torch::cat({seen, said, felt, asked}, 1);

  out.patches = c.patches();
  out.queries = c.queries;
  const auto ones = [&](std::int64_t n) { return torch::ones({batch, n}, words.options().dtype(torch::kBool)); };
  out.padding =
      torch::cat({ones(c.patches()), words != Vocabulary::kPad, ones(1 + c.queries)}, 1).view({batch, 1, x.size(1)});
  const auto prefix = x.size(1) - c.queries;
  const auto place = torch::arange(x.size(1), words.options());
  const auto may_see = (place.unsqueeze(0) < prefix) | (place.unsqueeze(1) >= prefix);  // [row, column]
  const auto allowed = out.padding & may_see;                                           // [B, L, L]
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const bool last = i + 1 == c.layers;
    x = block(at("language.", i), x, c.heads, allowed, with_looks && last ? &out.looks : nullptr, c.queries);
    out.states.push_back(last ? torch::layer_norm(x, {c.width}, weight("language.norm.weight").to(compute_),
                                                  weight("language.norm.bias").to(compute_))
                              : plain_norm(x));
  }
  return out;
}

torch::Tensor Policy::chunk(const Features& features) const {
  const auto& c = config_;
  const auto batch = features.states[0].size(0);
  auto x = weight("action.position").to(compute_).unsqueeze(0).expand({batch, c.chunk, c.action_width});
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto p = at("action.", i);
    const auto& states = features.states[static_cast<std::size_t>(i)];
    // The proprioception token stands just before the queries.
    const auto own = features.queries + 1;
    const auto sources = states.split_with_sizes({features.patches, states.size(1) - features.patches - own, own}, 1);
    // A factor of the patches' scores is one of their keys, and so of what makes these.
    const auto gated = torch::cat({weight(p + "task_k") * weight(p + "gate").tanh(), weight(p + "task_v")});
    const auto context =
        torch::cat({torch::linear(sources[0], gated.to(compute_)),
                    torch::linear(sources[2], together({p + "adapter_k", p + "adapter_v"}).to(compute_))},
                   1);
    const auto qkv = torch::linear(x, together({p + "q", p + "self_k", p + "self_v"}).to(compute_));
    const auto attended = linear(p + "o", kernels::attention(qkv, context, {}, c.action_heads));
    const auto y = torch::layer_norm(x + attended, {c.action_width}, weight(p + "norm.weight").to(compute_),
                                     weight(p + "norm.bias").to(compute_));
    x = torch::relu(linear(p + "mlp", y));
  }
  x = torch::layer_norm(x, {c.action_width}, weight("action.norm.weight").to(compute_),
                        weight("action.norm.bias").to(compute_));
  return linear("action.output", x);
}

torch::Tensor Policy::time_embedding(const torch::Tensor& sigma) const {
  const auto half = kTimeFeatures / 2;
  const auto rates = torch::exp(torch::arange(half, sigma.options().dtype(torch::kFloat32)) *
                                (-std::log(kTimePeriod) / static_cast<double>(half)));
  const auto angles = kTimeScale * sigma.to(torch::kFloat32).unsqueeze(1) * rates;
  const auto features = torch::cat({angles.cos(), angles.sin()}, 1).to(compute_);
  return linear("action.time_down", torch::silu(linear("action.time_up", features)));
}

std::vector<torch::Tensor> Policy::flow_contexts(const Features& features) const {
  std::vector<torch::Tensor> out;
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    const auto p = at("action.", i);
    // Keys and values are linear in what is linear in the states: the product of the weights spares a pass over them.
    const auto keys_and_values = together({p + "k", p + "v"});
    out.push_back(torch::linear(features.states[static_cast<std::size_t>(i)],
                                torch::matmul(keys_and_values, weight(p + "condition.weight")).to(compute_),
                                torch::matmul(keys_and_values, weight(p + "condition.bias")).to(compute_)));
  }
  return out;
}

torch::Tensor Policy::velocity(const Features& features, const torch::Tensor& noisy, const torch::Tensor& sigma) const {
  return velocity(features, flow_contexts(features), noisy, sigma);
}

torch::Tensor Policy::velocity(const Features& features, const std::vector<torch::Tensor>& contexts,
                               const torch::Tensor& noisy, const torch::Tensor& sigma) const {
  const auto& c = config_;
  const auto time = torch::silu(time_embedding(sigma));  // [B, a]
  auto x = linear("action.input", noisy.to(compute_)) + weight("action.position").to(compute_);
  const auto modulated = [](const torch::Tensor& y, const torch::Tensor& shift, const torch::Tensor& scale) {
    return plain_norm(y) * (1 + scale) + shift;
  };
  const auto& padding = features.padding;
  const auto allowed = torch::cat({padding, torch::ones({padding.size(0), 1, c.chunk}, padding.options())}, -1);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    const auto p = at("action.", i);
    const auto m = linear(p + "modulation", time).unsqueeze(1).chunk(6, -1);  // each [B, 1, a]
    const auto qkv = torch::linear(modulated(x, m[0], m[1]), together({p + "q", p + "k", p + "v"}).to(compute_));
    const auto attended = kernels::attention(qkv, contexts[static_cast<std::size_t>(i)], allowed, c.action_heads);
    x = x + m[2] * linear(p + "o", attended);
    x = x + m[5] * linear(p + "down", kernels::gelu_tanh(linear(p + "up", modulated(x, m[3], m[4]))));
  }
  const auto m = linear("action.final_modulation", time).unsqueeze(1).chunk(2, -1);
  return linear("action.output", modulated(x, m[0], m[1]));
}

torch::Tensor Policy::act(const Features& features, const torch::Tensor& noise, std::int64_t steps) const {
  if (config_.head == HeadKind::kL1) return chunk(features);
  const auto grid = flow_grid(steps);
  const auto contexts = flow_contexts(features);
  auto x = noise;
  for (std::size_t i = 0; i + 1 < grid.size(); ++i) {
    const auto sigma = torch::full({x.size(0)}, grid[i], x.options());
    x = x + (grid[i + 1] - grid[i]) * velocity(features, contexts, x, sigma).to(x.scalar_type());
  }
  return x;
}

torch::Tensor Policy::encode_words(const std::vector<std::string>& instructions) const {
  std::vector<std::vector<std::int64_t>> rows;
  std::size_t longest = 1;
  for (const auto& text : instructions) {
    rows.push_back(vocabulary_.encode(text, static_cast<std::size_t>(config_.words)));
    longest = std::max(longest, rows.back().size());
  }
  auto out = torch::full({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)}, Vocabulary::kPad,
                         torch::kInt64);
  auto cells = out.accessor<std::int64_t, 2>();
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t k = 0; k < rows[r].size(); ++k)
      cells[static_cast<std::int64_t>(r)][static_cast<std::int64_t>(k)] = rows[r][k];
  return out;
}

void Policy::save(const std::filesystem::path& folder, bool backbone_only) const {
  const auto& c = config_;
  const Json json = {{"image", c.image},
                     {"patch", c.patch},
                     {"stem_patch", c.stem_patch},
                     {"vision_width", c.vision_width},
                     {"vision_layers", c.vision_layers},
                     {"vision_heads", c.vision_heads},
                     {"width", c.width},
                     {"layers", c.layers},
                     {"heads", c.heads},
                     {"mlp_ratio", c.mlp_ratio},
                     {"queries", c.queries},
                     {"words", c.words},
                     {"head", c.head == HeadKind::kL1 ? "l1" : "flow"},
                     {"action_width", c.action_width},
                     {"action_heads", c.action_heads},
                     {"chunk", c.chunk},
                     {"vocabulary", c.vocabulary}};
  rlvr::NamedTensors tensors;
  for (const auto& p : parameters_)
    if (!backbone_only || p.modality != Modality::kAction) tensors[p.name] = p.tensor.detach();
  rlvr::write_safetensors(folder / "model.safetensors", tensors);
  write_file_atomic(folder / "policy.json", json.dump(1) + "\n");
}

namespace {

PolicyConfig read_config(const std::filesystem::path& file) {
  const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw UserError(file.string() + ": not a JSON object");
  PolicyConfig c;
  try {
    for (auto [name, size] : {std::pair{"image", &c.image},
                              {"patch", &c.patch},
                              {"stem_patch", &c.stem_patch},
                              {"vision_width", &c.vision_width},
                              {"vision_layers", &c.vision_layers},
                              {"vision_heads", &c.vision_heads},
                              {"width", &c.width},
                              {"layers", &c.layers},
                              {"heads", &c.heads},
                              {"mlp_ratio", &c.mlp_ratio},
                              {"queries", &c.queries},
                              {"words", &c.words},
                              {"action_width", &c.action_width},
                              {"action_heads", &c.action_heads},
                              {"chunk", &c.chunk}})
      *size = json.at(name).get<std::int64_t>();
    c.head = json.at("head").get<std::string>() == "flow" ? HeadKind::kFlow : HeadKind::kL1;
    c.vocabulary = json.at("vocabulary").get<std::vector<std::string>>();
  } catch (const Json::exception& e) {
    throw UserError(file.string() + ": " + e.what());
  }
  return c;
}

}  // namespace

void Policy::copy_from(const std::filesystem::path& folder, bool backbone_only) {
  const torch::NoGradGuard no_grad;
  const auto file = folder / "model.safetensors";
  const auto stored = rlvr::read_safetensors(file);
  for (const auto& p : parameters_) {
    if (backbone_only && p.modality == Modality::kAction) continue;
    const auto it = stored.find(p.name);
    if (it == stored.end()) throw UserError(file.string() + ": tensor \"" + p.name + "\" is missing");
    if (it->second.sizes() != p.tensor.sizes())
      throw UserError(file.string() + ": tensor \"" + p.name + "\" has shape " + c10::str(it->second.sizes()) +
                      ", the policy's is " + c10::str(p.tensor.sizes()));
    auto target = p.tensor.detach();
    target.copy_(it->second);
  }
}

Policy Policy::load(const std::filesystem::path& folder, torch::Device device, torch::Dtype dtype) {
  Policy out(read_config(folder / "policy.json"), 0, device, dtype);
  out.copy_from(folder, false);
  return out;
}

void Policy::load_backbone(const std::filesystem::path& folder) {
  copy_from(folder, true);
}

torch::Tensor to_floats(const torch::Tensor& bytes, std::int64_t side, torch::Dtype dtype) {
  const auto margin = (bytes.size(-2) - side) / 2;
  return (bytes.narrow(-3, margin, side).narrow(-2, margin, side).to(dtype) - 128) / 64;
}

}  // namespace pionbench::vla
