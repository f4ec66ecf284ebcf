#pragma once
/// JSON values of unknown origin in messages.

#include <nlohmann/json.hpp>
#include <string>

namespace pionbench::rlvr {

/// Scalars as they are written, cut at 80 bytes; containers by kind and size: writing a hostile one out in full may
/// take all memory, or all of the stack.
inline std::string shown(const nlohmann::json& json) {
  if (json.is_array()) return "a list of " + std::to_string(json.size());
  if (json.is_object()) return "an object of " + std::to_string(json.size());
  const auto text = json.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

}  // namespace pionbench::rlvr
