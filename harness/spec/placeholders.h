#pragma once
/// {name} in a text; {{ and }} are braces.

#include <functional>
#include <string>
#include <vector>

namespace pionbench {

/// The names, in order. UserError for a brace that is not closed.
std::vector<std::string> placeholders_of(const std::string& text);

/// The text with every {name} replaced by `value_of(name)`.
std::string filled(const std::string& text, const std::function<std::string(const std::string&)>& value_of);

}  // namespace pionbench
