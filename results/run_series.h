#pragma once
/// The ends of finished runs as series, so that accuracies and spectral quantities pass the same gate as times.

#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace pionbench {

/// Metric -> value of one finished run:
///   evaluation/<split>/<name>   the last evaluation; a diverged run counts as a miss: 0
///   seconds_per_step            training time without evaluation; not of diverged runs
///   <training metric>           the mean over its steps; not of diverged runs
///   spectral/<name>             the mean over steps and whole matrices; not of diverged runs
std::map<std::string, double> run_summary(const Store& store, const RunRow& run);

/// "<experiment>.<scale>/<arm>/<key>=<value>...:<metric>", one sample per seed in the order of the experiment.
std::vector<BenchmarkSeries> run_series(const Store& store);

}  // namespace pionbench
