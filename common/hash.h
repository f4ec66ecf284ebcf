#pragma once
/// Content identity: SHA-256 of canonical JSON.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace pionbench {

/// FIPS 180-4, as 64 lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);

/// One text per value: object keys sorted by bytes, no white space, UTF-8, integers as they are, reals in the
/// shortest form that reads back as the same double and always with a '.' or an exponent (so 1.0 and 1 differ).
/// Throws std::logic_error on NaN and infinities, which JSON cannot hold.
std::string canonical(const nlohmann::json& json);

/// sha256(canonical(json)): the identity of a cell.
std::string content_hash(const nlohmann::json& json);

}  // namespace pionbench
