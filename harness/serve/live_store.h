#pragma once
/// The dashboard of a store that grows while it is looked at.
///
/// It reads and never writes: runs come into the store through the orchestrator that watches over them. A folder
/// without a store is an empty one until there is one.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "harness/serve/server.h"
#include "results/dashboard/data.h"

namespace pionbench::serve {

class LiveStore : public Site {
 public:
  /// What runs and waits, as JSON {"running": [...], ...}; `store` is null where there is none yet.
  using Progress = std::function<Json(const Store* store)>;

  LiveStore(std::filesystem::path out, dashboard::DataOptions options, Progress progress);
  ~LiveStore() override;

  Document page() override;
  std::string security_policy() override;
  /// "main", "claims", "exhibits", "exhibit/<name>", "run/<name>", "vega".
  std::optional<Document> document(const std::string& name) override;
  std::string status() override;

 private:
  /// The store as it is now.
  class View;
  struct Made {
    std::string body;
    std::string stamp;  ///< of the store that it was made from
    std::chrono::steady_clock::time_point at;
    std::chrono::steady_clock::duration cost{};
  };

  std::optional<std::string> make(const std::string& name);
  std::optional<std::string> make_run(const std::string& name);
  void make_exhibits();

  const std::filesystem::path out_;
  const dashboard::DataOptions options_;
  const Progress progress_;
  // Documents and the status have a view each, so that a long document holds up no progress bar.
  std::mutex documents_mutex_, status_mutex_;
  std::unique_ptr<View> documents_, status_view_;
  std::map<std::string, Made> made_;  ///< of documents that are asked for again and again
};

}  // namespace pionbench::serve
