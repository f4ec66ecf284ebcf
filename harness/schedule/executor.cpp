#include "harness/schedule/executor.h"

#include <chrono>
#include <thread>

#include "harness/schedule/process.h"

namespace pionbench {

bool Executor::is_alive(const std::string&, const AttemptStart& start) const {
  return pionbench::is_alive(start);
}

void Executor::wait(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

}  // namespace pionbench
