#include "harness/schedule/price.h"

#include <algorithm>

#include "core/material.h"

namespace pionbench {
namespace {

constexpr double kFlopPerSecond = 0.4 * 989e12;
constexpr double kBytesPerSecond = 0.6 * 3.35e12;
// GSM8K's and MATH's prompts with their instruction and the chat format.
constexpr double kPromptTokens = 150;
constexpr double kTestProblems = 1000;  // between MATH-500 and GSM8K's 1319, where the file's size is not set

double sampling_seconds(const KnownMaterial& model, double sequences, double new_tokens, double memory_bytes) {
  const double kv = static_cast<double>(model.kv_bytes_per_token);
  const double slots = std::clamp(memory_bytes / (kv * (kPromptTokens + new_tokens)), 1.0, sequences);
  const double step_bytes = 2 * model.parameters + slots * kv * (kPromptTokens + new_tokens / 2);
  return sequences / slots * new_tokens * step_bytes / kBytesPerSecond;
}

}  // namespace

std::optional<Price> price_of(const CellConfig& config) {
  const Values& s = config.settings;
  const auto path = s.find("model_path");
  if (path == s.end()) return std::nullopt;
  const auto* model = find_known_material(MaterialKind::kModel, to_text(path->second));
  if (!model) return std::nullopt;
  const auto count = [&](const char* name) { return static_cast<double>(get_int(s, name)); };
  const double sequences = count("prompts") * count("samples"), tokens = count("max_new_tokens"),
               steps = count("steps");
  const double memory = count("rollout_memory_mib") * (1 << 20);
  double passes = 6 * count("ppo_epochs");
  if (get_bool(s, "gradient_checkpointing")) passes += 2 * count("ppo_epochs");
  if (count("mini_batches") * count("ppo_epochs") > 1) passes += 2;
  if (get_real(s, "kl_coef") != 0) passes += 2;
  const double training = sequences * (kPromptTokens + tokens) * model->parameters * passes / kFlopPerSecond;
  const bool samples = get_text(s, "objective") == "reward";
  const double step = training + (samples ? sampling_seconds(*model, sequences, tokens, memory) : 0);
  const char* limit = get_bool(s, "validate_on_test") ? "test_problems" : "validation_problems";
  const double problems = count(limit) > 0 ? count(limit) : kTestProblems;
  const double looks = steps / count("eval_every") + 2;
  return Price{steps * step + looks * 2 * sampling_seconds(*model, problems, tokens, memory)};
}

}  // namespace pionbench
