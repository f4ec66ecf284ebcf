#include "experiments/rlvr/model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "experiments/rlvr/data/safetensors_header.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

struct TypeName {
  const char* name;
  torch::Dtype dtype;
};
constexpr std::array kTypes = {
    TypeName{"F64", torch::kFloat64},   TypeName{"F32", torch::kFloat32}, TypeName{"F16", torch::kFloat16},
    TypeName{"BF16", torch::kBFloat16}, TypeName{"I64", torch::kInt64},   TypeName{"I32", torch::kInt32},
    TypeName{"I16", torch::kInt16},     TypeName{"I8", torch::kInt8},     TypeName{"U8", torch::kUInt8},
    TypeName{"BOOL", torch::kBool},
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
    size_ = static_cast<std::size_t>(info.st_size);
    if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (data_ == MAP_FAILED) throw UserError("cannot map " + file.string() + ": " + std::strerror(errno));
  }
  ~MappedFile() {
    if (data_ && data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  char* at(std::uint64_t byte) const { return static_cast<char*>(data_) + byte; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

NamedTensors read_safetensors(const std::filesystem::path& file) {
  const auto map = std::make_shared<MappedFile>(file);
  NamedTensors out;
  for (const auto& [name, entry] : parse_safetensors_header(map->text(), file.string())) {
    const TypeName* type = nullptr;
    for (const auto& candidate : kTypes)
      if (entry.dtype == candidate.name) type = &candidate;
    if (!type) throw std::logic_error("safetensors: no torch type for " + entry.dtype);
    if (entry.begin == entry.end) {
      out.emplace(name, torch::empty(entry.shape, type->dtype));
      continue;
    }
    char* data = map->at(entry.begin);
    const bool aligned = reinterpret_cast<std::uintptr_t>(data) % torch::elementSize(type->dtype) == 0;
    if (aligned && type->dtype != torch::kBool) {
      out.emplace(name, torch::from_blob(
                            data, entry.shape, [map](void*) {}, torch::TensorOptions(type->dtype)));
      continue;
    }
    // Written by hand, or of a type of which not every byte is a value.
    auto bytes = torch::empty({static_cast<std::int64_t>(entry.end - entry.begin)}, torch::kUInt8);
    std::memcpy(bytes.data_ptr(), data, entry.end - entry.begin);
    out.emplace(
        name, type->dtype == torch::kBool ? (bytes != 0).view(entry.shape) : bytes.view(type->dtype).view(entry.shape));
  }
  return out;
}

NamedTensors read_checkpoint(const std::filesystem::path& folder) {
  const auto single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  // Where both are, the single file counts, as in transformers.
  if (std::filesystem::exists(single) || !std::filesystem::exists(index)) return read_safetensors(single);
  const auto shard_of = parse_shard_index(read_file(index), index.string());
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  NamedTensors out;
  for (const auto& shard : shards)
    for (auto& [name, tensor] : read_safetensors(folder / shard)) {
      const auto it = shard_of.find(name);
      if (it == shard_of.end() || it->second != shard)
        throw UserError((folder / shard).string() + ": holds tensor \"" + name + "\", which " + index.string() +
                        (it == shard_of.end() ? " does not know" : " places in " + it->second));
      out.emplace(name, tensor);
    }
  for (const auto& [name, shard] : shard_of)
    if (!out.count(name))
      throw UserError((folder / shard).string() + ": lacks tensor \"" + name + "\", which " + index.string() +
                      " places there");
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
