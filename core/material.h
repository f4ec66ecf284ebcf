#pragma once
/// Models and data of others, which runs at full size need and this project does not carry. A suite's setting names
/// one ("Qwen/Qwen3-1.7B", "gsm8k/train.jsonl"); where it lies, the machine says, so that a cell is the same
/// everywhere.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pionbench {

enum class MaterialKind {
  kModel,  ///< a folder in Hugging Face's layout
  kData,   ///< a JSON Lines file
};

/// The settings that name one, in every suite that has them: model_path; train_path, validation_path, test_path. An
/// empty value names nothing.
struct MaterialSetting {
  const char* name;
  MaterialKind kind;
};
std::span<const MaterialSetting> material_settings();

/// The environment variable whose folder relative names are looked for in: PIONBENCH_MODELS or PIONBENCH_DATA.
const char* material_variable(MaterialKind kind);

/// An absolute path as it is; otherwise in the folder that the variable names; without the variable, from where the
/// program was started. Need not exist.
std::filesystem::path material_path(MaterialKind kind, const std::string& name);

/// What the project knows of a file or folder.
struct KnownMaterial {
  std::string name;
  MaterialKind kind;
  std::int64_t bytes;                           ///< of the file, or of all a model's files, about
  std::int64_t lines;                           ///< of a data file; 0 when unknown
  std::string sha256;                           ///< of a data file; "" when unknown
  std::string source;                           ///< where it comes from, with its licence
  std::string command;                          ///< fetches it into the folder of its variable
  double parameters = 0, block_parameters = 0;  ///< of a model: all, and without embeddings
  std::int64_t kv_bytes_per_token = 0;          ///< of a model, in bfloat16
};
/// What the paper scale names, models first.
const std::vector<KnownMaterial>& known_materials();
/// nullptr for the user's own.
const KnownMaterial* find_known_material(MaterialKind kind, const std::string& name);

struct MissingMaterial {
  std::string name;
  std::string problem;  ///< "no folder /models/Qwen/Qwen3-1.7B", "tokenizer.json is missing in ...", "7472 lines ..."
  std::string fix;      ///< what to do
};
/// Nothing when it is there: a model's folder with config.json, tokenizer.json and weights; a data file, with its size
/// where it is known (a line ending changed by a download is told apart from the file that was published).
std::optional<MissingMaterial> missing_material(MaterialKind kind, const std::string& name);

}  // namespace pionbench
