#include "harness/bench/sitting.h"

#include "common/hash.h"
#include "core/files.h"
#include "harness/bench/machine.h"

namespace pionbench {
namespace {

/// "2026-05-24T01:02:03.456Z" -> "20260524T010203456Z"
std::string compact(const std::string& utc) {
  std::string out;
  for (const char c : utc)
    if (c != '-' && c != ':' && c != '.') out += c;
  return out;
}

std::map<std::string, std::string> facts_of(const BenchmarkFile& file, const SittingOptions& options) {
  auto facts = machine_facts();
  const auto host = file.environment.find("host");
  const bool is_ours = options.is_local || (host != file.environment.end() && host->second == facts["host"]);
  if (!options.machine.empty()) {
    facts = file.environment;
    facts.erase("cores");
    facts["machine"] = options.machine;
  } else if (!is_ours) {
    facts = file.environment;
  } else if (const auto build = file.environment.find("build"); build != file.environment.end()) {
    facts["build"] = build->second;
  }
  return facts;
}

}  // namespace

Sitting make_sitting(BenchmarkFile file, const SittingOptions& options) {
  Sitting out;
  out.environment = facts_of(file, options);
  if (options.is_local && !options.other_work.empty()) out.environment["other work"] = options.other_work;
  out.environment.insert(options.facts.begin(), options.facts.end());
  out.fingerprint = fingerprint_of(out.environment);
  out.revision = options.revision.empty() ? revision_of(options.home) : options.revision;
  out.recorded_at = utc_now();
  out.series = std::move(file.series);
  nlohmann::json samples = nlohmann::json::array();
  for (const auto& series : out.series) samples.push_back({series.name, series.samples});
  out.sitting = compact(out.recorded_at) + "-" + content_hash({out.revision, out.fingerprint, samples}).substr(0, 6);
  return out;
}

}  // namespace pionbench
