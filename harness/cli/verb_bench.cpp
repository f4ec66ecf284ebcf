#include <cmath>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "harness/bench/machine.h"
#include "harness/bench/other_work.h"
#include "harness/bench/sitting.h"
#include "harness/cli/source_options.h"
#include "harness/cli/verbs.h"
#include "results/grid.h"
#include "results/stats/aggregate.h"
#include "store/store.h"

namespace pionbench {
namespace {

struct Options {
  std::vector<std::string> sources;
  int rounds = 9;
  bool is_quick = false;
  std::string revision, machine;
  SourceOptions source;
};

std::string spread_text(const BenchmarkSeries& series) {
  const double center = stats::median(series.samples);
  if (series.samples.size() < 2 || center == 0) return "–";
  return fixed(100 * stats::kMadToSd * stats::median_absolute_deviation(series.samples) / std::abs(center), 2) + " %";
}

Json to_json(const BenchmarkSeries& series) {
  return {{"name", series.name},
          {"unit", series.unit},
          {"median", stats::median(series.samples)},
          {"samples", series.samples}};
}

BenchmarkFile measure_all(const Options& options, const Context& context, bool& is_local) {
  BenchmarkFile all;
  is_local = true;
  for (const auto& text : options.sources) {
    const auto source = open_source(text, options.source);
    is_local = is_local && source->is_live();
    if (!context.quiet)
      std::fprintf(
          stderr, "measuring %s%s\n", text.c_str(),
          source->is_repeatable() ? (", " + counted(static_cast<std::size_t>(options.rounds), "round")).c_str() : "");
    auto file = measure(*source, options.rounds);
    for (auto& series : file.series) {
      for (const auto& other : all.series)
        if (other.name == series.name)
          throw UserError("two sources measure " + series.name + "; name them one at a time", kUsage);
      all.series.push_back(std::move(series));
    }
    all.environment.merge(file.environment);
  }
  return all;
}

int bench(const Context& context, const Options& options) {
  bool is_local = true;
  const OtherWork others;
  const auto file = measure_all(options, context, is_local);
  const Sitting sitting = make_sitting(
      file, {context.home, options.revision, options.machine, is_local, others.text(), facts_of(options.source)});
  if (!options.is_quick) {
    const OutLock lock(context.out);
    Store store(context.out, Store::Mode::kReadWrite);
    store.ingest();
    store.record_sitting(sitting);
  }
  if (context.json) {
    Json series = Json::array();
    for (const auto& s : sitting.series) series.push_back(to_json(s));
    print_json({{"sitting", options.is_quick ? Json() : Json(sitting.sitting)},
                {"revision", sitting.revision},
                {"fingerprint", sitting.fingerprint},
                {"environment", sitting.environment},
                {"series", series}});
    return kDone;
  }
  Grid grid{{"Series", "Median", "Unit", "Spread", "n"}, {}};
  for (const auto& s : sitting.series)
    grid.rows.push_back(
        {s.name, significant(stats::median(s.samples), 5), s.unit, spread_text(s), std::to_string(s.samples.size())});
  std::fputs(to_plain(grid).c_str(), stdout);
  if (!context.quiet)
    std::fprintf(stderr, "%s of %s on machine %s\n", options.is_quick ? "not kept; a look" : sitting.sitting.c_str(),
                 sitting.revision.c_str(), sitting.fingerprint.c_str());
  return kDone;
}

}  // namespace

const Verb kBenchVerb = {
    "bench", "Measure benchmark programs or take their results in",
    "pionbench bench build/release/bin/optim_bench --filter 'step/'\n"
    "pionbench bench results.json --revision 3f2a90c --machine gpu-node-7\n"
    "pionbench bench out",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option(
             "SOURCE", options->sources,
             "a Google Benchmark program, a .json file that one wrote, an output folder (the ends of its runs), "
             "or run:COMMAND with {out} where its results go")
          ->required();
      app.add_option("--rounds", options->rounds, "processes per program; each gives one sample")
          ->check(CLI::Range(1, 1000))
          ->capture_default_str();
      add_source_options(app, options->source);
      app.add_option("--revision", options->revision, "what was measured; otherwise the git commit here");
      app.add_option("--machine", options->machine, "where a file was measured, if that is not to be read from it");
      app.add_flag("--quick", options->is_quick, "measure and print, keep nothing");
      return Runner([&context, options] { return bench(context, *options); });
    }};

}  // namespace pionbench
