#include "experiments/vla/sim/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace pionbench::vla {

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 0; i < std::max(1, threads); ++i) threads_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::run(int n, const std::function<void(int, int)>& job) {
  start(n, false, job);
}

void ThreadPool::on_each(const std::function<void(int)>& job) {
  start(size(), true, [&job](int thread, int) { job(thread); });
}

void ThreadPool::start(int n, bool pinned, const std::function<void(int, int)>& job) {
  if (n == 0) return;
  std::unique_lock lock(mutex_);
  job_ = &job;
  n_ = n;
  next_ = 0;
  pinned_ = pinned;
  running_ = size();
  error_ = nullptr;
  ++round_;
  wake_.notify_all();
  finished_.wait(lock, [this] { return running_ == 0; });
  job_ = nullptr;
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::work(int thread) {
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || round_ != seen; });
    if (stop_) return;
    seen = round_;
    bool mine = true;
    while (mine) {
      int i = thread;
      if (pinned_) {
        mine = false;
      } else {
        if (next_ >= n_) break;
        i = next_++;
      }
      lock.unlock();
      try {
        (*job_)(thread, i);
      } catch (...) {
        lock.lock();
        if (!error_) error_ = std::current_exception();
        lock.unlock();
      }
      lock.lock();
    }
    if (--running_ == 0) finished_.notify_all();
  }
}

}  // namespace pionbench::vla
