#pragma once
/// The options of every verb that measures (bench, gate).

#include <CLI/CLI.hpp>

#include "harness/bench/source.h"

namespace pionbench {

void add_source_options(CLI::App& app, SourceOptions& source);

}  // namespace pionbench
