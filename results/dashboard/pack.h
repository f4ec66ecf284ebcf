#pragma once
/// Data inside an HTML page: deflated, then as base64 (results/base64.h). Browsers unpack it with atob and
/// DecompressionStream("deflate").

#include <string>
#include <string_view>

namespace pionbench::dashboard {

std::string deflated(std::string_view bytes);  ///< zlib format (RFC 1950), level 9: the same bytes every time
/// "'sha256-<base64>'": what a Content-Security-Policy calls an inline script.
std::string script_hash(std::string_view script);

}  // namespace pionbench::dashboard
