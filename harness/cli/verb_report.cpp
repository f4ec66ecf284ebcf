#include <cstdio>
#include <memory>

#include "core/error.h"
#include "harness/cli/current_store.h"
#include "harness/cli/verbs.h"
#include "results/report.h"

namespace pionbench {
namespace {

struct Options {
  std::vector<std::string> only;
};

int run_report(const Context& context, const Options& options) {
  const Store store = open_current_store(context.out);
  const auto summary = write_report(store, {.home = context.home, .python = context.python, .only = options.only});
  if (context.json) {
    print_json(to_json(summary));
    return kDone;
  }
  if (!context.quiet) std::fputs((summary.text + "\n").c_str(), stdout);
  std::printf("%s\n", summary.index.c_str());
  return kDone;
}

}  // namespace

const Verb kReportVerb = {
    "report", "Write figures, tables and the page from what the store has",
    "pionbench report\npionbench report --only fig3 --json", [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("--only", options->only, "figures, tables or experiments to write, e.g. fig3 or fig2b,fig3")
          ->delimiter(',');
      return Runner([&context, options] { return run_report(context, *options); });
    }};

}  // namespace pionbench
