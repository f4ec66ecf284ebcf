"""Bundle Vega, Vega-Lite and Vega-Embed as one script that defines window.vegaEmbed: bundle.py OUTPUT.

vl-convert-python carries them, so no network is asked. Its newest Vega-Lite is the one that fits its Vega; documents of
Vega-Lite 5, which results/render.py draws on paper, mean the same to it.
"""

import sys
from pathlib import Path

import vl_convert

# The default snippet exports; this one defines what the page uses.
SNIPPET = "window.vegaEmbed = vegaEmbed;"

newest = vl_convert.get_vegalite_versions()[-1]
Path(sys.argv[1]).write_text(vl_convert.javascript_bundle(SNIPPET, vl_version=newest), encoding="utf-8")
