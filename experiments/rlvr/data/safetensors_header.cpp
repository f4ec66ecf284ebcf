#include "experiments/rlvr/data/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/rlvr/data/json_text.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

// The reference implementation's own limit.
constexpr std::uint64_t kLargestHeader = 100'000'000;
// torch iterates over no more.
constexpr std::size_t kMostDimensions = 64;

struct TypeSize {
  const char* name;
  std::uint64_t bytes;
};
constexpr std::array kTypes = {TypeSize{"F64", 8}, TypeSize{"F32", 4}, TypeSize{"F16", 2}, TypeSize{"BF16", 2},
                               TypeSize{"I64", 8}, TypeSize{"I32", 4}, TypeSize{"I16", 2}, TypeSize{"I8", 1},
                               TypeSize{"U8", 1},  TypeSize{"BOOL", 1}};

std::string shape_text(const Json& shape) {
  if (shape.size() > kMostDimensions) return shown(shape);
  std::string out = "[";
  for (const auto& size : shape) out += (out.size() > 1 ? "," : "") + shown(size);
  return out + "]";
}

/// Elements of a shape, or UserError when the product does not fit into 62 bits.
std::uint64_t element_count(const Json& shape, const std::string& where) {
  if (!shape.is_array()) throw UserError(where + "shape must be a list of sizes, got " + shown(shape));
  if (shape.size() > kMostDimensions)
    throw UserError(where + "shape has " + std::to_string(shape.size()) + " dimensions; at most 64 are allowed");
  // Sizes beside a zero multiply too: torch computes strides from them.
  std::uint64_t count = 1, span = 1;
  for (const auto& size : shape) {
    if (!size.is_number_unsigned()) throw UserError(where + "shape must be a list of sizes, got " + shape_text(shape));
    const auto n = size.get<std::uint64_t>();
    if (__builtin_mul_overflow(span, std::max<std::uint64_t>(n, 1), &span) || span > (1ull << 62))
      throw UserError(where + "shape " + shape_text(shape) + " is absurdly large");
    count *= n;
  }
  return count;
}

}  // namespace

std::map<std::string, TensorEntry> parse_safetensors_header(std::string_view file, const std::string& where_file) {
  const std::string file_name = where_file + ": ";
  if (file.size() < 8) throw UserError(file_name + "not a safetensors file (shorter than 8 bytes)");
  std::uint64_t header_size = 0;
  for (std::size_t i = 8; i-- > 0;) header_size = header_size << 8 | static_cast<unsigned char>(file[i]);
  if (header_size > kLargestHeader || header_size > file.size() - 8)
    throw UserError(file_name + "truncated or not safetensors: the header claims " + std::to_string(header_size) +
                    " bytes, the file has " + std::to_string(file.size() - 8) + " after its first 8");
  const auto header = Json::parse(file.substr(8, header_size), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) throw UserError(file_name + "the header is not a JSON object");
  const std::uint64_t data_begin = 8 + header_size, data_size = file.size() - data_begin;

  std::map<std::string, TensorEntry> out;
  std::map<std::uint64_t, std::uint64_t> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const std::string where = file_name + "tensor \"" + name.substr(0, 200) + "\": ";
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
      throw UserError(where + "dtype, shape and data_offsets are required");
    const TypeSize* type = nullptr;
    for (const auto& candidate : kTypes)
      if (entry["dtype"] == candidate.name) type = &candidate;
    if (!type) throw UserError(where + "unknown dtype " + shown(entry["dtype"]));
    const auto& shape = entry["shape"];
    const auto count = element_count(shape, where);
    const auto& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      throw UserError(where + "data_offsets must be two byte positions, got " + shown(offsets));
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > data_size)
      throw UserError(where + "bytes " + std::to_string(begin) + " to " + std::to_string(end) + " are not within the " +
                      std::to_string(data_size) + " that the file has");
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, type->bytes, &bytes) || bytes != end - begin)
      throw UserError(where + "shape " + shape_text(shape) + " of " + type->name + " does not fill " +
                      std::to_string(end - begin) + " bytes");
    if (end > begin && !ranges.emplace(begin, end).second)
      throw UserError(where + "its bytes overlap another tensor's");
    TensorEntry& made = out[name];
    made = {type->name, {}, data_begin + begin, data_begin + end};
    for (const auto& size : shape) made.shape.push_back(size.get<std::int64_t>());
  }
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      throw UserError(file_name + "tensor bytes overlap or leave a hole at byte " + std::to_string(covered));
    covered = end;
  }
  if (covered != data_size)
    throw UserError(file_name + std::to_string(data_size - covered) + " bytes at the end belong to no tensor");
  return out;
}

std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& where) {
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
      json["weight_map"].empty())
    throw UserError(where + ": not a shard index (an object with weight_map: {tensor: file})");
  std::map<std::string, std::string> out;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string())
      throw UserError(where + ": weight_map of \"" + tensor + "\" must be a file name, got " + shown(file));
    const auto name = file.get<std::string>();
    if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name == "..")
      throw UserError(where + ": shard " + shown(file) + " must be a file beside the index");
    out[tensor] = name;
  }
  return out;
}

}  // namespace pionbench::rlvr
