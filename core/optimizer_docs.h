#pragma once
/// docs/optimizers.md, written from what the optimizers say of themselves. Standard library only.

#include <span>
#include <string>

#include "core/info.h"

namespace pionbench {

/// The command that writes the page again; tests name it.
inline constexpr const char* kWriteOptimizerDocs = "./pionbench list optimizers --markdown > docs/optimizers.md";

/// The whole page, in the order given: for each optimizer its equation, source, state and cost, then its
/// hyperparameters (default, allowed, help), then its presets as a table of what they set.
std::string optimizers_markdown(std::span<const OptimizerInfo> optimizers);

}  // namespace pionbench
