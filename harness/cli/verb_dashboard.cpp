#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/current_store.h"
#include "harness/cli/verbs.h"
#include "results/dashboard/document.h"
#include "results/grid.h"

namespace pionbench {
namespace {

struct Options {
  std::filesystem::path file;
  std::vector<std::string> better, floors;
};

int write_dashboard(const Context& context, const Options& options) {
  const auto file = options.file.empty() ? context.out / "dashboard.html" : options.file;
  dashboard::PageOptions page_options;
  for (const auto& list : {options.better, options.floors})
    for (const auto& text : list) page_options.data.history.kinds.push_back(parse_kind_override(text));
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    throw UserError(file.string() + " is a folder; -o wants the name of a file", kUsage);
  const Store store = open_current_store(context.out, context.dry_run);
  if (context.dry_run) {
    if (context.json)
      print_json({{"dry_run", true}, {"file", file.string()}});
    else
      std::printf("would write %s\n", file.c_str());
    return kDone;
  }
  const auto page = dashboard::static_page(store, page_options);
  write_file_atomic(file, page.html);
  if (context.json) {
    print_json({{"file", file.string()},
                {"bytes", page.html.size()},
                {"runs", page.runs},
                {"series", page.series},
                {"to_look_at", page.changed},
                {"exhibits", page.exhibits},
                {"thinned", page.thinned},
                {"charts", page.has_charts}});
    return kDone;
  }
  if (!context.quiet) {
    std::fprintf(stderr, "%s, %zu measured series (%d to look at), %zu figures and tables; %.1f MB\n",
                 counted(page.runs, "run").c_str(), page.series, page.changed, page.exhibits,
                 static_cast<double>(page.html.size()) / 1e6);
    if (!page.thinned.empty()) std::fprintf(stderr, "%s\n", page.thinned.c_str());
    if (!page.has_charts)
      std::fprintf(stderr,
                   "without charts: this build had no vl-convert-python; ci/setup installs it, then build again\n");
  }
  std::printf("%s\n", file.c_str());
  return kDone;
}

}  // namespace

const Verb kDashboardVerb = {
    "dashboard", "Write one HTML file: regressions, claims, figures and every run, offline",
    "pionbench dashboard\npionbench dashboard --out history -o public/index.html",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("-o,--output", options->file, "the file (default: dashboard.html in --out)");
      app.add_option("--better", options->better, "PATTERN=lower|higher|neither, as the gate was told");
      app.add_option("--floor", options->floors, "PATTERN=0.05 or PATTERN=0.01abs, as the gate was told");
      return Runner([&context, options] { return write_dashboard(context, *options); });
    }};

}  // namespace pionbench
