/// Suites `rlvr/gsm8k` and `rlvr/math`: training.h's loop on a Qwen3 checkpoint and real problems, both the user's own
/// (core/material.h). Prompts, graders and batch shapes are those of verl's recipes.

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/material.h"
#include "experiments/rlvr/data/chat.h"
#include "experiments/rlvr/training.h"
#include "experiments/suite.h"

namespace pionbench {
namespace {

using namespace rlvr;

/// One of the two suites.
struct Benchmark {
  const char* name;
  const char* title;
  const char* help;
  const char* train_path;
  const char* test_path;
  std::vector<std::string> graders;  ///< the first is the default
  PromptStyle style;
  std::int64_t max_prompt_tokens, max_new_tokens, prompts, samples, mini_batches, micro_batch;
  std::int64_t steps;      ///< 15 epochs of GSM8K, 20 of MATH's levels 3 to 5
  std::int64_t min_level;  ///< 0: the data have none
};

const Benchmark kGsm8k = {"rlvr/gsm8k",
                          "RLVR on GSM8K",
                          "GRPO or GMPO on a Qwen3 checkpoint and GSM8K's files, all supplied by the user",
                          "gsm8k/train.jsonl",
                          "gsm8k/test.jsonl",
                          {"gsm8k-strict", "gsm8k-flexible"},
                          PromptStyle::kGsm8k,
                          512,
                          1024,
                          1024,
                          5,
                          4,
                          16,
                          105,
                          0};
const Benchmark kMath = {"rlvr/math",
                         "RLVR on MATH",
                         "GRPO or GMPO on a Qwen3 checkpoint and MATH's files, all supplied by the user",
                         "math/train.jsonl",
                         "math/math500_test.jsonl",
                         {"math"},
                         PromptStyle::kMath,
                         1024,
                         3000,
                         128,
                         8,
                         1,
                         4,
                         860,
                         3};

const Benchmark& benchmark_of(const std::string& suite) {
  return suite == kGsm8k.name ? kGsm8k : kMath;
}

RewardFunction reward_of(const std::string& grader) {
  if (grader == "gsm8k-strict")
    return [](std::string_view text, std::string_view label, bool) { return gsm8k_strict_reward(text, label); };
  if (grader == "gsm8k-flexible")
    return [](std::string_view text, std::string_view label, bool) { return gsm8k_flexible_reward(text, label); };
  return [](std::string_view text, std::string_view label, bool) { return math_reward(text, label); };
}

/// The file or folder that the setting names; UserError with what is wrong and how to get it.
std::filesystem::path required(const Values& s, const char* setting, MaterialKind kind) {
  const auto& name = get_text(s, setting);
  if (const auto missing = missing_material(kind, name))
    throw UserError("setting \"" + std::string(setting) + "\" (" + name + "): " + missing->problem + "; " +
                    missing->fix);
  return material_path(kind, name);
}

/// The first `limit` (0: all).
void limit(std::vector<Problem>& problems, std::int64_t limit) {
  if (limit > 0 && static_cast<std::int64_t>(problems.size()) > limit) problems.resize(static_cast<std::size_t>(limit));
}

/// Questions become prompts; the ones that are too long are left out, as in verl (filter_overlong_prompts).
void make_prompts(std::vector<Problem>& problems, const std::string& split, PromptStyle style, const Values& s,
                  const Tokenizer& tokenizer) {
  const bool chat = get_text(s, "prompt_format") == "chat", think = get_bool(s, "enable_thinking");
  const auto most = get_int(s, "max_prompt_tokens");
  const auto before = problems.size();
  std::erase_if(problems, [&](Problem& problem) {
    const auto message = user_message(style, problem.question);
    problem.question = chat ? render_chat({{"user", message}}, think) : message;
    return static_cast<std::int64_t>(tokenizer.encode(problem.question).size()) > most;
  });
  if (problems.empty())
    throw UserError("setting \"max_prompt_tokens\": got " + std::to_string(most) + ", and all " +
                    std::to_string(before) + " " + split + " prompts are longer");
  if (problems.size() < before)
    std::cerr << before - problems.size() << " of " << before << " " << split << " prompts are longer than " << most
              << " tokens and left out\n";
}

/// Holds `count` problems back for validation: by their text, so that they are the same whatever else is set.
std::vector<Problem> held_out(std::vector<Problem>& train, std::int64_t count) {
  std::vector<Problem> out;
  std::erase_if(train, [&](const Problem& problem) {
    if (content_split(problem.question) != "validation") return false;
    out.push_back(problem);
    return true;
  });
  if (static_cast<std::int64_t>(out.size()) < count)
    throw UserError("setting \"validation_problems\": got " + std::to_string(count) + ", but only " +
                    std::to_string(out.size()) + " problems of the training file can be held back (one in ten)");
  limit(out, count);
  return out;
}

/// What was read, with its size: settings name it, and a name is no proof.
void write_inputs(RunContext& context, const std::vector<std::filesystem::path>& paths) {
  Json rows = Json::array();
  for (const auto& path : paths) {
    std::vector<std::filesystem::path> files = {path};
    if (std::filesystem::is_directory(path)) {
      files.clear();
      for (const auto& entry : std::filesystem::directory_iterator(path))
        if (entry.is_regular_file()) files.push_back(entry.path());
      std::ranges::sort(files);
    }
    for (const auto& file : files)
      rows.push_back({{"path", file.string()}, {"bytes", std::filesystem::file_size(file)}});
  }
  const auto file = context.artifacts() / "inputs.json";
  write_file_atomic(file, rows.dump(1) + "\n");
  context.events.artifact("inputs", "artifacts/inputs.json",
                          static_cast<std::int64_t>(std::filesystem::file_size(file)));
}

RunOutcome run_checkpoint(RunContext& context) {
  PhaseTimer setup(context.events, 0, "setup");
  const Values& s = context.settings();
  const Benchmark& benchmark = benchmark_of(context.request.config.suite);
  const auto base = required(s, "model_path", MaterialKind::kModel);
  const auto train_path = required(s, "train_path", MaterialKind::kData),
             test_path = required(s, "test_path", MaterialKind::kData);
  const bool on_test = get_bool(s, "validate_on_test");
  const bool has_file = !on_test && !get_text(s, "validation_path").empty();
  const auto validation_path = has_file ? required(s, "validation_path", MaterialKind::kData) : "";

  Workload workload{.base = base,
                    .tokenizer = Tokenizer::load(base / "tokenizer.json"),
                    .train = read_problems(train_path),
                    .validation = {},
                    .test = read_problems(test_path),
                    .test_is_validation = on_test,
                    .reward = reward_of(get_text(s, "grader"))};
  const auto config = Qwen3Config::load(base / "config.json");
  if (workload.tokenizer.size() > config.vocabulary)
    throw UserError(base.string() + ": tokenizer.json has ids up to " + std::to_string(workload.tokenizer.size() - 1) +
                    ", config.json a vocabulary of " + std::to_string(config.vocabulary) +
                    ": they do not belong together");
  if (get_text(s, "prompt_format") == "chat" && !workload.tokenizer.has_chat_tokens())
    throw UserError(base.string() +
                    ": tokenizer.json lacks <|im_start|> or <|im_end|>, which the chat format needs; "
                    "set prompt_format=plain");

  const auto in_test = shared_questions(workload.train, workload.test);
  if (!in_test.empty()) {
    const std::set<std::string> shared(in_test.begin(), in_test.end());
    std::erase_if(workload.train, [&](const Problem& p) { return shared.contains(p.question); });
    std::cerr << in_test.size() << " training problems stand in the test file as well and are left out\n";
  }
  if (const auto level = benchmark.min_level > 0 ? get_int(s, "min_level") : 0; level > 0)
    std::erase_if(workload.train, [&](const Problem& p) { return p.level < level; });
  const auto validation_problems = get_int(s, "validation_problems");
  workload.validation = on_test    ? workload.test
                        : has_file ? read_problems(validation_path)
                                   : held_out(workload.train, validation_problems);
  limit(workload.validation, on_test ? get_int(s, "test_problems") : validation_problems);
  limit(workload.train, get_int(s, "train_problems"));
  limit(workload.test, get_int(s, "test_problems"));
  if (workload.train.empty()) throw UserError(train_path.string() + ": no problem is left to train on");
  make_prompts(workload.train, "training", benchmark.style, s, workload.tokenizer);
  make_prompts(workload.validation, "validation", benchmark.style, s, workload.tokenizer);
  make_prompts(workload.test, "test", benchmark.style, s, workload.tokenizer);
  std::vector<std::filesystem::path> inputs = {base, train_path, test_path};
  if (has_file) inputs.push_back(validation_path);
  write_inputs(context, inputs);
  setup.stop();
  return train(context, workload);
}

SuiteEntry suite_of(const Benchmark& b) {
  using namespace std::string_literals;
  SuiteInfo info;
  info.name = b.name;
  info.version = 2;  // training rounds in another order
  info.title = b.title;
  info.help = b.help;
  info.primary_metric = "evaluation/validation/sampled";
  info.batch_setting = "prompts";
  auto& rows = info.table.settings;
  rows = common_settings();
  const std::vector<Setting> own = {
      text_setting("model_path", "Qwen/Qwen3-1.7B",
                   "checkpoint folder in Hugging Face's layout: absolute, or within $PIONBENCH_MODELS"),
      text_setting("train_path", b.train_path, "JSON Lines: absolute, or within $PIONBENCH_DATA"),
      text_setting("validation_path", "", "JSON Lines; empty: held back from the training file, by content"),
      bool_setting("validate_on_test", false, "take the test file for both, as the published runs do"),
      text_setting("test_path", b.test_path, "JSON Lines; read at the first and the last step only"),
      int_setting("train_problems", 0, 0, 10000000, "how many at most; 0 = all"),
      int_setting("validation_problems", 200, 0, 100000, "how many are held back, or read at most (then 0 = all)"),
      int_setting("test_problems", 0, 0, 100000, "how many at most; 0 = all"),
      choice_setting("grader", b.graders.front(), b.graders, "what is rewarded"),
      choice_setting("prompt_format", "chat", {"chat", "plain"}, "Qwen3's chat format, or the bare message"),
      bool_setting("enable_thinking", true, "chat: let the model think before it answers"),
      int_setting("max_prompt_tokens", b.max_prompt_tokens, 1, 1000000, "longer prompts are left out"),
      int_setting("max_new_tokens", b.max_new_tokens, 1, 1000000, "longest completion"),
  };
  rows.insert(rows.end(), own.begin(), own.end());
  if (b.min_level > 0)
    rows.push_back(int_setting("min_level", b.min_level, 0, 5, "training problems below this level are left out"));
  const std::map<std::string, std::int64_t> recipe = {
      {"prompts", b.prompts},         {"samples", b.samples}, {"mini_batches", b.mini_batches},
      {"micro_batch", b.micro_batch}, {"steps", b.steps},     {"rollout_memory_mib", 24576}};
  for (auto row : training_settings(/*has_base_demonstrations=*/false)) {
    if (const auto it = recipe.find(row.name); it != recipe.end()) row.default_value = it->second;
    if (row.name == "gradient_checkpointing") row.default_value = true;
    rows.push_back(row);
  }
  info.table.relations = training_relations();
  info.table.bundle_sets = {{"model",
                             "",
                             "published checkpoints by size",
                             {{"tiny", "Qwen3-0.6B", {{"model_path", "Qwen/Qwen3-0.6B"s}}},
                              {"small", "Qwen3-1.7B", {{"model_path", "Qwen/Qwen3-1.7B"s}}},
                              {"large", "Qwen3-4B", {{"model_path", "Qwen/Qwen3-4B"s}}}}},
                            algorithm_bundles(/*has_base_demonstrations=*/false, /*grpo_kl=*/0.001)};
  return {info, run_checkpoint};
}

}  // namespace

SuiteEntry gsm8k_suite() {
  return suite_of(kGsm8k);
}

SuiteEntry math_suite() {
  return suite_of(kMath);
}

}  // namespace pionbench
