#pragma once
/// The safetensors format without tensors: 8 bytes little-endian header length, a JSON header
/// {name: {dtype, shape, data_offsets}}, then the bytes. A file is believed only as far as its size goes.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench::rlvr {

struct TensorEntry {
  std::string dtype;  ///< F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< bytes, from the beginning of the file
};

/// `file` is the whole file's content, `where` begins every message. UserError naming the tensor: truncated or
/// malformed header, unknown type, more than 64 dimensions, shape and bytes that disagree, offsets that overlap, leave
/// holes or pass the end. Every entry returned lies within the file and has exactly the bytes of its shape.
std::map<std::string, TensorEntry> parse_safetensors_header(std::string_view file, const std::string& where);

/// model.safetensors.index.json: the shard that holds each tensor. UserError on a malformed file and on shards with a
/// folder in their name (they must stand beside the index).
std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& where);

}  // namespace pionbench::rlvr
