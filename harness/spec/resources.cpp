#include "harness/spec/resources.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "core/error.h"

namespace pionbench {
namespace {

const std::vector<std::string> kKeys = {"cores", "memory", "gpus", "gpu_memory", "exclusive"};

constexpr std::array kUnits = {
    std::pair{"", 1.0},       std::pair{"B", 1.0},      std::pair{"KB", 1e3},     std::pair{"MB", 1e6},
    std::pair{"GB", 1e9},     std::pair{"TB", 1e12},    std::pair{"K", 0x1p10},   std::pair{"M", 0x1p20},
    std::pair{"G", 0x1p30},   std::pair{"T", 0x1p40},   std::pair{"KiB", 0x1p10}, std::pair{"MiB", 0x1p20},
    std::pair{"GiB", 0x1p30}, std::pair{"TiB", 0x1p40},
};

[[noreturn]] void bad(const std::string& where, const std::string& key, const std::string& got,
                      const std::string& allowed) {
  throw UserError(where + ": resources." + key + ": got \"" + got + "\", allowed: " + allowed);
}

int whole(const YamlEntry& entry, int least) {
  const std::string& text = entry.value.scalar(entry.key);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least)
    bad(entry.where, entry.key, text, "whole numbers from " + std::to_string(least) + " up");
  return value;
}

std::int64_t size(const YamlEntry& entry) {
  const std::string& text = entry.value.scalar(entry.key);
  const auto bytes = parse_bytes(text);
  if (!bytes) bad(entry.where, entry.key, text, "sizes such as 4GiB or 512MiB");
  return *bytes;
}

bool truth(const YamlEntry& entry) {
  const std::string& text = entry.value.scalar(entry.key);
  if (text != "true" && text != "false") bad(entry.where, entry.key, text, "true or false");
  return text == "true";
}

template <typename T>
void lay(std::optional<T>& base, const std::optional<T>& over) {
  if (over) base = over;
}

int gpus_of_device(const Values& settings) {
  const auto it = settings.find("device");
  if (it == settings.end()) return 0;
  const std::string device = to_text(it->second);
  if (!device.starts_with("cuda")) return 0;
  int index = 0;
  if (device.starts_with("cuda:")) std::from_chars(device.data() + 5, device.data() + device.size(), index);
  return std::max(0, index) + 1;
}

}  // namespace

std::optional<std::int64_t> parse_bytes(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number > 0) || number > 1e15) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' '));
  for (const auto& [name, factor] : kUnits)
    if (unit == name) return static_cast<std::int64_t>(std::llround(number * factor));
  return std::nullopt;
}

std::string bytes_text(double bytes) {
  char buffer[32];
  if (bytes >= 0x1p30)
    std::snprintf(buffer, sizeof buffer, "%.1f GiB", bytes / 0x1p30);
  else
    std::snprintf(buffer, sizeof buffer, "%.0f MiB", bytes / 0x1p20);
  return buffer;
}

ResourceRequest parse_resources(const YamlNode& node) {
  require_known_keys(node.map("resources"), "key of resources", kKeys);
  ResourceRequest out;
  for (const auto& entry : node.entries) {
    if (entry.key == "cores")
      out.cores = whole(entry, 1);
    else if (entry.key == "memory")
      out.memory_bytes = size(entry);
    else if (entry.key == "gpus")
      out.gpus = whole(entry, 0);
    else if (entry.key == "gpu_memory")
      out.gpu_memory_bytes = size(entry);
    else
      out.exclusive = truth(entry);
  }
  return out;
}

ResourceRequest overlaid(ResourceRequest base, const ResourceRequest& over) {
  lay(base.cores, over.cores);
  lay(base.gpus, over.gpus);
  lay(base.memory_bytes, over.memory_bytes);
  lay(base.gpu_memory_bytes, over.gpu_memory_bytes);
  lay(base.exclusive, over.exclusive);
  return base;
}

Json to_json(const ResourceRequest& r) {
  Json json = Json::object();
  const auto put = [&](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  put("cores", r.cores);
  put("gpus", r.gpus);
  put("memory_bytes", r.memory_bytes);
  put("gpu_memory_bytes", r.gpu_memory_bytes);
  put("exclusive", r.exclusive);
  return json;
}

ResourceRequest resource_request_from_json(const Json& json) {
  ResourceRequest r;
  const auto get = [&](const char* key, auto& value) {
    if (json.contains(key)) value = json.at(key).get<typename std::remove_reference_t<decltype(value)>::value_type>();
  };
  get("cores", r.cores);
  get("gpus", r.gpus);
  get("memory_bytes", r.memory_bytes);
  get("gpu_memory_bytes", r.gpu_memory_bytes);
  get("exclusive", r.exclusive);
  return r;
}

Resources resources_of(const ResourceRequest& request, const CellConfig& config, bool is_prerequisite) {
  return {.cores = request.cores.value_or(0),
          .memory_bytes = request.memory_bytes.value_or(0),
          .gpu_memory_bytes = request.gpu_memory_bytes.value_or(0),
          .gpus = request.gpus.value_or(gpus_of_device(config.settings)),
          .exclusive = request.exclusive.value_or(false) && !is_prerequisite};
}

}  // namespace pionbench
