#pragma once
/// Ctrl-C, SIGTERM and a closed terminal as a count that loops can look at.

#include <atomic>
#include <csignal>

namespace pionbench {

/// While it lives, SIGINT, SIGTERM and SIGHUP are counted instead of ending the program. One at a time.
class InterruptCounter {
 public:
  InterruptCounter();
  ~InterruptCounter();
  InterruptCounter(const InterruptCounter&) = delete;
  InterruptCounter& operator=(const InterruptCounter&) = delete;
  const std::atomic<int>& count() const;

 private:
  struct sigaction before_[3];
};

}  // namespace pionbench
