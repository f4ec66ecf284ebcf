#pragma once
/// What one run asks of the machine that it runs on. Never part of a cell's identity: the same cell on more cores is
/// the same cell.

#include <cstdint>
#include <optional>
#include <string>

#include "common/yaml.h"
#include "core/run_request.h"

namespace pionbench {

struct Resources {
  int cores = 0;                      ///< 0: an equal share of the machine
  std::int64_t memory_bytes = 0;      ///< of the machine; 0: what earlier runs of its kind took
  std::int64_t gpu_memory_bytes = 0;  ///< on each GPU; 0: what earlier runs of its kind took
  int gpus = 0;
  bool exclusive = false;  ///< its seconds are a result: alone on its GPU, without GPUs alone on the machine

  bool operator==(const Resources&) const = default;
};

/// What an experiment file says:
///   resources: {cores: 2, memory: 4GiB, gpus: 1, gpu_memory: 20GiB, exclusive: true}
struct ResourceRequest {
  std::optional<int> cores, gpus;
  std::optional<std::int64_t> memory_bytes, gpu_memory_bytes;
  std::optional<bool> exclusive;
};

/// UserError "FILE:LINE: ..." for unknown keys and values that are no whole number, size, true or false.
ResourceRequest parse_resources(const YamlNode& node);

/// `over` laid on `base`, key by key.
ResourceRequest overlaid(ResourceRequest base, const ResourceRequest& over);

/// Only the keys that are given; and back.
Json to_json(const ResourceRequest& request);
ResourceRequest resource_request_from_json(const Json& json);

/// What a cell of this configuration gets. Without `gpus`, its setting `device` decides: cuda is one, cuda:<n> is
/// n + 1, anything else none. A prerequisite is never timed.
Resources resources_of(const ResourceRequest& request, const CellConfig& config, bool is_prerequisite);

/// "4GiB", "512 MiB", "1.5 GB", "1048576" -> bytes; nothing for other texts.
std::optional<std::int64_t> parse_bytes(const std::string& text);
/// "31.2 GiB", "512 MiB"
std::string bytes_text(double bytes);

}  // namespace pionbench
