#pragma once
/// Pictures of Vega-Lite documents, made by results/render.py.

#include <filesystem>
#include <string>
#include <vector>

namespace pionbench {

/// Renders FOLDER/NAME.vl.json to .svg, .pdf and .png for all names in one process. Returns what went wrong, "" when
/// nothing did; a figure that failed lacks its files.
std::string render_figures(const std::filesystem::path& python, const std::filesystem::path& script,
                           const std::filesystem::path& folder, const std::vector<std::string>& names);

}  // namespace pionbench
