#pragma once
/// How much of this machine is ours.

#include <cstdint>
#include <optional>

namespace pionbench {

/// Cores this process may use: the smaller of its affinity mask and its control group's cpu.max, at least 1.
int available_cores();

/// How often the kernel has killed a process of this control group for memory; 0 where that cannot be known.
long out_of_memory_kills();

/// Bytes that our control group may still take (its cache counted as free); nothing without a limit.
std::optional<std::int64_t> control_group_memory_left();

}  // namespace pionbench
