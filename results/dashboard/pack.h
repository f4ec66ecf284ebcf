#pragma once
/// Data inside an HTML page: deflated, as base64. Browsers unpack it with atob and DecompressionStream("deflate").

#include <string>
#include <string_view>

namespace pionbench::dashboard {

std::string deflated(std::string_view bytes);  ///< zlib format (RFC 1950), level 9: the same bytes every time
std::string base64(std::string_view bytes);    ///< RFC 4648, padded
/// "'sha256-<base64>'": what a Content-Security-Policy calls an inline script.
std::string script_hash(std::string_view script);

}  // namespace pionbench::dashboard
