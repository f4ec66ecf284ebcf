#pragma once
/// The store with all that the spools say, for verbs that only read.

#include <filesystem>

#include "store/store.h"

namespace pionbench {

/// Takes in what is new, unless another pionbench is writing in `out` (it does so itself) or the folder cannot be
/// written; then opens the store to read. UserError when there is nothing to read.
/// With `dry_run` it opens what is there and takes nothing in.
Store open_current_store(const std::filesystem::path& out, bool dry_run = false);

}  // namespace pionbench
