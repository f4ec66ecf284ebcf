#include "harness/schedule/stop_request.h"

#include "core/error.h"
#include "core/files.h"

namespace pionbench {

void write_stop_request(const std::filesystem::path& run_folder, StopRequest request) {
  write_file_atomic(run_folder / "stop", request == StopRequest::kKill ? "kill\n" : "stop\n");
}

StopRequest read_stop_request(const std::filesystem::path& run_folder) {
  std::error_code error;
  if (!std::filesystem::exists(run_folder / "stop", error)) return StopRequest::kNone;
  try {
    return read_file(run_folder / "stop") == "kill\n" ? StopRequest::kKill : StopRequest::kStop;
  } catch (const UserError&) {
    return StopRequest::kNone;  // gone meanwhile
  }
}

void clear_stop_request(const std::filesystem::path& run_folder) {
  std::error_code error;
  std::filesystem::remove(run_folder / "stop", error);
}

}  // namespace pionbench
