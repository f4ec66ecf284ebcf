#pragma once
/// Google Benchmark's JSON, and ours, as series.

#include <string>
#include <vector>

#include "core/catalog.h"
#include "store/records.h"

namespace pionbench {

struct BenchmarkFile {
  std::vector<BenchmarkSeries> series;             ///< one sample per repetition, in the order of the file
  std::map<std::string, std::string> environment;  ///< what the file says of machine and build
};

/// Google Benchmark 1.5 and later: {"context", "benchmarks"}. Each benchmark becomes "<name>:real_time" where it was
/// registered with UseRealTime or UseManualTime, else "<name>:cpu_time", and "<name>:<counter>" for each counter.
/// Aggregates are left out: raw repetitions are what tests need.
/// Ours: {"schema": 1, "series": [{"name", "unit", "samples"}]}, optionally "environment".
/// UserError("WHERE: ...") for anything else, for a file of aggregates alone, for a benchmark that reported an error,
/// and for values that are not finite.
BenchmarkFile benchmark_file_from_json(const Json& json, const std::string& where);

/// The regular expression for --benchmark_filter that picks the benchmarks behind these series and no others.
std::string benchmark_filter(const std::vector<std::string>& series);

}  // namespace pionbench
