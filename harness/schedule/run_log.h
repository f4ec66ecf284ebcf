#pragma once
/// <out>/pionbench.log: what the orchestrator did and when. Never the terminal.

#include <filesystem>
#include <memory>
#include <string>

namespace pionbench {

class RunLog {
 public:
  /// Appends to `path`; UserError (exit 70) when it cannot be written.
  explicit RunLog(const std::filesystem::path& path);
  ~RunLog();
  void info(const std::string& message);
  void warn(const std::string& message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pionbench
