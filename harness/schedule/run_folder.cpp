#include "harness/schedule/run_folder.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>

#include "store/spool.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

// Longer tails than this are noise, and one line may be a progress bar of megabytes.
constexpr std::uintmax_t kTailBytes = 16384;

void for_each_line(const fs::path& path, const std::function<void(std::string_view)>& take) {
  if (const auto stamp = file_stamp(path)) read_whole_lines(path, 0, stamp->size, take, [](std::int64_t) {});
}

/// The line as JSON; null when it is none (the store reports such lines).
Json parse_line(std::string_view line) {
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

std::string text_of(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

EventFacts read_event_facts(const fs::path& run_folder) {
  EventFacts facts;
  std::string last;
  for_each_line(run_folder / "events.jsonl", [&](std::string_view line) {
    last = line;
    // Most lines are metrics: parse only what can matter.
    if (line.find("run_finished") == line.npos && line.find("checkpoint") == line.npos) return;
    const Json event = parse_line(line);
    if (event.is_null()) return;
    const std::string type = text_of(event, "type");
    if (type == "run_finished") {
      facts.finished = text_of(event, "status") == "diverged" ? "diverged" : "done";
      facts.reason = text_of(event, "reason");
    } else if (type == "checkpoint") {
      std::error_code error;
      facts.checkpoint = fs::exists(run_folder / text_of(event, "path"), error);
    }
  });
  if (const Json event = parse_line(last); event.is_object() && event.value("t", Json()).is_number())
    facts.last_t = event["t"];
  return facts;
}

AttemptFacts read_attempt_facts(const fs::path& run_folder) {
  AttemptFacts facts;
  for_each_line(run_folder / "attempts.jsonl", [&](std::string_view line) {
    const Json json = parse_line(line);
    if (json.is_null()) return;
    try {
      if (text_of(json, "type") == "attempt_started") {
        facts.unended = attempt_start_from_json(json);
        facts.last = std::max(facts.last, facts.unended->attempt);
      } else if (text_of(json, "type") == "attempt_ended") {
        facts.last = std::max(facts.last, attempt_end_from_json(json).attempt);
        facts.unended.reset();
      }
    } catch (const Json::exception&) {
      // A damaged line; the store reports it.
    }
  });
  return facts;
}

std::string tail_of(const fs::path& path, std::uintmax_t offset, int count) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const auto size = static_cast<std::uintmax_t>(file.tellg());
  offset = std::max(offset, size > kTailBytes ? size - kTailBytes : 0);
  if (offset >= size) return "";
  std::string text(size - offset, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  std::size_t begin = text.size();
  for (int i = 0; i < count && begin != std::string::npos && begin > 0; ++i) begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

std::string last_line(const std::string& text) {
  std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "";
  const std::size_t begin = text.find_last_of("\r\n", end);
  return text.substr(begin + 1, end - begin);  // npos + 1 is 0
}

std::string next_run_name(const fs::path& runs, const std::string& cell) {
  std::error_code error;
  for (int n = 1;; ++n) {
    const std::string name = cell.substr(0, 12) + "." + std::to_string(n);
    if (!fs::exists(runs / name, error)) return name;
  }
}

int run_number(const std::string& run) {
  const std::size_t dot = run.rfind('.');
  int n = 0;
  if (dot != std::string::npos) std::from_chars(run.data() + dot + 1, run.data() + run.size(), n);
  return n;
}

}  // namespace pionbench
