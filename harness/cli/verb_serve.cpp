#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "harness/cli/current_store.h"
#include "harness/cli/run_status.h"
#include "harness/cli/verbs.h"
#include "harness/schedule/interrupts.h"
#include "harness/serve/live_store.h"

namespace pionbench {
namespace {

constexpr int kUsualPort = 8787;

struct Options {
  std::string host = "127.0.0.1";
  std::optional<int> port;
  std::vector<std::string> better, floors;
};

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "localhost" || host == "::1";
}

/// Runs that go on, as `status --json` tells of them, and what waits.
class Progress {
 public:
  explicit Progress(std::filesystem::path out) : out_(std::move(out)) {}

  Json operator()(const Store* store) {
    Json document = queue_json(out_);
    document["running"] = Json::array();
    if (!store) return document;
    if (steady_seconds() - asked_at_ > kSecondsBetweenQueues) {
      jobs_ = JobStatuses();
      asked_at_ = steady_seconds();
    }
    const auto labels = labels_by_cell(store->experiments());
    for (const auto& run : store->runs())
      if (run.state == RunState::kRunning) document["running"].push_back(to_json(status_of(run, out_, labels, jobs_)));
    return document;
  }

 private:
  // A page that stays open all day must not ask Slurm every second.
  static constexpr double kSecondsBetweenQueues = 15;
  std::filesystem::path out_;
  JobStatuses jobs_;
  double asked_at_ = -kSecondsBetweenQueues;
};

std::vector<std::string> own_names(const std::string& host) {
  if (is_loopback(host)) return {};
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return {host, name};
}

std::unique_ptr<serve::Server> bind(serve::Site& site, const Options& options) {
  const serve::Address address{options.host, options.port.value_or(kUsualPort), own_names(options.host)};
  try {
    return std::make_unique<serve::Server>(site, address);
  } catch (const UserError&) {
    // Nobody asked for this very port.
    if (options.port) throw;
    return std::make_unique<serve::Server>(site, serve::Address{address.host, 0, address.names});
  }
}

int run_server(const Context& context, const Options& options) {
  dashboard::DataOptions data;
  for (const auto& list : {options.better, options.floors})
    for (const auto& text : list) data.history.kinds.push_back(parse_kind_override(text));
  if (context.dry_run) {
    const std::string url = "http://" + options.host + ":" + std::to_string(options.port.value_or(kUsualPort)) + "/";
    if (context.json)
      print_json({{"dry_run", true}, {"url", url}});
    else
      std::printf("would serve %s at %s\n", context.out.c_str(), url.c_str());
    return kDone;
  }
  if (Store::exists(context.out)) open_current_store(context.out);
  const InterruptCounter interrupts;
  serve::LiveStore site(context.out, std::move(data), Progress(context.out));
  const auto server = bind(site, options);
  server->start();
  const std::string host = options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  const std::string url = "http://" + host + ":" + std::to_string(server->port()) + "/";
  if (context.json)
    print_json({{"url", url}, {"host", options.host}, {"port", server->port()}});
  else
    std::printf("%s\n", url.c_str());
  std::fflush(stdout);
  if (!context.quiet) {
    if (!is_loopback(options.host))
      std::fprintf(stderr, "warning: whoever reaches this machine can read %s\n", context.out.c_str());
    std::fprintf(stderr, "serving %s, read-only; Ctrl-C ends it\n", context.out.c_str());
  }
  while (interrupts.count() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server->stop();
  return kDone;
}

}  // namespace

const Verb kServeVerb = {
    "serve", "Show the dashboard in a browser while runs go on: read-only, this machine alone",
    "pionbench serve\npionbench serve --port 9000 --out sweep", [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("--port", options->port, "the port; 0: any that is free (default: 8787, or a free one)")
          ->check(CLI::Range(0, 65535));
      app.add_option("--host", options->host, "the address to listen on; 0.0.0.0 lets other machines read")
          ->capture_default_str();
      app.add_option("--better", options->better, "PATTERN=lower|higher|neither, as the gate was told");
      app.add_option("--floor", options->floors, "PATTERN=0.05 or PATTERN=0.01abs, as the gate was told");
      return Runner([&context, options] { return run_server(context, *options); });
    }};

}  // namespace pionbench
