#pragma once
/// <run>/stop: somebody wants this one run to end. The orchestrator that watches over it sees the file; it is gone when
/// the run's next attempt begins.

#include <filesystem>

namespace pionbench {

enum class StopRequest { kNone, kStop, kKill };

void write_stop_request(const std::filesystem::path& run_folder, StopRequest request);
StopRequest read_stop_request(const std::filesystem::path& run_folder);
void clear_stop_request(const std::filesystem::path& run_folder);

}  // namespace pionbench
