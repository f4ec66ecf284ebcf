#include <csignal>

#include "core/error.h"
#include "experiments/suite.h"
#include "experiments/worker/stop.h"

namespace pionbench {
namespace {

volatile std::sig_atomic_t g_stop = 0;
extern "C" void on_stop(int) {
  g_stop = 1;
}

}  // namespace

void stop_on_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) std::signal(signal, on_stop);
}

const std::filesystem::path& RunContext::input(const std::string& suite) const {
  const auto it = request.inputs.find(suite);
  if (it == request.inputs.end()) throw UserError("run.json: inputs lack \"" + suite + "\"");
  return it->second;
}

bool RunContext::stop_requested() const {
  return g_stop != 0;
}

}  // namespace pionbench
