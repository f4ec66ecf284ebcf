#include "harness/schedule/gpus.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>

namespace pionbench {
namespace {

struct Output {
  int code = -1;
  std::string text;
};

Output run_tool(const std::string& arguments) {
  Output out;
  std::FILE* pipe = ::popen(("timeout 10 nvidia-smi " + arguments + " 2>&1").c_str(), "r");
  if (!pipe) return out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.text.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

std::string stripped(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Rows of at least `columns` fields.
std::vector<std::vector<std::string>> rows_of(const std::string& csv, std::size_t columns) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> row;
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) row.push_back(stripped(field));
    if (row.size() >= columns) rows.push_back(std::move(row));
  }
  return rows;
}

template <typename T>
std::optional<T> number(const std::string& text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> mebibytes(const std::string& text) {
  const auto value = number<std::int64_t>(text);
  return value ? std::optional(*value << 20) : std::nullopt;
}

constexpr const char* kFields = "index,uuid,name,memory.total,memory.free,mig.mode.current,compute_mode,driver_version";

}  // namespace

std::vector<Gpu> parse_gpu_csv(const std::string& csv) {
  std::vector<Gpu> out;
  for (const auto& row : rows_of(csv, 7)) {
    const auto index = number<int>(row[0]);
    if (!index || !row[1].starts_with("GPU-")) continue;
    Gpu gpu{.index = *index, .uuid = row[1], .name = row[2]};
    gpu.total_bytes = mebibytes(row[3]);
    gpu.free_bytes = mebibytes(row[4]);
    gpu.has_instances = row[5] == "Enabled";
    gpu.compute_mode = row[6];
    gpu.label = "GPU " + row[0];
    out.push_back(std::move(gpu));
  }
  return out;
}

std::vector<GpuProcess> parse_process_csv(const std::string& csv) {
  std::vector<GpuProcess> out;
  for (const auto& row : rows_of(csv, 3))
    if (const auto pid = number<int>(row[1])) out.push_back({row[0], *pid, mebibytes(row[2])});
  return out;
}

void add_instances(std::vector<Gpu>& gpus, const std::string& listing) {
  static const std::regex kGpu(R"(^GPU +\d+:.*\(UUID: *(GPU-[^)]+)\))");
  static const std::regex kInstance(R"(^ +MIG +(\S+) +Device +(\d+): *\(UUID: *(MIG-[^)]+)\))");
  static const std::regex kProfile(R"((\d+)gb)");
  std::string parent;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kGpu)) {
      parent = match[1];
    } else if (std::regex_search(line, match, kInstance)) {
      auto owner = std::find_if(gpus.begin(), gpus.end(), [&](const Gpu& g) { return g.uuid == parent; });
      if (owner == gpus.end()) continue;
      owner->has_instances = true;
      Gpu instance{.index = owner->index, .uuid = match[3], .name = owner->name + " MIG " + match[1].str()};
      instance.parent = parent;
      instance.throttle = owner->throttle;
      instance.label = owner->label + " MIG " + match[2].str();
      const std::string profile = match[1];
      if (std::smatch size; std::regex_search(profile, size, kProfile))
        instance.total_bytes = std::int64_t{std::stoll(size[1])} << 30;
      // Behind its GPU and the instances that it already has.
      auto at = owner + 1;
      while (at != gpus.end() && at->parent == parent) ++at;
      gpus.insert(at, std::move(instance));
    }
  }
}

GpuInventory query_gpus() {
  GpuInventory out;
  const Output main = run_tool(std::string("--query-gpu=") + kFields + " --format=csv,noheader,nounits");
  // 126, 127: no such program; anything else was said by nvidia-smi itself (or by timeout, 124).
  if (main.code == 126 || main.code == 127) return out;
  out.has_tool = true;
  if (main.code != 0) {
    out.problem =
        main.code == 124 ? "nvidia-smi does not answer within 10 s" : main.text.substr(0, main.text.find('\n'));
    return out;
  }
  out.gpus = parse_gpu_csv(main.text);
  for (const auto& row : rows_of(main.text, 8)) out.driver = row[7];
  // Renamed in driver 535, and the old name will go: ask for it apart, so that the inventory never depends on it.
  for (const char* field : {"clocks_event_reasons.active", "clocks_throttle_reasons.active"}) {
    const Output said = run_tool(std::string("--query-gpu=uuid,") + field + " --format=csv,noheader,nounits");
    if (said.code != 0) continue;
    for (const auto& row : rows_of(said.text, 2))
      for (auto& gpu : out.gpus)
        if (gpu.uuid == row[0] && row[1].starts_with("0x"))
          gpu.throttle = number<std::uint64_t>(row[1].substr(2), 16).value_or(0);
    break;
  }
  if (std::any_of(out.gpus.begin(), out.gpus.end(), [](const Gpu& g) { return g.has_instances; }))
    add_instances(out.gpus, run_tool("-L").text);
  const Output processes = run_tool("--query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits");
  if (processes.code == 0) out.processes = parse_process_csv(processes.text);
  return out;
}

std::vector<Gpu> usable_gpus(const GpuInventory& inventory, const char* cuda_visible_devices) {
  const auto is_usable = [](const Gpu& g) { return !g.has_instances && g.compute_mode != "Prohibited"; };
  std::vector<Gpu> out;
  if (!cuda_visible_devices) {
    std::copy_if(inventory.gpus.begin(), inventory.gpus.end(), std::back_inserter(out), is_usable);
    return out;
  }
  std::set<std::string> seen;
  std::istringstream entries(cuda_visible_devices);
  for (std::string entry; std::getline(entries, entry, ',');) {
    entry = stripped(entry);
    std::vector<const Gpu*> found;
    if (const auto index = number<int>(entry)) {
      for (const auto& gpu : inventory.gpus)
        if (gpu.parent.empty() && gpu.index == *index) found.push_back(&gpu);
    } else if (entry.starts_with("GPU-") || entry.starts_with("MIG-")) {
      for (const auto& gpu : inventory.gpus)
        if (gpu.uuid.starts_with(entry)) found.push_back(&gpu);
    }
    if (found.size() != 1) break;  // names nothing, or more than one: as CUDA does, it ends the list
    if (!seen.insert(found[0]->uuid).second) return {};
    if (is_usable(*found[0])) {
      out.push_back(*found[0]);
      continue;
    }
    // An index, or a GPU's UUID, with MIG on: CUDA then takes its first instance.
    for (const auto& gpu : inventory.gpus)
      if (gpu.parent == found[0]->uuid && is_usable(gpu)) {
        out.push_back(gpu);
        break;
      }
  }
  return out;
}

std::string throttle_text(std::uint64_t reasons) {
  constexpr std::array kReasons = {
      std::pair{0x04u, "power cap"},
      std::pair{0x08u, "hardware slowdown"},
      std::pair{0x20u, "thermal slowdown"},
      std::pair{0x40u, "hardware thermal slowdown"},
      std::pair{0x80u, "hardware power brake"},
  };
  std::string out;
  for (const auto& [bit, name] : kReasons)
    if (reasons & bit) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace pionbench
