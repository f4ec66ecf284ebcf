#pragma once
/// How every figure looks: fonts, lines, and one colour for an arm wherever it stands.

#include <string>
#include <vector>

#include "store/records.h"

namespace pionbench {

// The page's dark mode re-colours exactly these, so a figure uses no other colour for text and lines.
inline constexpr const char* kTextColor = "#24292f";
inline constexpr const char* kGridColor = "#e3e7ec";
inline constexpr const char* kNeutralColor = "#8b949e";  ///< axes, reference lines: legible on light and dark

struct ArmStyle {
  std::string arm;
  std::string color;
  std::vector<int> dash;  ///< {} = solid; so that arms of one family differ without colour too
};

/// Styles of the arms in display order, by optimizer: AdamW green, Muon red, Pion blue, control grey. Arms of one
/// optimizer take its shades in order. The base shades are Okabe and Ito's, distinct to colour-blind readers.
std::vector<ArmStyle> arm_styles(const ExperimentRecord& experiment);

/// Six ordered colours for counts of steps, dark to bright, legible on light and dark.
const std::vector<std::string>& ordered_colors();

/// A Vega-Lite document with the common configuration; `body` adds the views.
Json vega_lite(Json body);

/// {"scale": {...}, "legend": {...}} for encodings `color` and `strokeDash` by arm, in display order.
Json arm_color_encoding(const std::vector<ArmStyle>& styles);
Json arm_dash_encoding(const std::vector<ArmStyle>& styles);

}  // namespace pionbench
