#include "core/material.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMiB = 1 << 20;

std::string model_command(const std::string& name) {
  std::string out = "hf download ";
  out += name;
  out += " --local-dir \"$PIONBENCH_MODELS/";
  return out + name + "\"   (pip install huggingface_hub)";
}

std::vector<KnownMaterial> make_known() {
  return {
      {"Qwen/Qwen3-0.6B", MaterialKind::kModel, 1150 * kMiB, 0, "", "Hugging Face, Apache-2.0",
       model_command("Qwen/Qwen3-0.6B"), 596e6, 440e6, 112 << 10},
      {"Qwen/Qwen3-1.7B", MaterialKind::kModel, 3290 * kMiB, 0, "", "Hugging Face, Apache-2.0",
       model_command("Qwen/Qwen3-1.7B"), 1.721e9, 1.409e9, 112 << 10},
      {"Qwen/Qwen3-4B", MaterialKind::kModel, 7690 * kMiB, 0, "", "Hugging Face, Apache-2.0",
       model_command("Qwen/Qwen3-4B"), 4.022e9, 3.634e9, 144 << 10},
      {"gsm8k/train.jsonl", MaterialKind::kData, 4166206, 7473,
       "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465", "github.com/openai/grade-school-math, MIT",
       "grade_school_math/data/train.jsonl of that repository, as $PIONBENCH_DATA/gsm8k/train.jsonl"},
      {"gsm8k/test.jsonl", MaterialKind::kData, 749738, 1319,
       "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14", "github.com/openai/grade-school-math, MIT",
       "grade_school_math/data/test.jsonl of that repository, as $PIONBENCH_DATA/gsm8k/test.jsonl"},
      {"math/train.jsonl", MaterialKind::kData, 0, 7500, "", "DigitalLearningGmbH/MATH-lighteval on Hugging Face, MIT",
       "its training split as JSON Lines with problem, level, type, solution, as $PIONBENCH_DATA/math/train.jsonl"},
      {"math/math500_test.jsonl", MaterialKind::kData, 446564, 500,
       "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
       "github.com/hkust-nlp/simpleRL-reason (HuggingFaceH4/MATH-500), MIT",
       "examples/simplelr_math_eval/data/math500/test.jsonl of that repository, as "
       "$PIONBENCH_DATA/math/math500_test.jsonl"},
  };
}

std::string how_to_get(MaterialKind kind, const std::string& name) {
  const std::string variable = material_variable(kind);
  std::string out;
  if (const auto* material = find_known_material(kind, name)) {
    out = "get it from " + material->source + ": " + material->command;
    char size[64];
    if (material->bytes > 0) {
      std::snprintf(size, sizeof size, " (%.1f MB", static_cast<double>(material->bytes) / 1e6);
      out += size;
      if (!material->sha256.empty()) out += ", sha256 " + material->sha256;
      out += ")";
    }
  } else
    out = kind == MaterialKind::kModel ? "give a folder in Hugging Face's layout" : "give a JSON Lines file";
  if (!std::getenv(variable.c_str()) && !fs::path(name).is_absolute())
    out += "; then set " + variable + " to the folder that holds it";
  return out;
}

}  // namespace

std::span<const MaterialSetting> material_settings() {
  static constexpr std::array kSettings = {
      MaterialSetting{"model_path", MaterialKind::kModel}, MaterialSetting{"train_path", MaterialKind::kData},
      MaterialSetting{"validation_path", MaterialKind::kData}, MaterialSetting{"test_path", MaterialKind::kData}};
  return kSettings;
}

const char* material_variable(MaterialKind kind) {
  return kind == MaterialKind::kModel ? "PIONBENCH_MODELS" : "PIONBENCH_DATA";
}

fs::path material_path(MaterialKind kind, const std::string& name) {
  const char* folder = std::getenv(material_variable(kind));
  if (!folder || !*folder || fs::path(name).is_absolute()) return name;
  return fs::path(folder) / name;
}

const std::vector<KnownMaterial>& known_materials() {
  static const auto all = make_known();
  return all;
}

const KnownMaterial* find_known_material(MaterialKind kind, const std::string& name) {
  for (const auto& material : known_materials())
    if (material.kind == kind && material.name == name) return &material;
  return nullptr;
}

std::optional<MissingMaterial> missing_material(MaterialKind kind, const std::string& name) {
  const auto path = material_path(kind, name);
  std::error_code error;
  const auto missing = [&](const std::string& problem) {
    return MissingMaterial{name, problem, how_to_get(kind, name)};
  };
  if (kind == MaterialKind::kData) {
    if (!fs::is_regular_file(path, error)) return missing("no file " + path.string());
    const auto* material = find_known_material(kind, name);
    const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
    if (material && material->bytes > 0 && size != material->bytes)
      return missing(path.string() + " has " + std::to_string(size) + " bytes, the published file " +
                     std::to_string(material->bytes));
    return std::nullopt;
  }
  if (!fs::is_directory(path, error)) return missing("no folder " + path.string());
  for (const char* file : {"config.json", "tokenizer.json"})
    if (!fs::is_regular_file(path / file, error)) return missing("no " + std::string(file) + " in " + path.string());
  if (!fs::exists(path / "model.safetensors", error) && !fs::exists(path / "model.safetensors.index.json", error))
    return missing("neither model.safetensors nor model.safetensors.index.json in " + path.string());
  return std::nullopt;
}

}  // namespace pionbench
