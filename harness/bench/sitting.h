#pragma once
/// From what was measured to what is stored.

#include <filesystem>
#include <map>
#include <string>

#include "harness/bench/source.h"
#include "store/records.h"

namespace pionbench {

struct SittingOptions {
  std::filesystem::path home;  ///< the git tree whose revision is meant
  std::string revision;        ///< "" = of `home`
  std::string machine;         ///< for files measured elsewhere: a name for that machine; "" = what the file says
  bool is_local = true;        ///< measured on this machine, now
  std::string other_work;      ///< OtherWork::text while it was measured; "" = not known
  std::map<std::string, std::string> facts = {};  ///< further ones to keep beside it
};

/// Facts of this machine, or of the file where it was measured elsewhere (its "host" is another one), with "other work"
/// for people; then fingerprint, revision, time and a name that sorts by time.
Sitting make_sitting(BenchmarkFile file, const SittingOptions& options);

}  // namespace pionbench
