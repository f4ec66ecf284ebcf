#pragma once
/// The safetensors format: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}},
/// then the bytes. Read by memory map; a file is believed only as far as its size goes.

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <string>

namespace pionbench::rlvr {

using NamedTensors = std::map<std::string, torch::Tensor>;

/// Tensors on the CPU, copied out of the map. Types F64, F32, F16, BF16, I64, I32, U8, BOOL.
/// UserError naming the file and the tensor: truncated or malformed header, unknown type, shape and bytes that
/// disagree, offsets that overlap, leave holes or pass the end.
NamedTensors read_safetensors(const std::filesystem::path& file);

/// Writes whole or not at all. Keys in byte order, data aligned to 8.
void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors);

}  // namespace pionbench::rlvr
