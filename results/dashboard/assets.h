#pragma once
/// The front end's files, inside the program.

#include <string_view>

namespace pionbench::dashboard::assets {

std::string_view page_html();
std::string_view style_css();
std::string_view script_js();  ///< all of *.js, in the order that CMake names
/// Vega, Vega-Lite and Vega-Embed (BSD 3-clause), bundled at build time by vl-convert-python; "" where it was missing.
std::string_view vega_js();

}  // namespace pionbench::dashboard::assets
