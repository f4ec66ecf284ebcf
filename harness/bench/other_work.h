#pragma once
/// How much of this machine something else took while we measured.

#include <optional>
#include <string>

namespace pionbench {

/// Watches from its construction on. Of all processors together: what was busy or taken by the hypervisor, less what
/// this process and its ended children used.
class OtherWork {
 public:
  OtherWork();
  /// "3 % of 2 cores"; "" where the kernel does not tell (no /proc/stat).
  std::string text() const;

 private:
  struct Clock {
    double busy, all, ours;  ///< seconds, of all processors together
  };
  static std::optional<Clock> now();
  std::optional<Clock> began_;
};

}  // namespace pionbench
