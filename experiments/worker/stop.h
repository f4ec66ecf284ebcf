#pragma once
/// How a run is told to stop: RunContext::stop_requested().

namespace pionbench {

/// From now on SIGTERM, SIGINT and SIGUSR2 make stop_requested() true.
void stop_on_signals();

}  // namespace pionbench
