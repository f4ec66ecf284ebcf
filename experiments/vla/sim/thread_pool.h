#pragma once
/// A fixed set of threads that run numbered jobs. Thread t always is the same operating-system thread, so that what
/// is bound to a thread (a GL context, an mjData) can live in slot t.

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pionbench::vla {

/// All the cores this process may use.
int available_threads();

class ThreadPool {
 public:
  /// `threads` >= 1, none of which is the caller's.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()); }
  /// job(thread, i) for every i in 0 … n − 1, handed out in order; returns when all are done. The first exception
  /// of a job is thrown here, after the others have finished.
  void run(int n, const std::function<void(int thread, int i)>& job);
  /// job(thread) once on every thread.
  void on_each(const std::function<void(int thread)>& job);

 private:
  void work(int thread);
  void start(int n, bool pinned, const std::function<void(int, int)>& job);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  const std::function<void(int, int)>* job_ = nullptr;
  int n_ = 0, next_ = 0, running_ = 0;
  bool pinned_ = false;  ///< job i on thread i
  std::uint64_t round_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
};

}  // namespace pionbench::vla
