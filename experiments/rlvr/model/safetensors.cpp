#include "experiments/rlvr/model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

// The reference implementation's own limit.
constexpr std::uint64_t kLargestHeader = 100'000'000;

struct TypeName {
  const char* name;
  torch::Dtype dtype;
};
constexpr std::array kTypes = {
    TypeName{"F64", torch::kFloat64},   TypeName{"F32", torch::kFloat32}, TypeName{"F16", torch::kFloat16},
    TypeName{"BF16", torch::kBFloat16}, TypeName{"I64", torch::kInt64},   TypeName{"I32", torch::kInt32},
    TypeName{"U8", torch::kUInt8},      TypeName{"BOOL", torch::kBool},
};

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0) {
      const int error = errno;
      if (fd >= 0) ::close(fd);
      throw UserError("cannot read " + file.string() + ": " + std::strerror(error));
    }
    size_ = static_cast<std::uint64_t>(info.st_size);
    if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (data_ == MAP_FAILED) throw UserError("cannot map " + file.string() + ": " + std::strerror(errno));
  }
  ~MappedFile() {
    if (data_) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const unsigned char* data() const { return static_cast<const unsigned char*>(data_); }
  std::uint64_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  std::uint64_t size_ = 0;
};

bool is_count(const Json& json) {
  return json.is_number_unsigned();
}

/// Elements of a shape, or UserError when the product does not fit into 63 bits.
std::uint64_t element_count(const Json& shape, const std::string& where) {
  if (!shape.is_array()) throw UserError(where + "shape must be a list of sizes");
  std::uint64_t count = 1;
  for (const auto& size : shape) {
    if (!is_count(size)) throw UserError(where + "shape must be a list of sizes, got " + shape.dump());
    if (__builtin_mul_overflow(count, size.get<std::uint64_t>(), &count) || count > (1ull << 62))
      throw UserError(where + "shape " + shape.dump() + " is absurdly large");
  }
  return count;
}

}  // namespace

NamedTensors read_safetensors(const std::filesystem::path& file) {
  const MappedFile map(file);
  const std::string name_of_file = file.string() + ": ";
  std::uint64_t header_size = 0;
  if (map.size() < 8) throw UserError(name_of_file + "not a safetensors file (shorter than 8 bytes)");
  for (int i = 7; i >= 0; --i) header_size = header_size << 8 | map.data()[i];
  if (header_size > kLargestHeader || header_size > map.size() - 8)
    throw UserError(name_of_file + "truncated or not safetensors: the header claims " + std::to_string(header_size) +
                    " bytes, the file has " + std::to_string(map.size() - 8) + " after its first 8");
  const char* header_text = reinterpret_cast<const char*>(map.data() + 8);
  const auto header = Json::parse(header_text, header_text + header_size, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) throw UserError(name_of_file + "the header is not a JSON object");
  const std::uint64_t data_size = map.size() - 8 - header_size;
  const unsigned char* data = map.data() + 8 + header_size;

  NamedTensors out;
  std::map<std::uint64_t, std::uint64_t> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const std::string where = name_of_file + "tensor \"" + name + "\": ";
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
      throw UserError(where + "dtype, shape and data_offsets are required");
    const TypeName* type = nullptr;
    for (const auto& candidate : kTypes)
      if (entry["dtype"] == candidate.name) type = &candidate;
    if (!type) throw UserError(where + "unknown dtype " + entry["dtype"].dump());
    const auto count = element_count(entry["shape"], where);
    const auto& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !is_count(offsets[0]) || !is_count(offsets[1]))
      throw UserError(where + "data_offsets must be two byte positions, got " + offsets.dump());
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > data_size)
      throw UserError(where + "bytes " + offsets.dump() + " are not within the " + std::to_string(data_size) +
                      " that the file has");
    if (count * torch::elementSize(type->dtype) != end - begin)
      throw UserError(where + "shape " + entry["shape"].dump() + " of " + type->name + " does not fill " +
                      std::to_string(end - begin) + " bytes");
    if (end > begin && !ranges.emplace(begin, end).second)
      throw UserError(where + "its bytes overlap another tensor's");
    std::vector<std::int64_t> shape;
    for (const auto& size : entry["shape"]) shape.push_back(size.get<std::int64_t>());
    auto tensor = torch::empty(shape, type->dtype);
    if (end > begin) std::memcpy(tensor.data_ptr(), data + begin, end - begin);
    out.emplace(name, std::move(tensor));
  }
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      throw UserError(name_of_file + "tensor bytes overlap or leave a hole at byte " + std::to_string(covered));
    covered = end;
  }
  return out;
}

void write_safetensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  Json header = Json::object();
  std::vector<torch::Tensor> contents;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    contents.push_back(tensor.detach().to(torch::kCPU).contiguous());
    const auto& x = contents.back();
    const char* type = nullptr;
    for (const auto& candidate : kTypes)
      if (x.scalar_type() == candidate.dtype) type = candidate.name;
    if (!type) throw UserError(file.string() + ": tensor \"" + name + "\" has a type that safetensors lacks");
    header[name] = {{"dtype", type}, {"shape", x.sizes().vec()}, {"data_offsets", {offset, offset + x.nbytes()}}};
    offset += x.nbytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  bytes.reserve(8 + text.size() + offset);
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i) & 255);
  bytes += text;
  for (const auto& x : contents) bytes.append(static_cast<const char*>(x.data_ptr()), x.nbytes());
  write_file_atomic(file, bytes);
}

}  // namespace pionbench::rlvr
