#include "harness/bench/google_benchmark.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/error.h"

namespace pionbench {
namespace {

// Numbers that an entry carries beside its measurements.
constexpr std::array kBookkeeping = {"family_index", "per_family_instance_index",
                                     "repetitions",  "repetition_index",
                                     "threads",      "iterations",
                                     "real_time",    "cpu_time"};
// How UseRealTime and UseManualTime mark a name.
constexpr std::array<std::string_view, 2> kWallClockSuffixes = {"/real_time", "/manual_time"};

class Collector {
 public:
  explicit Collector(std::string where) : where_(std::move(where)) {}

  void add(const std::string& name, const std::string& unit, double value) {
    if (!std::isfinite(value)) throw UserError(where_ + ": " + name + " is not a finite number");
    auto it = std::find_if(series_.begin(), series_.end(), [&](const auto& s) { return s.name == name; });
    if (it == series_.end()) it = series_.insert(it, {name, unit, {}});
    if (it->unit != unit) throw UserError(where_ + ": " + name + " is in " + it->unit + " and in " + unit);
    it->samples.push_back(value);
  }
  std::vector<BenchmarkSeries> take() { return std::move(series_); }

 private:
  std::string where_;
  std::vector<BenchmarkSeries> series_;
};

double number_of(const Json& json, const std::string& where) {
  if (!json.is_number()) throw UserError(where + " is " + json.dump() + ", not a number");
  return json.get<double>();
}

std::map<std::string, std::string> context_facts(const Json& context) {
  std::map<std::string, std::string> facts;
  for (const auto& [key, value] : context.items()) {
    if (key == "host_name" && value.is_string()) facts["host"] = value;
    if (key == "library_build_type" && value.is_string()) facts["benchmark library"] = value;
    if (key == "num_cpus" && value.is_number()) facts["cores"] = value.dump();
    if (key == "cpu" && value.is_string()) facts["cpu"] = value;  // --benchmark_context=cpu=...
    if (key == "build" && value.is_string()) facts["build"] = value;
    // Caches tell processors apart where nobody named them.
    if (key == "caches" && value.is_array()) facts["machine"] = value.dump();
  }
  if (facts.contains("cpu")) facts.erase("machine");
  return facts;
}

void add_benchmark(const Json& entry, const std::string& where, Collector& out) {
  auto name = entry.at(entry.contains("run_name") ? "run_name" : "name").get<std::string>();
  if (entry.value("error_occurred", false))
    throw UserError(where + ": " + name + " failed: " + entry.value("error_message", "no message"), kFailed);
  bool is_wall_clock = false;
  for (const auto suffix : kWallClockSuffixes)
    if (name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      is_wall_clock = true;
    }
  const char* clock = is_wall_clock ? "real_time" : "cpu_time";
  out.add(name + ":" + clock, entry.value("time_unit", "ns"), number_of(entry.at(clock), where + ": " + name));
  for (const auto& [key, value] : entry.items())
    if (value.is_number() && std::find(kBookkeeping.begin(), kBookkeeping.end(), key) == kBookkeeping.end())
      out.add(name + ":" + key, "", value.get<double>());
}

BenchmarkFile from_google(const Json& json, const std::string& where) {
  Collector out(where);
  bool has_aggregates = false;
  for (const auto& entry : json.at("benchmarks")) {
    if (entry.value("run_type", "iteration") == "iteration")
      add_benchmark(entry, where, out);
    else
      has_aggregates = true;
  }
  BenchmarkFile file{out.take(), context_facts(json.at("context"))};
  if (file.series.empty())
    throw UserError(where + (has_aggregates ? " holds aggregates alone; measure again without "
                                              "--benchmark_report_aggregates_only"
                                            : " holds no benchmark; does the filter fit any?"));
  return file;
}

BenchmarkFile from_ours(const Json& json, const std::string& where) {
  Collector out(where);
  for (const auto& series : json.at("series"))
    for (const auto& value : series.at("samples"))
      out.add(series.at("name"), series.value("unit", ""), number_of(value, where + ": " + series["name"].dump()));
  BenchmarkFile file{out.take(), {}};
  if (json.contains("environment")) file.environment = json["environment"].get<std::map<std::string, std::string>>();
  if (file.series.empty()) throw UserError(where + " holds no series");
  return file;
}

}  // namespace

BenchmarkFile benchmark_file_from_json(const Json& json, const std::string& where) {
  try {
    if (json.is_object() && json.contains("benchmarks")) return from_google(json, where);
    if (json.is_object() && json.contains("series")) return from_ours(json, where);
  } catch (const Json::exception& error) {
    throw UserError(where + ": not what Google Benchmark writes: " + error.what());
  }
  throw UserError(where + ": neither Google Benchmark's JSON (\"benchmarks\") nor series (\"series\")");
}

std::string benchmark_filter(const std::vector<std::string>& series) {
  std::set<std::string> names;
  for (const auto& s : series) names.insert(s.substr(0, s.rfind(':')));
  std::string out;
  for (const auto& name : names) {
    std::string escaped;
    for (const char c : name) {
      if (std::string_view(".[]{}()*+?^$|\\").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
    out += (out.empty() ? "" : "|") + escaped;
  }
  return "^(" + out + ")(/real_time|/manual_time)?$";
}

}  // namespace pionbench
