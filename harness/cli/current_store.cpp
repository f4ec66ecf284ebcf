#include "harness/cli/current_store.h"

#include <cstdio>

#include "core/error.h"
#include "harness/cli/backend.h"

namespace pionbench {

Store open_current_store(const std::filesystem::path& out, bool dry_run) {
  const bool has_anything = Store::exists(out) || std::filesystem::exists(out / "runs");
  if (has_anything && !dry_run) {
    try {
      const OutLock lock(out);
      Store store(out, Store::Mode::kReadWrite);
      const auto report = store.ingest();
      settle_ended_jobs(store);
      for (const auto& complaint : report.complaints) std::fprintf(stderr, "warning: %s\n", complaint.c_str());
    } catch (const UserError& error) {
      if (error.exit_code() != kInterrupted && error.exit_code() != kInternal) throw;
      if (error.exit_code() == kInternal) std::fprintf(stderr, "warning: not brought up to date: %s\n", error.what());
    }
  }
  return Store(out, Store::Mode::kReadOnly);
}

}  // namespace pionbench
