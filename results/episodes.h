#pragma once
/// What a run's records by episode say of single tasks.

#include <array>

#include "results/finals.h"

namespace pionbench {

/// The robot's tasks as results/reference/table3.yaml names them, in the order in which suite vla/robot numbers them.
inline constexpr std::array kRobotTasks = {"cube to bowl", "cube to plate", "cucumber to plate"};

/// The share of successes among a run's test episodes of one task, at the last step; 0 of a diverged run, none where
/// the run recorded no episode of the task.
CellValue success_on_task(const Evidence& evidence, std::size_t task);

}  // namespace pionbench
