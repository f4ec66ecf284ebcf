#pragma once
/// What `bench` and `gate` can measure.
///
///   PROGRAM        a Google Benchmark program (or any that takes --benchmark_out, --benchmark_filter,
///                  --benchmark_repetitions); arguments may follow in the same text
///   FILE.json      what such a program wrote elsewhere, or {"schema": 1, "series": [...]}
///   FOLDER         an output folder: the ends of its finished runs, one sample per seed
///   run:COMMAND    a shell command in which {out} stands for a fresh path; it leaves a FILE.json or a FOLDER there

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/bench/google_benchmark.h"

namespace pionbench {

struct SourceOptions {
  int repetitions = 1;  ///< within one process; their median is the process's sample
  std::string filter;   ///< --benchmark_filter of programs
  double min_time = 0;  ///< --benchmark_min_time of programs, in seconds; 0: the program's own
  int threads = 0;      ///< OMP_NUM_THREADS and MKL_NUM_THREADS of programs; 0: as they are
};

class Source {
 public:
  virtual ~Source() = default;
  /// Once: one process, or all there is. `only`: series wanted; others may come, too.
  virtual BenchmarkFile measure(const std::vector<std::string>& only) = 0;
  /// Whether every call is an independent sample. A training run with fixed seeds gives the same numbers again, and
  /// counting them twice would claim evidence that is not there.
  virtual bool is_repeatable() const = 0;
  /// Whether a later call measures anew at all; a file does not.
  virtual bool is_live() const = 0;
};

/// {"threads": "1"} where they are given: what such a sitting must note, since its times are of another kind.
std::map<std::string, std::string> facts_of(const SourceOptions& options);

/// UserError when the text is none of the four.
std::unique_ptr<Source> open_source(const std::string& text, const SourceOptions& options);

/// A Google Benchmark program whose path may hold blanks.
std::unique_ptr<Source> program_source(const std::filesystem::path& program, const SourceOptions& options);

/// `rounds` calls where the source is repeatable, else one.
BenchmarkFile measure(Source& source, int rounds, const std::vector<std::string>& only = {});

/// Rounds of A and B in turn, AB BA AB BA: drift of the machine falls on both alike.
struct Interleaved {
  BenchmarkFile a, b;
};
Interleaved measure_interleaved(Source& a, Source& b, int rounds, const std::vector<std::string>& only);

}  // namespace pionbench
