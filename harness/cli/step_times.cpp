#include "harness/cli/step_times.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/error.h"
#include "harness/bench/machine.h"
#include "harness/bench/other_work.h"
#include "harness/bench/sitting.h"
#include "results/claims/claim.h"

namespace pionbench {
namespace {

// Each process gives one sample; five tell a ratio of 1.05 from 1 where processes differ by 2 %.
constexpr int kRounds = 5;
// On one thread other work costs its share of a core. Two threads that wait for each other took up to 25 times as long
// beside it.
constexpr int kThreads = 1;
constexpr std::array kTimed = {"muon", "pion"};

/// "muon 2, pion 3": raised versions mean other code, and times of its own.
std::string versions_of(const Catalog& catalog) {
  std::string out;
  for (const auto* name : kTimed)
    for (const auto& optimizer : catalog.optimizers)
      if (optimizer.name == name)
        out += (out.empty() ? "" : ", ") + optimizer.name + " " + std::to_string(optimizer.version);
  return out;
}

bool is_of(const Sitting& sitting, const std::map<std::string, std::string>& machine) {
  return std::ranges::all_of(std::array{"cpu", "cores", "gpu", "compiler"}, [&](const char* name) {
    const auto there = sitting.environment.find(name), here = machine.find(name);
    return (there == sitting.environment.end() ? "" : there->second) == (here == machine.end() ? "" : here->second);
  });
}

/// Built where the worker is.
std::filesystem::path program_of(const Context& context) {
  return context.worker.parent_path() / "optim_bench";
}

}  // namespace

StepTimes find_step_times(const Store* store, const Catalog& catalog, const Context& context,
                          const BackendArguments& backend) {
  if (store) {
    const auto machine = machine_facts();
    const std::string revision = revision_of(context.home), versions = versions_of(catalog);
    const bool is_clean = revision != "unknown" && !revision.ends_with("-dirty");  // else one name means many codes
    const auto sittings = store->sittings();
    for (auto sitting = sittings.rbegin(); sitting != sittings.rend(); ++sitting) {
      if (!claims::times_steps(*sitting) || !is_of(*sitting, machine)) continue;
      const auto noted = sitting->environment.find("optimizers");
      if ((is_clean && sitting->revision == revision) ||
          (noted != sitting->environment.end() && noted->second == versions))
        return {.sitting = sitting->sitting};
    }
  }
  if (is_remote(backend))
    return {.lacks = "C5: steps are not timed on the machine that hands in jobs; on a node: pionbench bench " +
                     program_of(context).string() + " --threads 1 --filter '" + claims::kStepFilter + "'"};
  if (::access(program_of(context).c_str(), X_OK) != 0)
    return {.lacks =
                "C5: this build has no optim_bench (Debian's libbenchmark-dev), so no step is timed; ci/setup, then "
                "ci/build"};
  return {};
}

StepTimes bring_step_times_up_to_date(Store& store, const Catalog& catalog, const Context& context,
                                      const BackendArguments& backend) {
  StepTimes out = find_step_times(&store, catalog, context, backend);
  if (!out.sitting.empty() || !out.lacks.empty()) return out;
  if (!context.quiet) std::fputs("timing optimizer steps for claim C5: half a minute\n", stderr);
  try {
    const OtherWork others;
    const SourceOptions options{.filter = claims::kStepFilter, .threads = kThreads};
    const auto program = program_source(program_of(context), options);
    const auto file = measure(*program, kRounds);
    auto facts = facts_of(options);
    facts["optimizers"] = versions_of(catalog);
    const Sitting sitting = make_sitting(file, {.home = context.home, .other_work = others.text(), .facts = facts});
    if (!claims::times_steps(sitting))
      throw UserError(program_of(context).string() + " gave no times of Muon's and Pion's steps", kFailed);
    store.record_sitting(sitting);
    return {.sitting = sitting.sitting, .is_measured = true};
  } catch (const UserError& error) {
    if (error.exit_code() == kInterrupted) throw;
    return {.lacks = std::string("C5: steps could not be timed: ") + error.what()};
  }
}

}  // namespace pionbench
