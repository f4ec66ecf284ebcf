#include <algorithm>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "harness/cli/current_store.h"
#include "harness/cli/verbs.h"
#include "results/registry.h"
#include "results/report.h"

namespace pionbench {
namespace {

struct Options {
  std::vector<std::string> only;
};

int print_report_plan(const Store& store, const Context& context, const Options& options) {
  Json items = Json::array();
  const auto all = gather(store);
  const auto add = [&](const char* folder, const auto& made) {
    for (const auto& item : made) {
      const bool is_wanted = options.only.empty() || std::ranges::any_of(options.only, [&](const std::string& name) {
                               return name == item.entry->name || name == item.evidence->experiment.name;
                             });
      if (is_wanted) items.push_back((context.out / "report" / folder / item.name).string());
    }
  };
  add("figures", figure_items(all));
  add("tables", table_items(all));
  if (context.json) {
    print_json({{"dry_run", true}, {"items", items}});
    return kDone;
  }
  for (const auto& item : items) std::printf("would write %s\n", item.get_ref<const std::string&>().c_str());
  std::printf("would write %s\n", (context.out / "report" / "index.html").c_str());
  return kDone;
}

int run_report(const Context& context, const Options& options) {
  const Store store = open_current_store(context.out, context.dry_run);
  if (context.dry_run) return print_report_plan(store, context, options);
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
