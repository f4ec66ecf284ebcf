#include "harness/cli/source_options.h"

namespace pionbench {

void add_source_options(CLI::App& app, SourceOptions& source) {
  app.add_option("--repetitions", source.repetitions, "within a process; their median is its sample")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--filter", source.filter, "regular expression: which benchmarks of a program");
  app.add_option("--min-time", source.min_time, "seconds per benchmark; 0 is the program's own")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", source.threads, "OpenMP threads of a program; 0: as it is, all cores")
      ->check(CLI::Range(0, 4096));
}

}  // namespace pionbench
