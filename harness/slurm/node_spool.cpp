#include "harness/slurm/node_spool.h"

#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "store/spool.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

void append(const fs::path& run_folder, const Json& line) {
  const fs::path path = run_folder / "node.jsonl";
  bool torn = false;
  if (std::ifstream file(path, std::ios::binary | std::ios::ate); file && file.tellg() > 0) {
    file.seekg(-1, std::ios::end);
    torn = file.get() != '\n';
  }
  LineWriter writer(path);
  if (torn) writer.write("");
  writer.write(line.dump(-1, ' ', false, Json::error_handler_t::replace), /*durable=*/true);
}

Json or_null(const std::optional<int>& value) {
  return value ? Json(*value) : Json();
}
std::optional<int> optional_int(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it == json.end() || it->is_null() ? std::nullopt : std::optional<int>(it->get<int>());
}

void take(const Json& json, NodeFacts& facts) {
  const std::string type = json.at("type");
  const int attempt = json.at("attempt");
  if (type == "node_started") {
    facts.starts[attempt] = {
        attempt,         json.at("batch"),   json.at("task"), json.at("job"),      json.at("started_at"),
        json.at("host"), json.at("boot_id"), json.at("pid"),  json.at("pid_start")};
  } else if (type == "node_ended") {
    facts.ends[attempt] = {attempt,
                           json.at("ended_at"),
                           optional_int(json, "exit_code"),
                           optional_int(json, "signal"),
                           json.at("wall_seconds"),
                           json.at("told"),
                           json.at("memory_kill"),
                           json.at("requeue"),
                           json.at("reason")};
  }
}

}  // namespace

void append_node(const fs::path& run_folder, const NodeStart& s) {
  append(run_folder, {{"type", "node_started"},
                      {"attempt", s.attempt},
                      {"batch", s.batch},
                      {"task", s.task},
                      {"job", s.job},
                      {"started_at", s.started_at},
                      {"host", s.host},
                      {"boot_id", s.boot_id},
                      {"pid", s.pid},
                      {"pid_start", s.pid_start}});
}

void append_node(const fs::path& run_folder, const NodeEnd& e) {
  append(run_folder, {{"type", "node_ended"},
                      {"attempt", e.attempt},
                      {"ended_at", e.ended_at},
                      {"exit_code", or_null(e.exit_code)},
                      {"signal", or_null(e.signal)},
                      {"wall_seconds", e.wall_seconds},
                      {"told", e.told},
                      {"memory_kill", e.memory_kill},
                      {"requeue", e.requeue},
                      {"reason", e.reason}});
}

NodeFacts read_node_facts(const fs::path& run_folder) {
  NodeFacts facts;
  const fs::path path = run_folder / "node.jsonl";
  const auto stamp = file_stamp(path);
  if (!stamp) return facts;
  const auto take_line = [&](std::string_view line) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    try {
      if (json.is_object()) take(json, facts);
    } catch (const Json::exception&) {
      // A machine that died in the middle of a line; what follows stands.
    }
  };
  read_whole_lines(path, 0, stamp->size, take_line, [](std::int64_t) {});
  return facts;
}

std::int64_t read_heartbeat(const fs::path& run_folder) {
  std::ifstream file(run_folder / "heartbeat");
  std::int64_t count = -1;
  return file >> count ? count : -1;
}

void write_heartbeat(const fs::path& run_folder, std::int64_t count) {
  // No need to be durable, nor whole: a reader only asks whether it has changed.
  std::ofstream(run_folder / "heartbeat", std::ios::trunc) << count << "\n";
}

}  // namespace pionbench
