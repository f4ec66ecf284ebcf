#include "results/dashboard/assets.h"

// The assembler takes the bytes as they are: megabytes cost no compile time. CMake names the files.
#define PIONBENCH_EMBED(name, file)                                                                          \
  asm(".pushsection .rodata\n"                                                                               \
      ".global pionbench_asset_" #name "\n.hidden pionbench_asset_" #name "\npionbench_asset_" #name         \
      ":\n.incbin \"" file                                                                                   \
      "\"\n"                                                                                                 \
      ".global pionbench_asset_" #name "_end\n.hidden pionbench_asset_" #name "_end\npionbench_asset_" #name \
      "_end:\n.byte 0\n.popsection\n");                                                                      \
  extern "C" __attribute__((visibility("hidden"))) const char pionbench_asset_##name[], pionbench_asset_##name##_end[];

PIONBENCH_EMBED(page, PIONBENCH_DASHBOARD_PAGE)
PIONBENCH_EMBED(style, PIONBENCH_DASHBOARD_STYLE)
PIONBENCH_EMBED(script, PIONBENCH_DASHBOARD_SCRIPT)
PIONBENCH_EMBED(vega, PIONBENCH_DASHBOARD_VEGA)

namespace pionbench::dashboard::assets {

std::string_view page_html() {
  return {pionbench_asset_page, pionbench_asset_page_end};
}
std::string_view style_css() {
  return {pionbench_asset_style, pionbench_asset_style_end};
}
std::string_view script_js() {
  return {pionbench_asset_script, pionbench_asset_script_end};
}
std::string_view vega_js() {
  return {pionbench_asset_vega, pionbench_asset_vega_end};
}

}  // namespace pionbench::dashboard::assets
