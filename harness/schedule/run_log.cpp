#include "harness/schedule/run_log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "core/error.h"

namespace pionbench {

struct RunLog::Impl {
  std::shared_ptr<spdlog::logger> logger;
};

RunLog::RunLog(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(path.string());
    impl_->logger = std::make_shared<spdlog::logger>("pionbench", std::move(sink));
  } catch (const spdlog::spdlog_ex& e) {
    throw UserError("cannot write " + path.string() + ": " + e.what(), kInternal);
  }
  impl_->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  impl_->logger->flush_on(spdlog::level::info);
  // A full disk must not spoil the terminal line by line; the spools report it.
  impl_->logger->set_error_handler([](const std::string&) {});
}
RunLog::~RunLog() = default;

// "{}": the message is text, not a format.
void RunLog::info(const std::string& message) {
  impl_->logger->info("{}", message);
}
void RunLog::warn(const std::string& message) {
  impl_->logger->warn("{}", message);
}

}  // namespace pionbench
