#pragma once
/// What was built. Generated anew at every build (cmake/build_info.cmake).

namespace pionbench::build_info {

extern const char* const kCommit;  ///< full hash, or "unknown" outside a checkout
extern const char* const kDirty;   ///< "no", or the first digits of the SHA-256 of the uncommitted diff

}  // namespace pionbench::build_info
