#include "store/attempts.h"

#include <fstream>

#include "core/files.h"

namespace pionbench {
namespace {

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

template <typename T>
std::optional<T> optional_of(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it == json.end() || it->is_null() ? std::nullopt : std::optional<T>(it->get<T>());
}

bool ends_torn(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file || file.tellg() == 0) return false;
  file.seekg(-1, std::ios::end);
  return file.get() != '\n';
}

void append_line(const std::filesystem::path& run_folder, const Json& line) {
  const auto path = run_folder / "attempts.jsonl";
  const bool torn = ends_torn(path);
  LineWriter writer(path);
  // A machine that died mid-write left half a line. Ended here, it costs that line alone and not this one too.
  if (torn) writer.write("");
  writer.write(line.dump(-1, ' ', false, Json::error_handler_t::replace), /*durable=*/true);
}

}  // namespace

void append_attempt(const std::filesystem::path& run_folder, const AttemptStart& start) {
  append_line(run_folder, to_json(start));
}

void append_attempt(const std::filesystem::path& run_folder, const AttemptEnd& end) {
  append_line(run_folder, to_json(end));
}

Json to_json(const AttemptStart& a) {
  Json json = {{"type", "attempt_started"},  {"attempt", a.attempt},
               {"started_at", a.started_at}, {"host", a.host},
               {"boot_id", a.boot_id},       {"pid", a.pid},
               {"pid_start", a.pid_start},   {"owner", a.owner},
               {"threads", a.threads},       {"accumulation", a.accumulation},
               {"devices", a.devices}};
  if (!a.job.empty()) json["job"] = a.job;
  return json;
}

Json to_json(const AttemptEnd& a) {
  return {{"type", "attempt_ended"},
          {"attempt", a.attempt},
          {"ended_at", a.ended_at},
          {"outcome", a.outcome},
          {"exit_code", or_null(a.exit_code)},
          {"signal", or_null(a.signal)},
          {"wall_seconds", a.wall_seconds},
          {"reason", a.reason},
          {"stderr_tail", a.stderr_tail},
          {"peak_memory", or_null(a.peak_memory)},
          {"peak_device_memory", or_null(a.peak_device_memory)},
          {"disturbance", a.disturbance}};
}

AttemptStart attempt_start_from_json(const Json& json) {
  AttemptStart a;
  a.attempt = json.at("attempt");
  a.started_at = json.at("started_at");
  a.host = json.at("host");
  a.boot_id = json.at("boot_id");
  a.pid = json.at("pid");
  a.pid_start = json.at("pid_start");
  // Spools of version 0.1 lack what follows.
  a.owner = json.value("owner", "");
  a.threads = json.value("threads", 1);
  a.accumulation = json.value("accumulation", 1);
  a.devices = json.value("devices", a.devices);
  a.job = json.value("job", "");
  return a;
}

AttemptEnd attempt_end_from_json(const Json& json) {
  AttemptEnd a;
  a.attempt = json.at("attempt");
  a.ended_at = json.at("ended_at");
  a.outcome = json.at("outcome");
  a.exit_code = optional_of<int>(json, "exit_code");
  a.signal = optional_of<int>(json, "signal");
  a.wall_seconds = json.at("wall_seconds");
  a.reason = json.at("reason");
  a.stderr_tail = json.at("stderr_tail");
  a.peak_memory = optional_of<std::int64_t>(json, "peak_memory");
  a.peak_device_memory = optional_of<std::int64_t>(json, "peak_device_memory");
  a.disturbance = json.value("disturbance", "");
  return a;
}

}  // namespace pionbench
