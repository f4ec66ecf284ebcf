#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/current_store.h"
#include "harness/cli/verbs.h"
#include "results/claims/claim.h"

namespace pionbench {
namespace {

struct Options {
  std::vector<std::string> only;
  std::string scale, markdown;
};

int run_claims(const Context& context, const Options& options) {
  const Store store = open_current_store(context.out);
  const auto evidence = gather(store);
  const claims::Board board(evidence, store.sittings(), options.scale);
  const auto judged = claims::judge(board, claims::published_claims(), options.only);
  if (!options.markdown.empty() && options.markdown != "-")
    write_file_atomic(options.markdown, claims::to_markdown(judged));
  if (context.json)
    print_json({{"claims", claims::to_json(judged)}, {"digest", store.digest()}});
  else if (options.markdown == "-")
    std::fputs(claims::to_markdown(judged).c_str(), stdout);
  else if (!context.quiet)
    std::fputs(claims::to_plain(judged).c_str(), stdout);
  return claims::exit_code(judged);
}

}  // namespace

const Verb kClaimsVerb = {
    "claims",
    "The paper's claims, each with its rule, our numbers and a verdict: exit 0 all reproduced, 1 one differs, 3 open",
    "pionbench claims\npionbench claims C12 C15 --json\npionbench claims --md claims.md",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("CLAIM,--only", options->only, "claims, e.g. C12 C15; otherwise all")->delimiter(',');
      app.add_option("--scale", options->scale, "quick, desk or paper; otherwise the largest with finished runs");
      app.add_option("--md", options->markdown, "write a table in Markdown here; - is standard output");
      return Runner([&context, options] { return run_claims(context, *options); });
    }};

}  // namespace pionbench
