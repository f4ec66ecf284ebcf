#pragma once
/// What a shell may offer behind the words typed so far.

#include <string>
#include <vector>

#include "harness/cli/verbs.h"

namespace pionbench {

/// `words`: what stands behind the program's name up to the cursor, the last one unfinished (maybe ""). Returns whole
/// words that begin with it, in the order to show them; a key ends with "=". None where a file name is wanted. Never
/// throws: half a command line is full of mistakes.
std::vector<std::string> completions(const std::vector<std::string>& words, const Context& context);

}  // namespace pionbench
