#pragma once
/// Tensors in Hugging Face's safetensors files (experiments/rlvr/data/safetensors_header.h), one file or shards.

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <string>

namespace pionbench::rlvr {

using NamedTensors = std::map<std::string, torch::Tensor>;

/// Tensors on the CPU that view the file's memory map: nothing is read before it is used, and the map lives as long as
/// one of them. Writing to one changes this process's copy only. The file must not be cut short meanwhile.
/// UserError naming the file and the tensor on anything malformed.
NamedTensors read_safetensors(const std::filesystem::path& file);

/// A checkpoint folder's tensors: model.safetensors, or the shards that model.safetensors.index.json names. UserError
/// on a missing shard, and on tensors that the index and the shards do not agree about.
NamedTensors read_checkpoint(const std::filesystem::path& folder);

/// Writes whole or not at all. Keys in byte order, data aligned to 8.
void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors);

}  // namespace pionbench::rlvr
